package scoring

import (
	"fmt"
	"math"
)

// HeadList names some of a model's heads, as QRHead's configurations and any
// list of best heads do. Nothing is known of the other heads, often not even
// how many there are. Its rows are the listed heads by layer and head; their
// ranks count among the listed ones, and without scores of their own they hold
// 1 for the first, falling evenly.
type HeadList struct {
	Table
	Model Shape // the whole model's; nil where the source does not say
}

// Complete makes a table of a whole model; heads that are not listed have no
// score (NaN) and rank 0.
func (l *HeadList) Complete(s Shape) (*Table, error) {
	t := &Table{Meta: l.Meta, Notes: l.Notes}
	for _, method := range l.Methods() {
		listed := map[[2]int]Head{}
		rows := l.Of(method)
		for _, h := range rows {
			if h.Layer >= len(s) || h.Head >= s[h.Layer].Heads {
				return nil, fmt.Errorf("layer %d, head %d is listed, but the model has %d layers of %s", h.Layer, h.Head, len(s), headsText(s))
			}
			listed[[2]int{h.Layer, h.Head}] = h
		}
		for layer, of := range s {
			for head := range of.Heads {
				h, ok := listed[[2]int{layer, head}]
				if !ok {
					h = Head{Method: method, Layer: layer, Head: head, KVHead: Unknown, Window: Unknown, Mean: math.NaN(), StdErr: math.NaN(), Low: math.NaN(), High: math.NaN()}
				}
				h.Share = math.NaN() // of what the whole model scores
				t.Heads = append(t.Heads, h)
			}
		}
		q := l.Quantity(method)
		q.Listed = len(rows)
		t.SetQuantity(q)
	}
	return t, t.SetShape(s)
}

// Whole gives the list as the table that it is where it holds every head of
// the model; ok is false where it does not.
func (l *HeadList) Whole(s Shape) (t *Table, ok bool) {
	for _, method := range l.Methods() {
		rows, listed := l.Of(method), map[[2]int]bool{}
		for _, h := range rows {
			listed[[2]int{h.Layer, h.Head}] = true
		}
		kv := l.Quantity(method).PerKVHead
		want := 0
		for layer, of := range s {
			n := of.Heads
			if kv {
				n = max(0, of.KVHeads)
			}
			for head := range n {
				if want++; !listed[[2]int{layer, head}] {
					return nil, false
				}
			}
		}
		if want != len(rows) {
			return nil, false
		}
	}
	return &l.Table, true
}

func headsText(s Shape) string {
	low, high := s[0].Heads, s[0].Heads
	for _, l := range s {
		low, high = min(low, l.Heads), max(high, l.Heads)
	}
	if low == high {
		return fmt.Sprintf("%d heads", low)
	}
	return fmt.Sprintf("%d to %d heads", low, high)
}

// IsList reports whether a method's rows are a list that was completed to its
// model's heads: their quantity says so, or most heads have no score.
func (t *Table) IsList(method string) bool {
	rows := t.Of(method)
	return t.Quantity(method).Listed > 0 || 2*len(Scored(rows)) < len(rows)
}

// Scored gives the rows that have a score.
func Scored(heads []Head) []Head {
	var out []Head
	for _, h := range heads {
		if !math.IsNaN(h.Mean) {
			out = append(out, h)
		}
	}
	return out
}

// CountNegativeAsZero gives heads of a method that score below 0 the score 0,
// for budgets, which are shares, and returns how many they are.
func (t *Table) CountNegativeAsZero(method string) int {
	rows, n := t.Of(method), 0
	for i := range rows {
		if rows[i].Mean < 0 {
			rows[i].Mean = 0
			n++
		}
	}
	if n > 0 {
		Rerank(rows)
	}
	return n
}

// CountUnlistedAsZero gives heads without a score 0, for files and budgets that
// need a number for every head, and returns how many they are.
func (t *Table) CountUnlistedAsZero() int {
	n := 0
	for _, method := range t.Methods() {
		rows := t.Of(method)
		before := n
		for i := range rows {
			if math.IsNaN(rows[i].Mean) {
				rows[i].Mean = 0
				n++
			}
		}
		if n > before {
			Rerank(rows)
		}
	}
	return n
}
