package scoring

import (
	"fmt"

	"headprof/scoring/stats"
)

// Side is one profile of a comparison: a whole table's rows of one method, or
// those that a HeadList lists.
type Side struct {
	Heads     []Head
	List      bool
	PerKVHead bool
	Model     Shape // where known
}

// CompareSides compares two profiles of which at least one is a list: the k
// best listed heads with the other side's k best. k ≤ 0 means as many as the
// shorter list names. Nothing is known of heads that are not listed, so there
// are no rank correlations and no intervals (NaN). Whole tables go to Compare.
func CompareSides(a, b Side, k int, o Options) (*Comparison, error) {
	if !a.List && !b.List {
		return Compare(a.Heads, b.Heads, k, o)
	}
	c := &Comparison{Listed: true}
	if a.PerKVHead != b.PerKVHead {
		var err error
		if !a.PerKVHead {
			a.Heads, err = kvHeadsOf(a)
		} else {
			b.Heads, err = kvHeadsOf(b)
		}
		if err != nil {
			return nil, err
		}
		c.Reduced = true
	}
	for _, s := range [][2]Side{{a, b}, {b, a}} {
		list, other := s[0], s[1]
		if !list.List || other.List {
			continue
		}
		known := map[[2]int]bool{}
		for _, h := range other.Heads {
			known[[2]int{h.Layer, h.Head}] = true
		}
		for _, h := range list.Heads {
			if !known[[2]int{h.Layer, h.Head}] {
				return nil, fmt.Errorf("layer %d, head %d is listed, but the other profile has %s", h.Layer, h.Head, describeShape(other.Heads))
			}
		}
	}
	limit := min(len(a.Heads), len(b.Heads)) // a whole table has all heads of the list
	if k <= 0 {
		k = limit
	}
	k = min(k, limit)
	topA, tieA := Top(a.Heads, k)
	topB, tieB := Top(b.Heads, k)
	k = min(len(topA), len(topB))
	if k == 0 {
		return nil, fmt.Errorf("no head has a score")
	}
	c.K, c.TieA, c.TieB = k, tieA.text(k), tieB.text(k)
	c.Shared = shared(topA[:k], topB[:k])
	unknown := stats.Unknown()
	c.Heads, c.Spearman, c.Kendall = k, unknown, unknown
	c.Overlap, c.Jaccard = unknown, unknown
	c.Overlap.Value = float64(c.Shared) / float64(k)
	c.Jaccard.Value = float64(c.Shared) / float64(2*k-c.Shared)
	return c, nil
}

// kvHeadsOf reduces rows of query heads to their KV heads. Of a list the
// model's shape tells which they are.
func kvHeadsOf(s Side) ([]Head, error) {
	heads := append([]Head(nil), s.Heads...)
	for i, h := range heads {
		if h.KVHead == Unknown && h.Layer < len(s.Model) && s.Model[h.Layer].KVHeads > 0 {
			heads[i].KVHead = h.Head / (s.Model[h.Layer].Heads / s.Model[h.Layer].KVHeads)
		}
	}
	if !KnowsKVHeads(heads) {
		if s.List && s.Model == nil {
			return nil, ErrListShape
		}
		return nil, ErrKVHeads
	}
	return BestOfGroup(heads), nil
}
