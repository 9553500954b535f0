package scoring

import (
	"cmp"
	"math"
	"slices"
)

// Spearman is the rank correlation of x and y (Pearson's r of average ranks).
// NaN where fewer than two pairs are given or one side is constant. Pairs
// holding a NaN are left out.
func Spearman(x, y []float64) float64 {
	x, y = pairs(x, y)
	return pearson(AverageRanks(x), AverageRanks(y))
}

func pearson(x, y []float64) float64 {
	n := float64(len(x))
	if n < 2 {
		return math.NaN()
	}
	var mx, my float64
	for i := range x {
		mx += x[i]
		my += y[i]
	}
	mx, my = mx/n, my/n
	var xx, yy, xy float64
	for i := range x {
		dx, dy := x[i]-mx, y[i]-my
		xx += float64(dx * dx)
		yy += float64(dy * dy)
		xy += float64(dx * dy)
	}
	if xx == 0 || yy == 0 {
		return math.NaN()
	}
	return max(-1, min(1, xy/math.Sqrt(xx*yy)))
}

// KendallTauB is Kendall's τ-b of x and y, which corrects for ties (Kendall
// 1945), in O(n log n) by Knight's merge sort (1966). NaN as for Spearman.
func KendallTauB(x, y []float64) float64 {
	x, y = pairs(x, y)
	n := len(x)
	if n < 2 {
		return math.NaN()
	}
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if c := cmp.Compare(x[a], x[b]); c != 0 {
			return c
		}
		return cmp.Compare(y[a], y[b])
	})
	ys := make([]float64, n)
	for i, k := range order {
		ys[i] = y[k]
	}
	sameX := func(i int) bool { return x[order[i]] == x[order[i-1]] }
	sameY := func(i int) bool { return ys[i] == ys[i-1] }
	tiesX := tiedPairs(n, sameX)
	tiesXY := tiedPairs(n, func(i int) bool { return sameX(i) && sameY(i) })
	discordant := inversions(ys, make([]float64, n)) // sorts ys
	tiesY := tiedPairs(n, sameY)
	all := int64(n) * int64(n-1) / 2
	if all == tiesX || all == tiesY {
		return math.NaN()
	}
	numerator := float64(all - tiesX - tiesY + tiesXY - 2*discordant)
	return numerator / math.Sqrt(float64(all-tiesX)*float64(all-tiesY))
}

// tiedPairs counts the pairs within runs of equal entries; same says whether
// entry i equals the one before.
func tiedPairs(n int, same func(i int) bool) int64 {
	var count, run int64
	for i := 1; i < n; i++ {
		if !same(i) {
			run = 0
			continue
		}
		run++
		count += run
	}
	return count
}

// inversions sorts v and counts the pairs that were in descending order.
func inversions(v, scratch []float64) int64 {
	if len(v) < 2 {
		return 0
	}
	mid := len(v) / 2
	count := inversions(v[:mid], scratch[:mid]) + inversions(v[mid:], scratch[mid:])
	i, j := 0, mid
	for k := range scratch {
		if i < mid && (j == len(v) || v[i] <= v[j]) {
			scratch[k] = v[i]
			i++
		} else {
			scratch[k] = v[j]
			j++
			count += int64(mid - i)
		}
	}
	copy(v, scratch)
	return count
}

// pairs drops the pairs that hold a NaN.
func pairs(x, y []float64) ([]float64, []float64) {
	n := min(len(x), len(y))
	var a, b []float64
	for i := range n {
		if x[i] == x[i] && y[i] == y[i] {
			a, b = append(a, x[i]), append(b, y[i])
		}
	}
	return a, b
}
