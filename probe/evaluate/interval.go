package evaluate

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Interval is an estimate with its 95 % bootstrap interval; NaN where unknown.
type Interval struct{ Mean, Low, High float64 }

const resamples = 1000

// clusters groups indexes by a name, in order of appearance.
func clusters(n int, group func(i int) string) [][]int {
	at := map[string]int{}
	var out [][]int
	for i := range n {
		g := group(i)
		c, ok := at[g]
		if !ok {
			c = len(out)
			at[g] = c
			out = append(out, nil)
		}
		out[c] = append(out[c], i)
	}
	return out
}

// bootstrap gives the mean of values and a percentile interval: whole groups
// are drawn with replacement, because prompts of one needle share its words.
// Resample r depends on the seed and r alone.
func bootstrap(values []float64, groups [][]int, seed uint64) Interval {
	return bootstrapOf(len(groups), seed, func(pick []int) float64 {
		sum, n := 0.0, 0
		for _, g := range pick {
			for _, i := range groups[g] {
				sum += values[i]
				n++
			}
		}
		return sum / float64(n)
	})
}

// bootstrapOf resamples n things. statistic takes the picked ones' indexes.
func bootstrapOf(n int, seed uint64, statistic func(pick []int) float64) Interval {
	return bootstrapTwo(n, 1, seed, func(pick, _ []int) float64 { return statistic(pick) })
}

// bootstrapTwo resamples n things and, on their own, k others.
func bootstrapTwo(n, k int, seed uint64, statistic func(pick, other []int) float64) Interval {
	identity := func(n int) []int {
		p := make([]int, n)
		for i := range p {
			p[i] = i
		}
		return p
	}
	out := Interval{math.NaN(), math.NaN(), math.NaN()}
	if n == 0 || k == 0 {
		return out
	}
	out.Mean = statistic(identity(n), identity(k))
	if n < 2 {
		return out
	}
	stats := make([]float64, resamples)
	for r := range stats {
		rng := rand.New(rand.NewPCG(seed, uint64(r)))
		pick, other := make([]int, n), make([]int, k)
		for i := range pick {
			pick[i] = rng.IntN(n)
		}
		for i := range other {
			other[i] = rng.IntN(k)
		}
		stats[r] = statistic(pick, other)
	}
	slices.Sort(stats)
	out.Low, out.High = quantile(stats, 0.025), quantile(stats, 0.975)
	return out
}

// quantile interpolates linearly between order statistics, as NumPy does.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
