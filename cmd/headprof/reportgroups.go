package main

import (
	"cmp"
	"math"
	"slices"

	htmlreport "headprof/plots/report"
	"headprof/scoring"
)

// groups sorts a run's counted trials by length, depth and needle.
type groups struct {
	counted []scoring.TrialScore
	lengths []int
	depths  []float64
	needles []string
	of      [3][][]int // by length, depth, needle: the places of their trials in counted
}

func newGroups(trials []scoring.TrialScore) *groups {
	g := &groups{}
	for _, t := range trials {
		if t.Pass && len(t.Scores) > 0 {
			g.counted = append(g.counted, t)
		}
	}
	g.lengths, g.of[0] = sorted(g.counted, func(t scoring.TrialScore) int { return t.Length })
	g.depths, g.of[1] = sorted(g.counted, func(t scoring.TrialScore) float64 { return t.Depth })
	g.needles, g.of[2] = sorted(g.counted, func(t scoring.TrialScore) string { return t.Needle })
	return g
}

// sorted lists the different keys, ascending, and the trials of each.
func sorted[K cmp.Ordered](trials []scoring.TrialScore, key func(scoring.TrialScore) K) (keys []K, of [][]int) {
	at := map[K][]int{}
	for i, t := range trials {
		k := key(t)
		if _, ok := at[k]; !ok {
			keys = append(keys, k)
		}
		at[k] = append(at[k], i)
	}
	slices.Sort(keys)
	for _, k := range keys {
		of = append(of, at[k])
	}
	return keys, of
}

func (g *groups) trials() *htmlreport.Trials {
	if len(g.counted) == 0 {
		return nil
	}
	sizes := func(of [][]int) (out []int) {
		for _, t := range of {
			out = append(out, len(t))
		}
		return out
	}
	return &htmlreport.Trials{
		Lengths: g.lengths, LengthCount: sizes(g.of[0]), Depths: g.depths, DepthCount: sizes(g.of[1]),
		Needles: g.needles, NeedleCount: sizes(g.of[2]), Counted: len(g.counted),
	}
}

// mostGrouped bounds what the page holds of one method by needle, so that a
// model of 80 × 64 heads and 1,000 trials stays under 3 MB: 16 bits each.
const mostGrouped = 1 << 17

// mostGroups of one kind: more lengths or depths are no series to look at.
const mostGroups = 32

// add adds mean scores by length, depth and needle.
func (g *groups) add(m *htmlreport.Method, rows []scoring.Head) {
	counted := 0
	for _, t := range g.counted {
		if scoresAll(t.Scores[m.Name], rows) {
			counted++
		}
	}
	if counted == 0 || counted < len(g.counted) {
		return // of other prompts, or of another shape
	}
	if n := len(g.lengths); n > 1 && n <= mostGroups {
		m.ByLength, m.ByLengthErr = g.means(m.Name, rows, 0)
	}
	if n := len(g.depths); n > 1 && n <= mostGroups {
		m.ByDepth, m.ByDepthErr = g.means(m.Name, rows, 1)
	}
	if n := len(g.needles); n > 1 {
		best := make([]int, len(rows))
		for i := range best {
			best[i] = i
		}
		slices.SortStableFunc(best, func(a, b int) int { return cmp.Compare(rankOrLast(rows[a]), rankOrLast(rows[b])) })
		best = best[:min(len(best), max(1, mostGrouped/n))]
		slices.Sort(best)
		some := make([]scoring.Head, len(best))
		for i, h := range best {
			some[i] = rows[h]
		}
		m.ByNeedle, _ = g.means(m.Name, some, 2)
		m.NeedleHeads = best
	}
}

func rankOrLast(h scoring.Head) int {
	if h.Rank == 0 {
		return math.MaxInt
	}
	return h.Rank
}

// scoresAll tells whether a trial scores all of the heads.
func scoresAll(scores [][]float64, rows []scoring.Head) bool {
	for _, h := range rows {
		if h.Layer >= len(scores) || h.Head >= len(scores[h.Layer]) {
			return false
		}
	}
	return true
}

// means gives each group's mean score of every head and its standard error,
// NaN for a group of one.
func (g *groups) means(method string, rows []scoring.Head, kind int) (mean, stdErr [][]float64) {
	for _, trials := range g.of[kind] {
		m, e := make([]float64, len(rows)), make([]float64, len(rows))
		for i, h := range rows {
			var sum, squares float64
			for _, t := range trials {
				sum += g.counted[t].Scores[method][h.Layer][h.Head]
			}
			n := float64(len(trials))
			m[i] = sum / n
			for _, t := range trials {
				d := g.counted[t].Scores[method][h.Layer][h.Head] - m[i]
				squares += d * d
			}
			e[i] = math.NaN()
			if n > 1 {
				e[i] = math.Sqrt(squares / (n - 1) / n)
			}
		}
		mean, stdErr = append(mean, m), append(stdErr, e)
	}
	return mean, stdErr
}
