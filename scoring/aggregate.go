package scoring

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"headprof/runner/shape"
	"headprof/scoring/stats"
)

// ErrNonePassed says that no trial counts, so no head has a score.
var ErrNonePassed = errors.New("no trial passed, so no head has a score; try shorter lengths, the chat template, --decode forced or a stronger model")

// Options of aggregation. The zero value is usable: one KV head per head, no
// windows, 1,000 resamples, 95 % intervals, seed 0.
type Options struct {
	Shape      shape.Model // KV heads and windows; nil: a KV head per head, no windows
	Resamples  int         // of the bootstrap; 0: 1000
	Confidence float64     // of the intervals; 0: 0.95
	Splits     int         // random halvings; 0: 100
	Seed       uint64      // of the bootstrap and the halvings
	// FixedNeedles resamples the trials of each needle and keeps the needles:
	// for statements about these needles alone (stratified bootstrap).
	FixedNeedles bool
	Meta         Meta // carried into the table; Aggregate fills in the counts
}

func (o Options) withDefaults() Options {
	if o.Resamples <= 0 {
		o.Resamples = 1000
	}
	if o.Confidence <= 0 || o.Confidence >= 1 {
		o.Confidence = 0.95
	}
	if o.Splits <= 0 {
		o.Splits = 100
	}
	return o
}

func (o Options) bootstrap() stats.Bootstrap {
	return stats.Bootstrap{Resamples: o.Resamples, Tail: (1 - o.Confidence) / 2, Seed: o.Seed}
}

// sample is the passing trials of a run, checked, in an order that does not
// depend on the order in which they were run.
type sample struct {
	trials   []TrialScore
	plan     []int // plan[i] is the place in trials of the i-th passing trial given
	methods  []string
	shape    []int // heads per layer
	heads    int
	clusters [][]int // trials per needle
}

// newSample collects the trials that pass. Methods come in the registry's
// order, others after them by name.
func newSample(trials []TrialScore) (*sample, error) {
	s := &sample{}
	var passed []int
	for i, t := range trials {
		if t.Pass {
			passed = append(passed, i)
		}
	}
	if len(passed) == 0 {
		return nil, ErrNonePassed
	}
	byID := slices.Clone(passed)
	slices.SortStableFunc(byID, func(a, b int) int { return cmp.Compare(trials[a].ID, trials[b].ID) })
	place := make(map[int]int, len(byID))
	for p, i := range byID {
		s.trials = append(s.trials, trials[i])
		place[i] = p
	}
	for _, i := range passed {
		s.plan = append(s.plan, place[i])
	}
	if err := s.setShape(); err != nil {
		return nil, err
	}
	s.clusters = stats.Groups(len(s.trials), func(i int) string { return s.trials[i].Needle })
	return s, nil
}

func (s *sample) setShape() error {
	first := s.trials[0]
	for name := range first.Scores {
		s.methods = append(s.methods, name)
	}
	if len(s.methods) == 0 {
		return fmt.Errorf("trial %q has no scores", first.ID)
	}
	known := Methods()
	order := func(name string) int {
		for i, m := range known {
			if m.Name() == name {
				return i
			}
		}
		return len(known)
	}
	slices.SortFunc(s.methods, func(a, b string) int {
		kept, _ := PointOf(a)
		other, _ := PointOf(b)
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(curveOwner(a), curveOwner(b)), cmp.Compare(kept, other), cmp.Compare(a, b))
	})
	for _, layer := range first.Scores[s.methods[0]] {
		s.shape = append(s.shape, len(layer))
		s.heads += len(layer)
	}
	if s.heads == 0 {
		return fmt.Errorf("trial %q scores no heads", first.ID)
	}
	for _, t := range s.trials {
		if len(t.Scores) != len(s.methods) {
			return fmt.Errorf("trial %q has scores of %d methods, trial %q of %d", t.ID, len(t.Scores), first.ID, len(s.methods))
		}
		for _, m := range s.methods {
			scores, ok := t.Scores[m]
			if !ok {
				return fmt.Errorf("trial %q has no %s scores, trial %q has", t.ID, m, first.ID)
			}
			if len(scores) != len(s.shape) {
				return fmt.Errorf("trial %q has %s scores of %d layers, trial %q of %d", t.ID, m, len(scores), first.ID, len(s.shape))
			}
			for l, layer := range scores {
				if len(layer) != s.shape[l] {
					return fmt.Errorf("trial %q has %s scores of %d heads in layer %d, trial %q of %d", t.ID, m, len(layer), l, first.ID, s.shape[l])
				}
				for h, v := range layer {
					if math.IsNaN(v) || math.IsInf(v, 0) {
						return fmt.Errorf("trial %q: %s score of layer %d, head %d is %v; the model's weights may hold NaN or infinity", t.ID, m, l, h, v)
					}
				}
			}
		}
	}
	return nil
}

// scores gives a method's scores as [trial][head], heads counted over layers.
func (s *sample) scores(method string) [][]float64 {
	out := make([][]float64, len(s.trials))
	for i, t := range s.trials {
		row := make([]float64, 0, s.heads)
		for _, layer := range t.Scores[method] {
			row = append(row, layer...)
		}
		out[i] = row
	}
	return out
}

// Aggregate turns the scores of trials into a table of heads. Only passing
// trials count. The result depends on the trials (but for Head.Trials, not on
// their order), the options and nothing else.
func Aggregate(trials []TrialScore, o Options) (*Table, error) {
	o = o.withDefaults()
	s, err := newSample(trials)
	if err != nil {
		return nil, err
	}
	if err := o.check(s.shape); err != nil {
		return nil, err
	}
	t := &Table{Meta: o.Meta}
	t.Meta.Trials, t.Meta.Passed, t.Meta.Needles = len(trials), len(s.trials), len(s.clusters)
	t.Meta.Resamples, t.Meta.Confidence, t.Meta.Seed = o.Resamples, o.Confidence, o.Seed
	d := o.bootstrap().Clusters(s.clusters, o.FixedNeedles)
	for _, method := range s.methods {
		scores := s.scores(method)
		heads := o.heads(method, s.shape)
		describe(heads, scores, s.plan)
		intervals(heads, d.Means(scores), o.bootstrap())
		t.Heads = append(t.Heads, heads...)
		t.Halves = append(t.Halves, splitHalf(method, scores, s.clusters, o.Splits, o.Seed))
	}
	return t, nil
}

func (o Options) check(heads []int) error {
	if o.Shape != nil && len(o.Shape) != len(heads) {
		return fmt.Errorf("the model's shape has %d layers, the scores have %d", len(o.Shape), len(heads))
	}
	for l, layer := range o.Shape {
		if layer.Heads != heads[l] {
			return fmt.Errorf("layer %d has %d heads, its scores are of %d", l, layer.Heads, heads[l])
		}
		if err := layer.Check(); err != nil {
			return fmt.Errorf("layer %d: %w", l, err)
		}
	}
	return nil
}

// heads makes a method's rows without numbers.
func (o Options) heads(method string, perLayer []int) []Head {
	var rows []Head
	for l, n := range perLayer {
		layer := shape.Layer{Heads: n}
		if o.Shape != nil {
			layer = o.Shape[l]
		}
		for h := range n {
			kv := layer.KVHead(h)
			if !layer.Stores() {
				kv = Unknown // it has none of its own
			}
			rows = append(rows, Head{Method: method, Layer: l, Head: h, KVHead: kv, Window: layer.Window})
		}
	}
	return rows
}

// describe fills in what needs no resampling.
func describe(heads []Head, scores [][]float64, plan []int) {
	n := len(scores)
	column := make([]float64, n)
	means := make([]float64, len(heads))
	for h := range heads {
		for t := range scores {
			column[t] = scores[t][h]
		}
		means[h], heads[h].StdErr = stats.MeanStdErr(column)
		heads[h].Mean, heads[h].N = means[h], n
		heads[h].Trials = make([]float64, n)
		for i, t := range plan {
			heads[h].Trials[i] = column[t]
		}
	}
	Rerank(heads)
}

// Rerank sets Rank and Share of one method's rows from their means. Rows must
// be ordered by layer and head. Rows without a score get rank 0 and no share.
func Rerank(heads []Head) {
	means := make([]float64, len(heads))
	var sum float64
	for i, h := range heads {
		means[i] = h.Mean
		if !math.IsNaN(h.Mean) {
			sum += h.Mean
		}
	}
	order := make([]int32, len(heads))
	ranking(means, order)
	for r, i := range order {
		if math.IsNaN(means[i]) {
			heads[i].Rank, heads[i].Share = 0, math.NaN()
			continue
		}
		heads[i].Rank = r + 1
		heads[i].Share = 0
		if sum > 0 {
			heads[i].Share = means[i] / sum
		}
	}
}

// intervals sets the percentile intervals of means and ranks from the
// resamples' means, [resample][head].
func intervals(heads []Head, resampled [][]float64, b stats.Bootstrap) {
	ranks := make([][]int32, len(resampled))
	stats.Parallel(len(resampled), func(r int) {
		order := make([]int32, len(heads))
		ranking(resampled[r], order)
		ranks[r] = make([]int32, len(heads))
		for rank, h := range order {
			ranks[r][h] = int32(rank + 1)
		}
	})
	stats.Parallel(len(heads), func(h int) {
		values := make([]float64, len(resampled))
		for r := range resampled {
			values[r] = resampled[r][h]
		}
		heads[h].Low, heads[h].High = b.Interval(values)
		for r := range ranks {
			values[r] = float64(ranks[r][h])
		}
		low, high := b.Interval(values)
		heads[h].RankLow, heads[h].RankHigh = int(math.Floor(low)), int(math.Ceil(high))
	})
}
