package scoring

import (
	"cmp"
	"slices"
)

// ranking orders indices by value, the largest first; equal values keep the
// lower index first and NaN comes last.
func ranking(values []float64, order []int32) {
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		// cmp.Compare puts NaN below all numbers.
		if c := cmp.Compare(values[b], values[a]); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
}

// AverageRanks gives each value its rank, 1 for the smallest; equal values
// share the mean of their ranks (scipy.stats.rankdata's "average").
func AverageRanks(values []float64) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	ranks := make([]float64, len(values))
	for i := 0; i < len(order); {
		j := i + 1
		for j < len(order) && values[order[j]] == values[order[i]] {
			j++
		}
		for _, k := range order[i:j] {
			ranks[k] = float64(i+1+j) / 2
		}
		i = j
	}
	return ranks
}
