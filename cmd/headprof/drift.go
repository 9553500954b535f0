package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"headprof/scoring/stats"
)

// bound is the least that a measure of likeness may be.
type bound struct {
	measure string
	least   float64
}

// measures of likeness that --fail-under knows, each 1 for equal rankings.
var measures = []string{"spearman", "kendall", "top", "jaccard"}

// parseBounds reads "spearman=0.95,top=0.8".
func parseBounds(s string) ([]bound, error) {
	var out []bound
	for _, part := range strings.Split(s, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		least, err := strconv.ParseFloat(value, 64)
		if !ok || err != nil || !slices.Contains(measures, name) || !(least >= -1 && least <= 1) {
			return nil, usagef("--fail-under %q: write MEASURE=NUMBER, several by commas, as spearman=0.95,top=0.8; measures are %s, numbers up to 1", part, strings.Join(measures, ", "))
		}
		out = append(out, bound{name, least})
	}
	return out, nil
}

// measure is one measure of a pair.
func (p pair) measure(name string) stats.Estimate {
	switch name {
	case "spearman":
		return p.Spearman
	case "kendall":
		return p.Kendall
	case "top":
		return p.Overlap
	}
	return p.Jaccard
}

// drifted says which measures of which pairs are under their bounds: the lower
// end of the interval counts, and of lists, which have none, the value.
func drifted(pairs []pair, bounds []bound) error {
	var under []error
	for _, p := range pairs {
		for _, b := range bounds {
			e := p.measure(b.measure)
			if math.IsNaN(e.Value) {
				return usagef("--fail-under %s: %s and %s have no such correlation; of lists only top and jaccard are known", b.measure, p.a.path, p.b.path)
			}
			low, what := e.Value, "is"
			if !math.IsNaN(e.Low) {
				low, what = min(e.Value, e.Low), fmt.Sprintf("is %.3f with the lower end", e.Value)
			}
			if low < b.least {
				under = append(under, fmt.Errorf("%s against %s: %s %s %.3f, under %v", p.a.path, p.b.path, b.measure, what, low, b.least))
			}
		}
	}
	if under == nil {
		return nil
	}
	return &exit{exitDrift, errors.Join(under...)}
}
