package scoring

import (
	"math"
	"math/rand/v2"

	"headprof/scoring/stats"
)

// splitHalf halves the needles at random (the trials, where only one needle
// passed), correlates the heads' means of the two halves, and averages that
// over many splits. The Spearman-Brown formula 2r/(1+r) (Spearman 1910, Brown
// 1910) corrects for each half being half as long as the run.
func splitHalf(method string, scores [][]float64, clusters [][]int, splits int, seed uint64) SplitHalf {
	s := SplitHalf{Method: method, Unit: "needle", Splits: splits, Correlation: math.NaN(), Corrected: math.NaN()}
	units := clusters
	if len(units) < 2 {
		s.Unit, units = "trial", nil
		for t := range scores {
			units = append(units, []int{t})
		}
	}
	if len(units) < 2 {
		s.Splits = 0
		return s
	}
	rs := make([]float64, splits)
	stats.Parallel(splits, func(i int) {
		// The second word keeps these streams apart from the bootstrap's.
		order := rand.New(rand.NewPCG(seed, 1<<63|uint64(i))).Perm(len(units))
		half := len(order) / 2
		rs[i] = Spearman(unitMeans(scores, units, order[:half]), unitMeans(scores, units, order[half:]))
	})
	var sum float64
	var defined int
	for _, r := range rs {
		if r == r {
			sum += r
			defined++
		}
	}
	r := sum / float64(defined) // NaN where no split's is defined
	s.Splits, s.Correlation = defined, r
	if r > -1 {
		s.Corrected = 2 * r / (1 + r)
	}
	return s
}

func unitMeans(scores [][]float64, units [][]int, chosen []int) []float64 {
	means := make([]float64, len(scores[0]))
	var n float64
	for _, u := range chosen {
		for _, t := range units[u] {
			n++
			for h, v := range scores[t] {
				means[h] += v
			}
		}
	}
	for h := range means {
		means[h] /= n
	}
	return means
}
