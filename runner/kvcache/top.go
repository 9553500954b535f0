package kvcache

import (
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
	least, equals := kth(x, k)
	keep := make([]int32, 0, k)
	for i, v := range x {
		if v > least || equals > 0 && (v == least || v != v && math.IsInf(float64(least), -1)) {
			if !(v > least) {
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
	a := make([]float32, len(x))
	for i, v := range x {
		if v != v {
			v = float32(math.Inf(-1))
		}
		a[i] = v
	}
	// Pooled attention is full of equal values, hence three parts: above,
	// equal to and below the pivot. Bad pivots end in a sort.
	for rounds := 2 * bits.Len(uint(len(a))); ; rounds-- {
		if rounds == 0 {
			slices.SortFunc(a, func(p, q float32) int {
				switch {
				case p > q:
					return -1
				case p < q:
					return 1
				}
				return 0
			})
			above := k - 1
			for above > 0 && a[above-1] == a[k-1] {
				above--
			}
			return a[k-1], k - above
		}
		pivot := median(a[0], a[len(a)/2], a[len(a)-1])
		above, below := 0, len(a)
		for i := 0; i < below; {
			switch v := a[i]; {
			case v > pivot:
				a[i], a[above] = a[above], v
				above++
				i++
			case v < pivot:
				below--
				a[i], a[below] = a[below], v
			default:
				i++
			}
		}
		switch {
		case k <= above:
			a = a[:above]
		case k <= below:
			return pivot, k - above
		default:
			k -= below
			a = a[below:]
		}
	}
}

func median(a, b, c float32) float32 {
	return max(min(a, b), min(max(a, b), c))
}
