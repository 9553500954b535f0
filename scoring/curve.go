package scoring

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// MinKept is the smallest point of a curve: the observation window that
// eviction policies always keep.
const MinKept = 8

// maxPoints bounds the points of a curve; each costs a pass over all KV heads.
const maxPoints = 64

// Values of CacheCut.Curve besides a list.
const (
	NoCurve   = "none"
	AutoCurve = "auto"
)

// Fit decides the points of the curve for prompts of up to longest tokens:
// those of the list that are smaller, or where it is auto 8, 16, 32, …; and
// the longest prompt itself, of which a head that keeps so many entries keeps
// all. Without a curve it does nothing.
func (c *CacheCut) Fit(longest int) error {
	var points []int
	switch c.Curve {
	case "", NoCurve:
		return nil
	case AutoCurve:
		for k := MinKept; k < longest; k *= 2 {
			points = append(points, k)
		}
	default:
		var err error
		if points, err = parsePoints(c.Curve); err != nil {
			return err
		}
		points = slices.DeleteFunc(points, func(k int) bool { return k >= longest })
	}
	if longest < MinKept || len(points) == 0 {
		return fmt.Errorf("cut-curve %s: a prompt of %d tokens has no point of a curve below it; the smallest is %d", c.Curve, longest, MinKept)
	}
	var text []string
	for _, k := range append(points, longest) {
		text = append(text, strconv.Itoa(k))
	}
	c.Curve = strings.Join(text, ",")
	return nil
}

// Points lists the curve's points: entries of the prompt that a cut head
// keeps, ascending. Fit has decided them; nil: there is no curve.
func (c CacheCut) Points() ([]int, error) {
	if c.Curve == "" || c.Curve == NoCurve {
		return nil, nil
	}
	return parsePoints(c.Curve)
}

func parsePoints(text string) ([]int, error) {
	var points []int
	for _, field := range strings.Split(text, ",") {
		k, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil || k < MinKept || len(points) > 0 && k <= points[len(points)-1] {
			return nil, fmt.Errorf("cut-curve %q: it must be none, auto or ascending numbers of entries by commas, each at least %d", text, MinKept)
		}
		points = append(points, k)
	}
	if len(points) > maxPoints {
		return nil, fmt.Errorf("cut-curve names %d points; a curve has at most %d", len(points), maxPoints)
	}
	return points, nil
}

// cutName begins the names of a curve's points, cache-cut-8, cache-cut-16, ….
const cutName = "cache-cut-"

// PointName names a point of the curve as a score of its own: what an answer
// loses where a KV head keeps so many entries.
func PointName(kept int) string { return cutName + strconv.Itoa(kept) }

// PointOf is the number of entries that a curve's point is named after.
func PointOf(method string) (kept int, ok bool) {
	text, ok := strings.CutPrefix(method, cutName)
	if !ok {
		return 0, false
	}
	kept, err := strconv.Atoi(text)
	return kept, err == nil && kept > 0 && PointName(kept) == method
}

// curveOwner is the method that gives a score: of a curve's point cache-cut, of
// others their own name.
func curveOwner(method string) string {
	if _, ok := PointOf(method); ok {
		return CacheCut{}.Name()
	}
	return method
}

// Curve is what a KV head's cache is worth to an answer by how much of it is
// kept, in nats.
type Curve struct {
	Layer, KVHead int
	Kept          []int     // entries, ascending
	Loss          []float64 // that the answer loses, mean over cases
	Low, High     []float64 // intervals of Loss; NaN where unknown
}

// CurvePoints lists the points of a table's curves, ascending.
func (t *Table) CurvePoints() []int {
	var points []int
	for _, m := range t.Methods() {
		if k, ok := PointOf(m); ok {
			points = append(points, k)
		}
	}
	slices.Sort(points)
	return points
}

// Curves collects the curves of a table that cache-cut with cut-curve made,
// one a KV head, by layer and head. An error says what is missing.
func (t *Table) Curves() ([]Curve, error) {
	points := t.CurvePoints()
	if len(points) < 2 {
		return nil, fmt.Errorf("it holds no curves; 'headprof score --method cache-cut --cut-curve auto' measures them")
	}
	var out []Curve
	for i, k := range points {
		at := 0
		for _, h := range t.Of(PointName(k)) {
			kv := h.KVHead
			switch {
			case kv == Unknown:
				return nil, ErrKVHeads
			case math.IsNaN(h.Mean) || math.IsInf(h.Mean, 0):
				return nil, fmt.Errorf("%s of layer %d, KV head %d is %v", h.Method, h.Layer, kv, h.Mean)
			case at > 0 && out[at-1].Layer == h.Layer && out[at-1].KVHead == kv:
				continue // another query head of the group
			case i == 0:
				out = append(out, Curve{Layer: h.Layer, KVHead: kv})
			case at >= len(out) || out[at].Layer != h.Layer || out[at].KVHead != kv:
				return nil, fmt.Errorf("%s and %s are not of the same KV heads", PointName(points[0]), h.Method)
			}
			c := &out[at]
			c.Kept, c.Loss = append(c.Kept, k), append(c.Loss, h.Mean)
			c.Low, c.High = append(c.Low, h.Low), append(c.High, h.High)
			at++
		}
		if at != len(out) {
			return nil, fmt.Errorf("%s and %s are not of the same KV heads", PointName(points[0]), PointName(k))
		}
	}
	return out, nil
}

// Hull gives the corners of the curve's convex form: its greatest convex
// minorant, after every loss was lowered to the least of those at fewer
// entries, since a head need not use all that it keeps. It begins at the first
// point and ends at the last.
func (c Curve) Hull() (kept []int, loss []float64) {
	type point struct {
		kept int
		loss float64
	}
	slope := func(a, b point) float64 { return (a.loss - b.loss) / float64(b.kept-a.kept) }
	var hull []point
	least := math.Inf(1)
	for i, k := range c.Kept {
		least = min(least, c.Loss[i])
		q := point{k, least}
		for n := len(hull); n > 1 && slope(hull[n-2], hull[n-1]) <= slope(hull[n-1], q); n = len(hull) {
			hull = hull[:n-1]
		}
		hull = append(hull, q)
	}
	for _, q := range hull {
		kept, loss = append(kept, q.kept), append(loss, q.loss)
	}
	return kept, loss
}

// Convex is the loss of the convex form at each of the curve's points.
func (c Curve) Convex() []float64 {
	kept, loss := c.Hull()
	out := make([]float64, len(c.Kept))
	at := 0
	for i, k := range c.Kept {
		for at+1 < len(kept) && kept[at+1] <= k {
			at++
		}
		out[i] = loss[at]
		if k > kept[at] {
			part := float64(k-kept[at]) / float64(kept[at+1]-kept[at])
			out[i] += part * (loss[at+1] - loss[at])
		}
	}
	return out
}
