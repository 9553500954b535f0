package scoring

import (
	"fmt"
	"math"
	"slices"

	"headprof/scoring/stats"
)

// Comparison says how alike two profiles rank the same heads. Intervals come
// from resampling heads; resampling trials instead would add noise to both
// sides and pull every agreement down, so that intervals would miss their own
// estimates.
type Comparison struct {
	Heads    int  // compared: those with a score on both sides
	Reduced  bool // one side scores KV heads, so the other's groups count by their best head
	K        int  // size of the top sets
	Spearman stats.Estimate
	Kendall  stats.Estimate // τ-b
	Overlap  stats.Estimate // share of one top-k set found in the other
	Jaccard  stats.Estimate // intersection / union of the top-k sets
	Listed   bool           // a side lists heads without scoring the others
	Shared   int            // heads in both top sets
	// TieA and TieB say where ties cut through a side's top set; "": nowhere.
	TieA, TieB string
}

// Outside reports whether the estimate lies outside its own interval. A
// resample leaves out about a third of the heads, so where many are tied or a
// few decide, resampled tops can agree more, or less, than the tops themselves.
func Outside(e stats.Estimate) bool { return e.Value < e.Low || e.Value > e.High }

// Compare compares one method's rows of two tables, a and b. k ≤ 0 means a
// tenth of the heads, at least one. Of o, Resamples, Confidence and Seed count.
func Compare(a, b []Head, k int, o Options) (*Comparison, error) {
	o = o.withDefaults()
	c := &Comparison{}
	if !sameHeads(a, b) {
		ra, rb := reduced(a), reduced(b)
		switch {
		case sameHeads(ra, b):
			a, c.Reduced = ra, true
		case sameHeads(a, rb):
			b, c.Reduced = rb, true
		case (ra == nil || rb == nil) && lastLayer(a) == lastLayer(b):
			return nil, fmt.Errorf("the profiles score different heads (%s against %s), and one of them cannot be reduced to KV heads: %w", describeShape(a), describeShape(b), ErrKVHeads)
		default:
			return nil, fmt.Errorf("the profiles score different heads: %s against %s", describeShape(a), describeShape(b))
		}
	}
	var x, y []float64
	var inA, inB []Head // those with a score in both
	for i := range a {
		if !math.IsNaN(a[i].Mean) && !math.IsNaN(b[i].Mean) {
			x, y = append(x, a[i].Mean), append(y, b[i].Mean)
			inA, inB = append(inA, a[i]), append(inB, b[i])
		}
	}
	a, b = inA, inB
	if len(x) < 2 {
		return nil, fmt.Errorf("only %d heads have a score in both profiles; at least 2 are needed", len(x))
	}
	c.Heads = len(x)
	if k <= 0 {
		k = DefaultTop(len(x))
	}
	c.K = min(k, len(x))
	topA, tieA := Top(a, c.K)
	topB, tieB := Top(b, c.K)
	c.TieA, c.TieB, c.Shared = tieA.text(c.K), tieB.text(c.K), shared(topA, topB)
	estimates := o.bootstrap().Estimates([]int{len(x)}, func(picks [][]int) []float64 {
		// In order, so that ties go to the lowest layer and head as in the estimate.
		order := slices.Sorted(slices.Values(picks[0]))
		px, py := make([]float64, len(x)), make([]float64, len(x))
		for i, j := range order {
			px[i], py[i] = x[j], y[j]
		}
		return agreement(px, py, c.K)
	})
	c.Spearman, c.Kendall, c.Overlap, c.Jaccard = estimates[0], estimates[1], estimates[2], estimates[3]
	return c, nil
}

// agreement is Spearman, Kendall, overlap and Jaccard of two score lists.
func agreement(x, y []float64, k int) []float64 {
	share, jaccard := TopOverlap(x, y, k)
	return []float64{Spearman(x, y), KendallTauB(x, y), share, jaccard}
}

// TopOverlap compares the k largest of x with the k largest of y, ties going
// to the lower index: the share of one set found in the other, and the
// intersection over the union; NaN of nothing.
func TopOverlap(x, y []float64, k int) (share, jaccard float64) {
	k = max(0, min(k, len(x), len(y)))
	ox, oy := make([]int32, len(x)), make([]int32, len(y))
	ranking(x, ox)
	ranking(y, oy)
	in := make([]bool, max(len(x), len(y)))
	for _, i := range ox[:k] {
		in[i] = true
	}
	both := 0
	for _, i := range oy[:k] {
		if in[i] {
			both++
		}
	}
	return float64(both) / float64(k), float64(both) / float64(2*k-both)
}

// shared counts the heads that two sets have in common.
func shared(a, b []Head) int {
	in := map[[2]int]bool{}
	for _, h := range a {
		in[[2]int{h.Layer, h.Head}] = true
	}
	n := 0
	for _, h := range b {
		if in[[2]int{h.Layer, h.Head}] {
			n++
		}
	}
	return n
}

// ReduceToKVHeads replaces a method's rows of query heads by rows of KV heads;
// see BestOfGroup.
func (t *Table) ReduceToKVHeads(method string) {
	var heads []Head
	for _, m := range t.Methods() {
		rows := t.Of(m)
		if m == method {
			rows = BestOfGroup(rows)
		}
		heads = append(heads, rows...)
	}
	t.Heads = heads
	q := t.Quantity(method)
	q.PerKVHead = true
	t.SetQuantity(q)
}

// BestOfGroup reduces rows of query heads to rows of KV heads: each group
// becomes its best-scored head's row, with Head set to the KV head.
func BestOfGroup(heads []Head) []Head {
	var out []Head
	for _, h := range heads {
		last := len(out) - 1
		if last < 0 || out[last].Layer != h.Layer || out[last].KVHead != h.KVHead {
			h.Head = h.KVHead
			out = append(out, h)
			continue
		}
		if h.Mean > out[last].Mean || math.IsNaN(out[last].Mean) {
			h.Head = h.KVHead
			out[last] = h
		}
	}
	Rerank(out)
	return out
}

// reduced is BestOfGroup, or nil where KV heads are not known.
func reduced(heads []Head) []Head {
	if !KnowsKVHeads(heads) {
		return nil
	}
	return BestOfGroup(heads)
}

func lastLayer(heads []Head) int {
	if len(heads) == 0 {
		return -1
	}
	return heads[len(heads)-1].Layer
}

func sameHeads(a, b []Head) bool {
	return slices.EqualFunc(a, b, func(x, y Head) bool { return x.Layer == y.Layer && x.Head == y.Head })
}

func describeShape(heads []Head) string {
	if len(heads) == 0 {
		return "none"
	}
	return fmt.Sprintf("%d layers, %d heads in all", heads[len(heads)-1].Layer+1, len(heads))
}
