package kvcache

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// top gives the indexes of the k largest values, ascending; of equals the
// lowest index wins, and NaN is smaller than all. Linear time: the k-th
// largest value is found by quickselect, then one pass takes what is above it.
func top(x []float32, k int) []int32 {
	if k >= len(x) {
		return span(0, len(x))
	}
	if k <= 0 {
		return nil
	}
	threshold, equals := kth(x, k)
	keep := make([]int32, 0, k)
	for i, v := range x {
		if v > threshold || equals > 0 && (v == threshold || v != v && math.IsInf(float64(threshold), -1)) {
			if !(v > threshold) {
				equals--
			}
			keep = append(keep, int32(i))
		}
	}
	return keep
}

// kth gives the k-th largest value, 1 ≤ k ≤ len(x), and how many values equal
// to it are among the k largest.
func kth(x []float32, k int) (value float32, equals int) {
	return quickselect(x, k, 2*bits.Len(uint(len(x))))
}

// quickselect is kth with a bound on the rounds: bad pivots end in a sort.
// Pooled attention is full of equal values, hence three parts: above, equal to
// and below the pivot.
func quickselect(x []float32, k, rounds int) (value float32, equals int) {
	a := make([]float32, len(x))
	for i, v := range x {
		if v != v {
			v = float32(math.Inf(-1))
		}
		a[i] = v
	}
	for ; rounds > 0; rounds-- {
		pivot := median(a[0], a[len(a)/2], a[len(a)-1])
		above, below := 0, len(a)
		for i := 0; i < below; {
			if v := a[i]; v > pivot {
				a[i], a[above] = a[above], v
				above++
				i++
			} else if v < pivot {
				below--
				a[i], a[below] = a[below], v
			} else {
				i++
			}
		}
		if k <= above {
			a = a[:above]
		} else if k <= below {
			return pivot, k - above
		} else {
			k -= below
			a = a[below:]
		}
	}
	slices.SortFunc(a, func(p, q float32) int { return cmp.Compare(q, p) })
	value = a[k-1]
	return value, k - slices.Index(a, value)
}

func median(a, b, c float32) float32 {
	return max(min(a, b), min(max(a, b), c))
}
