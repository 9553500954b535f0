package plots

import (
	"fmt"
	"math"
	"sort"
	"strconv"
)

// tick is a labelled place on an axis.
type tick struct {
	at    float64
	label string
}

// niceTicks are about n round numbers (1, 2, 2.5 or 5 times a power of ten)
// within [lo, hi], written with equally many decimals.
func niceTicks(lo, hi float64, n int) []tick {
	if !(hi > lo) || n < 1 {
		return []tick{{lo, value(lo)}}
	}
	raw := (hi - lo) / float64(n)
	base := math.Pow(10, math.Floor(math.Log10(raw)))
	step, decimals := base, 0
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if step = m * base; step >= raw*0.999 {
			break
		}
	}
	for s := step; decimals < 9 && math.Abs(s-math.Round(s)) > 1e-6*s; decimals++ {
		s = step * math.Pow(10, float64(decimals+1))
	}
	var out []tick
	for i := math.Ceil(lo/step - 1e-9); i*step <= hi+1e-9*step; i++ {
		v := i * step
		label := strconv.FormatFloat(v, 'f', decimals, 64)
		if decimals > 5 {
			label = fmt.Sprintf("%.2g", v)
		} else if decimals == 0 && math.Abs(v) >= 1000 {
			label = thousands(int(v))
		}
		if v == 0 {
			label = "0"
		}
		out = append(out, tick{v, label})
	}
	return out
}

// logTicks are powers of ten, and 2 and 5 times them where the range is short,
// within [lo, hi].
func logTicks(lo, hi float64, label func(float64) string) []tick {
	marks := []float64{1}
	switch decades := math.Log10(hi / lo); {
	case decades < 1.2:
		marks = []float64{1, 1.5, 2, 3, 4, 5, 7}
	case decades < 2.5:
		marks = []float64{1, 2, 5}
	}
	var out []tick
	for e := math.Floor(math.Log10(lo)); e <= math.Log10(hi); e++ {
		for _, m := range marks {
			if v := m * math.Pow(10, e); v >= lo*0.999 && v <= hi*1.001 {
				out = append(out, tick{v, label(v)})
			}
		}
	}
	return out
}

// indexTicks are the numbers 0 … n−1 thinned to a step of 1, 2, 4, 8 … (or 5,
// 10, 20 where n is no multiple of 4), so that labels stand at least minGap
// points apart at size points a cell.
func indexTicks(n int, size, minGap float64) []tick {
	steps := []int{1, 2, 4, 8, 16, 32, 64, 128}
	if n%4 != 0 {
		steps = []int{1, 2, 5, 10, 20, 50, 100, 200}
	}
	step := steps[len(steps)-1]
	for _, s := range steps {
		if float64(s)*size >= minGap {
			step = s
			break
		}
	}
	var out []tick
	for i := 0; i < n; i += step {
		out = append(out, tick{float64(i), strconv.Itoa(i)})
	}
	return out
}

func sortTicks(t []tick) {
	sort.SliceStable(t, func(i, j int) bool { return t[i].at < t[j].at })
}

// wholeTicks are round whole numbers from 0 to n.
func wholeTicks(n float64) []tick {
	var out []tick
	for _, t := range niceTicks(0, n, 6) {
		if t.at == math.Round(t.at) {
			out = append(out, tick{t.at, thousands(int(t.at))})
		}
	}
	return out
}
