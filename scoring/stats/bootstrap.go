// Package stats holds the statistics that every result stands on: means,
// quantiles and the bootstrap. Resamples depend on a seed and their number
// alone, and products are rounded before they are added, so that results have
// the same bytes on every processor (arm64 would fuse a product and its sum).
//
// Two bootstraps cover all needs. [Bootstrap.Estimates] resamples things and
// takes any statistics of what was drawn, several of the same draws at once.
// [Bootstrap.Clusters] resamples clusters of trials in two stages; its [Draws]
// give every method the same needles and trials, so that methods can be
// compared resample by resample.
package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Bootstrap says how resamples are drawn.
type Bootstrap struct {
	Resamples int
	// Tail is the share of resamples that lies outside the interval on each
	// side: 0.025 for 95 % intervals.
	Tail float64
	Seed uint64
}

// Default is the bootstrap of 1,000 resamples with 95 % intervals.
func Default(seed uint64) Bootstrap { return Bootstrap{1000, 0.025, seed} }

// Estimate is a number with its bootstrap interval; NaN where unknown.
type Estimate struct{ Value, Low, High float64 }

// Unknown is the estimate of nothing.
func Unknown() Estimate { return Estimate{math.NaN(), math.NaN(), math.NaN()} }

// source gives the random numbers of resample r.
func (b Bootstrap) source(r int) *rand.Rand { return rand.New(rand.NewPCG(b.Seed, uint64(r))) }

// Estimates resamples sets of things: sizes[s] things of set s are drawn from
// as many, with replacement and independently of the other sets. statistics
// maps what was drawn (picks[s] holds indexes below sizes[s]) to values, and is
// called from several goroutines; with every thing picked once, in order, it
// gives the estimates themselves. Intervals are percentile intervals of the
// resamples in which a value is not NaN. They are unknown where the first set
// has fewer than two things; without a thing in any set, so are the values.
func (b Bootstrap) Estimates(sizes []int, statistics func(picks [][]int) []float64) []Estimate {
	all := make([][]int, len(sizes))
	for s, n := range sizes {
		all[s] = make([]int, n)
		for i := range all[s] {
			all[s][i] = i
		}
	}
	point := statistics(all)
	out := make([]Estimate, len(point))
	for i, v := range point {
		out[i] = Estimate{v, math.NaN(), math.NaN()}
	}
	if sizes[0] < 2 {
		return out
	}
	resampled := make([][]float64, b.Resamples)
	Parallel(b.Resamples, func(r int) {
		rng := b.source(r)
		picks := make([][]int, len(sizes))
		for s, n := range sizes {
			picks[s] = make([]int, n)
			for i := range picks[s] {
				picks[s][i] = rng.IntN(n)
			}
		}
		resampled[r] = statistics(picks)
	})
	for i := range out {
		var values []float64
		for _, r := range resampled {
			if !math.IsNaN(r[i]) {
				values = append(values, r[i])
			}
		}
		if len(values) > 0 {
			out[i].Low, out[i].High = b.Interval(values)
		}
	}
	return out
}

// MeanEstimate is the mean of values, of which whole groups are resampled:
// prompts of one needle share its words.
func (b Bootstrap) MeanEstimate(values []float64, groups [][]int) Estimate {
	return b.Estimates([]int{len(groups)}, func(picks [][]int) []float64 {
		sum, n := 0.0, 0
		for _, g := range picks[0] {
			for _, i := range groups[g] {
				sum += values[i]
				n++
			}
		}
		return []float64{sum / float64(n)}
	})[0]
}

// Interval sorts resampled values and gives their percentile interval.
func (b Bootstrap) Interval(values []float64) (low, high float64) {
	slices.Sort(values)
	return Quantile(values, b.Tail), Quantile(values, 1-b.Tail)
}

// Groups collects the indexes 0 … n−1 by a name, in order of appearance.
func Groups(n int, name func(i int) string) [][]int {
	at := map[string]int{}
	var out [][]int
	for i := range n {
		g, ok := at[name(i)]
		if !ok {
			g = len(out)
			at[name(i)] = g
			out = append(out, nil)
		}
		out[g] = append(out[g], i)
	}
	return out
}
