package cpu

import (
	"headprof/runner/backend"
)

// stashFloats bounds the exponentials that a worker holds of a block of rows
// until their sums are known: 4 MiB. Longer sequences make shorter blocks.
const stashFloats = 1 << 20

// WatchesBlocks marks the backend as a backend.BlockWatcher.
func (b *Backend) WatchesBlocks() {}

// stash holds, of one block of rows and one KV head, what the online softmax
// made of each tile: exponentials relative to the running maximum that the row
// had at that tile. A weight is exponential · 2^(running − final maximum) / sum,
// so nothing is computed twice. A row's values depend on the row and the tiles
// alone, which no cut into blocks changes.
type stash struct {
	first int       // entry of the first tile
	n     int       // queries: rows of the block × heads of the group
	exps  []float32 // [tile][n][tile]
	tops  []float32 // [tile][n] running maxima
}

func (st *stash) tile(e int) (exps, tops []float32) {
	i := (e - st.first) / tile
	return st.exps[i*st.n*tile:][:st.n*tile], st.tops[i*st.n:][:st.n]
}

// wantsBlocks tells whether rows of a KV head's group are delivered in blocks.
func (t *attend) wantsBlocks(kv int) bool {
	b := t.watch.Blocks
	if b.Wants == nil {
		return true
	}
	for h := range t.group {
		if b.Wants(t.a.Layer, kv*t.group+h) {
			return true
		}
	}
	return false
}

// wantedRows gives the call's rows in [i0, i1) that are delivered in blocks.
func (t *attend) wantedRows(s *scratch, i0, i1 int) []int {
	s.wanted = s.wanted[:0]
	want := t.watch.Blocks.Rows
	for i := i0; i < i1; i++ {
		r := t.batchRow(i)
		for len(want) > 0 && want[0] < r {
			want = want[1:]
		}
		if len(want) > 0 && want[0] == r {
			s.wanted = append(s.wanted, i)
		}
	}
	return s.wanted
}

// deliverBlocks turns a block's stash into weights and delivers the wanted
// rows of each head. m and l are the rows' final maxima and sums.
func (t *attend) deliverBlocks(s *scratch, st *stash, kv, i0 int, wanted []int, m, l []float32) {
	head := t.cache.Head(t.a.Layer, kv)
	first, end := t.lo(head, wanted[0]), t.hi(head, wanted[len(wanted)-1])
	width := end - first
	weights := grown(&s.weights, len(wanted)*width)
	s.positions = s.positions[:0]
	for _, i := range wanted {
		s.positions = append(s.positions, t.first+t.batchRow(i))
	}
	for h := range t.group {
		if w := t.watch.Blocks.Wants; w != nil && !w(t.a.Layer, kv*t.group+h) {
			continue
		}
		for k, i := range wanted {
			row, at := weights[k*width:][:width], (i-i0)*t.group+h
			lo, hi := t.lo(head, i), t.hi(head, i)
			clear(row[:lo-first])
			clear(row[hi-first:])
			inv := 1 / l[at]
			for e := lo / tile * tile; e < hi; e += tile {
				exps, tops := st.tile(e)
				a, b := max(lo, e), min(hi, e+tile)
				dst, src := row[a-first:b-first], exps[at*tile+a-e:][:b-a]
				by := exp2(tops[at]-m[at]) * inv
				for j, x := range src {
					dst[j] = x * by
				}
			}
		}
		t.watch.Blocks.Deliver(backend.RowBlock{
			Layer: t.a.Layer, Head: kv*t.group + h, Positions: s.positions,
			First: first, Width: width, Stride: width, Weights: weights,
		})
	}
}
