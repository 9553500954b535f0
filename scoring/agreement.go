package scoring

import (
	"fmt"
	"math"

	"headprof/scoring/stats"
)

// Agreement says how far several rankings of the same heads agree, pair by
// pair. Matrices are [i][j] over Names, symmetric, 1 on the diagonal.
type Agreement struct {
	Names   []string
	KVHeads bool // the heads are KV heads; a group of query heads counts by its best
	Heads   int  // compared: those with a score in every ranking
	K       int  // size of the top sets
	// Spearman is the rank correlation; its interval is the basic bootstrap
	// interval (see Agree).
	Spearman [][]stats.Estimate
	// Overlap is the share of one top set found in the other; its interval is
	// the percentile interval.
	Overlap   [][]stats.Estimate
	Shared    [][]int // heads in both top sets
	Resampled [][]Resampling
}

// Resampling says what was resampled for a pair's intervals.
type Resampling string

// The ways of resampling.
const (
	Jointly    Resampling = "same trials"      // both sides' means over the same drawn trials
	Separately Resampling = "each its trials"  // trials of each side drawn on their own
	OneSide    Resampling = "trials of one"    // the other's trials are not known
	HeadsDrawn Resampling = "heads"            // neither side's trials are known: heads are drawn
	Itself     Resampling = "the same ranking" // the diagonal
)

// Agree compares every pair of rankings. k ≤ 0 means a tenth of the heads, at
// least one. Of o, Resamples, Confidence, Seed and FixedNeedles count.
//
// Intervals answer for other needles and trials: in every resample, rankings
// that share trials are means over the same drawn needles and trials. A
// resample holds fewer different trials than the run, so its rankings are
// noisier and agree less; the percentile interval of a correlation then lies
// below what it should cover. The basic interval (Davison and Hinkley,
// Bootstrap Methods and their Application, 1997, section 5.2), which reflects
// the quantiles at the estimate, takes that shift out: [2v − q(1−α), 2v − q(α)],
// cut to [−1, 1].
func Agree(rankings []Ranking, k int, anyway bool, o Options) (*Agreement, error) {
	j, err := newJoint(rankings, anyway, o)
	if err != nil {
		return nil, err
	}
	n, b := len(rankings), j.options.bootstrap()
	a := &Agreement{KVHeads: j.kvHeads, Heads: len(j.items), K: topSize(k, len(j.items))}
	point := newOrders(j.point, a.K)
	resampled := make([]pairValues, j.options.Resamples)
	stats.Parallel(len(resampled), func(r int) {
		resampled[r] = newOrders(j.resample(r), a.K).pairs()
	})
	var drawn []pairValues // of drawn heads, where a pair needs them
	for i, x := range rankings {
		a.Names = append(a.Names, x.Name)
		a.Spearman = append(a.Spearman, make([]stats.Estimate, n))
		a.Overlap = append(a.Overlap, make([]stats.Estimate, n))
		a.Shared = append(a.Shared, make([]int, n))
		a.Resampled = append(a.Resampled, make([]Resampling, n))
		a.Spearman[i][i], a.Overlap[i][i] = stats.Estimate{Value: 1, Low: 1, High: 1}, stats.Estimate{Value: 1, Low: 1, High: 1}
		a.Shared[i][i], a.Resampled[i][i] = a.K, Itself
	}
	values := point.pairs()
	for at, p := range point.list() {
		how, from := j.how(p[0], p[1]), resampled
		if how == HeadsDrawn {
			if drawn == nil {
				drawn = j.drawHeads(a.K)
			}
			from = drawn
		}
		s := stats.Estimate{Value: values[at].spearman, Low: math.NaN(), High: math.NaN()}
		if low, high, ok := interval(b, from, func(v pairValues) float64 { return v[at].spearman }); ok {
			s.Low, s.High = within1(2*s.Value-high), within1(2*s.Value-low)
			if how == HeadsDrawn { // no noise is added, so nothing is to be taken out
				s.Low, s.High = low, high
			}
		}
		shared := values[at].shared
		t := stats.Estimate{Value: float64(shared) / float64(a.K), Low: math.NaN(), High: math.NaN()}
		if low, high, ok := interval(b, from, func(v pairValues) float64 { return float64(v[at].shared) / float64(a.K) }); ok {
			t.Low, t.High = low, high
		}
		for _, q := range [][2]int{p, {p[1], p[0]}} {
			a.Spearman[q[0]][q[1]], a.Overlap[q[0]][q[1]] = s, t
			a.Shared[q[0]][q[1]], a.Resampled[q[0]][q[1]] = shared, how
		}
	}
	return a, nil
}

func topSize(k, heads int) int {
	if k <= 0 {
		k = DefaultTop(heads)
	}
	return max(1, min(k, heads))
}

// interval is the percentile interval of the resamples in which a value is known.
func interval(b stats.Bootstrap, from []pairValues, value func(pairValues) float64) (low, high float64, ok bool) {
	var known []float64
	for _, r := range from {
		if r == nil {
			continue
		}
		if v := value(r); !math.IsNaN(v) {
			known = append(known, v)
		}
	}
	if len(known) == 0 {
		return 0, 0, false
	}
	low, high = b.Interval(known)
	return low, high, true
}

// orders holds, per ranking, each head's rank and whether it is a top head.
type orders struct {
	ranks [][]float64 // average ranks, ascending by score
	top   [][]bool
}

// newOrders ranks the scores [ranking][head]; nil where a ranking is unknown.
func newOrders(scores [][]float64, k int) orders {
	o := orders{make([][]float64, len(scores)), make([][]bool, len(scores))}
	for i, s := range scores {
		if s == nil {
			return orders{}
		}
		o.ranks[i] = AverageRanks(s)
		o.top[i] = topMarks(s, k)
	}
	return o
}

// topMarks marks the k largest values, ties going to the lower index.
func topMarks(values []float64, k int) []bool {
	order := make([]int32, len(values))
	ranking(values, order)
	marks := make([]bool, len(values))
	for _, h := range order[:k] {
		marks[h] = true
	}
	return marks
}

// pairValues are the agreements of all pairs, in the order of list.
type pairValues []struct {
	spearman float64
	shared   int
}

func (o orders) list() [][2]int {
	var all [][2]int
	for i := range o.ranks {
		for j := i + 1; j < len(o.ranks); j++ {
			all = append(all, [2]int{i, j})
		}
	}
	return all
}

func (o orders) pairs() pairValues {
	out := make(pairValues, 0)
	for _, p := range o.list() {
		v := struct {
			spearman float64
			shared   int
		}{spearman: pearson(o.ranks[p[0]], o.ranks[p[1]])}
		for h, in := range o.top[p[0]] {
			if in && o.top[p[1]][h] {
				v.shared++
			}
		}
		out = append(out, v)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// joint is several rankings of the same heads with their trials, ready to be
// resampled together.
type joint struct {
	alignment
	rankings []Ranking
	options  Options
	point    [][]float64 // [ranking][item]
	pool     []int       // of each ranking; −1: its trials are not known
	draws    []stats.Draws
	trials   [][][]float64 // [ranking][trial of the pool][row]; nil: not one of its trials
}

func newJoint(rankings []Ranking, anyway bool, o Options) (*joint, error) {
	if len(rankings) < 2 {
		return nil, fmt.Errorf("two rankings at least are needed, not %d", len(rankings))
	}
	al, err := align(rankings, anyway)
	if err != nil {
		return nil, err
	}
	j := &joint{alignment: *al, rankings: rankings, options: o.withDefaults()}
	for i, r := range rankings {
		means := make([]float64, len(r.Heads))
		for h := range r.Heads {
			means[h] = r.Heads[h].Mean
		}
		j.point = append(j.point, j.reduce(i, means))
	}
	return j, j.pools()
}

// how says what a pair's intervals rest on.
func (j *joint) how(a, b int) Resampling {
	switch p, q := j.pool[a], j.pool[b]; {
	case p < 0 && q < 0:
		return HeadsDrawn
	case p < 0 || q < 0:
		return OneSide
	case p == q:
		return Jointly
	}
	return Separately
}

// resample gives every ranking's scores in resample r, [ranking][item].
func (j *joint) resample(r int) [][]float64 {
	out := make([][]float64, len(j.rankings))
	for i := range j.rankings {
		if j.pool[i] < 0 {
			out[i] = j.point[i]
			continue
		}
		if means := j.draws[j.pool[i]].MeanOf(r, j.trials[i]); means != nil {
			out[i] = j.reduce(i, means)
		}
	}
	return out
}

// drawHeads resamples heads, the same for all rankings.
func (j *joint) drawHeads(k int) []pairValues {
	out := make([]pairValues, j.options.Resamples)
	at := 0
	j.options.bootstrap().EachPick(len(j.items), func(picks []int) {
		scores := make([][]float64, len(j.point))
		for i, p := range j.point {
			scores[i] = make([]float64, len(picks))
			for n, h := range picks {
				scores[i][n] = p[h]
			}
		}
		out[at] = newOrders(scores, k).pairs()
		at++
	})
	return out
}

// within1 cuts a correlation's bound to [−1, 1].
func within1(x float64) float64 { return min(1, max(-1, x)) }
