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
	var tiesX, tiesXY int64
	for i, k := range order {
		ys[i] = y[k]
	}
	for i := 0; i < n; {
		j := i + 1
		for j < n && x[order[j]] == x[order[i]] {
			j++
		}
		tiesX += choose2(j - i)
		for a := i; a < j; {
			b := a + 1
			for b < j && ys[b] == ys[a] {
				b++
			}
			tiesXY += choose2(b - a)
			a = b
		}
		i = j
	}
	discordant := inversions(ys, make([]float64, n)) // sorts ys
	var tiesY int64
	for i := 0; i < n; {
		j := i + 1
		for j < n && ys[j] == ys[i] {
			j++
		}
		tiesY += choose2(j - i)
		i = j
	}
	all := choose2(n)
	if all == tiesX || all == tiesY {
		return math.NaN()
	}
	numerator := float64(all - tiesX - tiesY + tiesXY - 2*discordant)
	return numerator / math.Sqrt(float64(all-tiesX)*float64(all-tiesY))
}

func choose2(n int) int64 { return int64(n) * int64(n-1) / 2 }

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
