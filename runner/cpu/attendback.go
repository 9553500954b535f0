package cpu

import (
	"math"

	"headprof/runner/backend"
)

// backParts is how many tasks of blockRows queries go back through attention at once.
const backParts = 4

// AttendBackFloats bounds the weights and gradients that they hold, in floats;
// longer sequences make fewer tasks.
const AttendBackFloats = 8 << 20

// attendBack is the way back through one layer's attention for some rows. With
// weights P = softmax(s), s = q·k, and the gradients dO by a head's output O,
//
//	dV = Pᵀ·dO   dP = dO·Vᵀ   ds = P ⊙ (dP − rowsum(dO ⊙ O))   dq = ds·k   dK = dsᵀ·q
//
// (FlashAttention, arXiv 2205.14135, appendix B.4). A soft cap s = c·tanh(z/c)
// multiplies ds by 1 − (s/c)²; a sink is part of the softmax's sum alone.
type attendBack struct {
	*attend
	b           backend.AttentionBack
	keyPad      int
	part        int // the call's rows that a task takes
	most        int // rows of a group
	i0, i1      int // the call's rows
	base, tiles int // the entries that they see: from base on, in whole tiles
	groups      []backGroup
}

// backGroup is what one KV head's rows leave for the keys' and values' gradients.
type backGroup struct {
	p, ds, tanh []float32 // [tile][rows][tile]; tanh with a soft cap only
	q, dout     []float32 // [KeyDim × rows] and [ValueDim × rows]: scaled queries, gradients by the outputs
}

// onesRow multiplies a tile's row by nothing.
var onesRow = func() (out [tile]float32) {
	for i := range out {
		out[i] = 1
	}
	return out
}()

// AttendBack implements backend.Differentiator.
func (o *ops) AttendBack(b backend.AttentionBack) {
	out := b.Out.(*value)
	t := &attendBack{attend: o.attention(out, b.Q.(*value), b.Attention, b.Rows), b: b, keyPad: roundUp(b.KeyDim, panelWidth)}
	entries := roundUp(o.cache.Entries(b.Layer, 0), tile)
	t.part = max(1, blockRows/t.group)
	step := t.part * max(1, min(backParts, AttendBackFloats/(2*b.Heads*entries*t.part)))
	rows := min(step, out.rows) * t.group
	t.most = rows
	t.groups = make([]backGroup, b.KVHeads)
	for i := range t.groups {
		g := &t.groups[i]
		g.p, g.ds = o.arena.take(rows*entries), o.arena.take(rows*entries)
		g.q, g.dout = o.arena.take(rows*b.KeyDim), o.arena.take(rows*b.ValueDim)
		if t.cap != 0 {
			g.tanh = o.arena.take(rows * entries)
		}
	}
	for end := out.rows; end > 0; end -= step { // the last rows first, in steps that do not depend on threads
		t.i0, t.i1 = max(0, end-step), end
		t.rowsBack()
	}
	for _, g := range t.groups {
		o.arena.free = append(o.arena.free, g.p, g.ds, g.q, g.dout)
		if g.tanh != nil {
			o.arena.free = append(o.arena.free, g.tanh)
		}
	}
}

// rowsBack goes back for the rows [i0, i1).
func (t *attendBack) rowsBack() {
	t.base = 1 << 62
	end := 0
	for kv := range t.groups {
		head := t.cache.Head(t.a.Layer, kv)
		t.base = min(t.base, t.lo(head, t.i0)/tile*tile)
		end = max(end, t.hi(head, t.i1-1))
	}
	t.tiles = (end - t.base + tile - 1) / tile
	parts := (t.i1 - t.i0 + t.part - 1) / t.part
	t.run(parts*len(t.groups), func(worker, task int) {
		i := t.i0 + task/len(t.groups)*t.part
		t.queriesBack(&t.ops.b.scratch[worker], task%len(t.groups), i, min(t.i1, i+t.part))
	})
	t.run(t.tiles*len(t.groups), func(worker, task int) {
		kv := task % len(t.groups)
		t.keysBack(&t.ops.b.scratch[worker], kv, t.base+task/len(t.groups)*tile, t.hi(t.cache.Head(t.a.Layer, kv), t.i1-1))
	})
}

// queriesBack computes P and ds of the rows [i0, i1) of one KV head's group,
// and adds to the gradients by their queries.
func (t *attendBack) queriesBack(s *scratch, kv, i0, i1 int) {
	a, g, head, st := t.a, t.group, t.cache.Head(t.a.Layer, kv), &t.groups[kv]
	d, v, n, at := a.KeyDim, a.ValueDim, (i1-i0)*t.group, (i0-t.i0)*t.group
	q, sc, sum, dout := grown(&s.q, n*d), grown(&s.s, n*tile), grown(&s.o, n*t.keyPad), grown(&s.product, n*v)
	top, l, al, delta := grown(&s.m, n), grown(&s.l, n), grown(&s.al, n), grown(&s.dot, n)
	t.queries(q, kv, i0, i1)
	clear(sum)
	clear(l)
	for r := range n {
		row, h := i0+r/g, kv*g+r%g
		scale := t.queryScale(row)
		for j, x := range t.q.row(t.batchRow(row))[h*d:][:d] {
			st.q[j*t.most+at+r] = x * scale
		}
		var dot float64
		o := t.out.row(row)[h*v:]
		for j, x := range t.b.DOut.(*value).row(row)[h*v:][:v] {
			dout[r*v+j], st.dout[j*t.most+at+r] = x, x
			dot += float64(x) * float64(o[j])
		}
		delta[r], top[r] = float32(dot), minusInf
	}
	first, end := t.lo(head, i0), t.hi(head, i1-1)
	first = first / tile * tile
	for e := t.base; e < t.base+t.tiles*tile; e += tile {
		if e < first || e >= end {
			clear(t.tile(st.p, e, at, n))
			clear(t.tile(st.ds, e, at, n))
		}
	}
	tops := grown(&s.tops, (end-first+tile-1)/tile*n)
	t.weights(s, kv, i0, i1, q, top, l, al, tops, first, end)
	for r := range n {
		if t.sinks != nil {
			l[r] += exp2(float32(t.sinks[kv*g+r%g]*log2e) - top[r])
		}
		l[r] = 1 / l[r]
	}
	transposed := grown(&s.weights, max(v*tile, tile*t.keyPad))
	for e := first; e < end; e += tile {
		some, running := min(tile, end-e), tops[(e-first)/tile*n:]
		p, ds := t.tile(st.p, e, at, n), t.tile(st.ds, e, at, n)
		values := t.unpackValues(s, head.Blocks[e/tile], some)
		transpose(transposed, tile, values, t.pad, some, v)
		for j := 0; some < tile && j < v; j++ {
			clear(transposed[j*tile+some : (j+1)*tile])
		}
		for r, mean := range delta { // sc is dP − rowsum(dO ⊙ O)
			row := sc[r*tile:][:tile]
			for j := range row {
				row[j] = -mean
			}
		}
		t.k.product(n, v, &dout[0], v, &transposed[0], tile, &sc[0], tile, nil, fromC)
		t.k.product(n, v, &dout[0], v, &transposed[panelWidth], tile, &sc[panelWidth], tile, nil, fromC)
		factors := grown(&s.factors, roundUp(n, 16))
		clear(factors[n:])
		for r := range n {
			factors[r] = running[r] - top[r]
		}
		t.k.exp2Row(len(factors), &factors[0], 0)
		for r := range n {
			weights, grads, x := p[r*tile:][:tile], ds[r*tile:][:tile], sc[r*tile:][:tile]
			if running[r] == minusInf { // the row sees nothing of the tile
				clear(weights)
				clear(grads)
				continue
			}
			t.k.scaled(tile, &weights[0], &weights[0], &onesRow[0], factors[r]*l[r])
			t.k.scaled(tile, &grads[0], &x[0], &weights[0], 1)
			if t.cap != 0 {
				for j, x := range t.tile(st.tanh, e, at+r, 1) {
					grads[j] *= 1 - float32(x*x)
				}
			}
			if t.b.Weighed != nil {
				sum := &t.b.Weighed[(i0+r/g)*a.Heads+kv*g+r%g]
				for j, p := range weights {
					*sum += math.Abs(float64(p) * (float64(x[j]) + float64(delta[r])))
				}
			}
		}
		keys := t.unpackKeys(s, head.Blocks[e/tile])
		transpose(transposed, t.keyPad, keys, tile, d, some)
		for i := 0; d < t.keyPad && i < some; i++ {
			clear(transposed[i*t.keyPad+d : (i+1)*t.keyPad])
		}
		for c := 0; c < t.keyPad; c += panelWidth {
			t.k.product(n, some, &ds[0], tile, &transposed[c], t.keyPad, &sum[c], t.keyPad, nil, fromC)
		}
	}
	for r := range n {
		row := i0 + r/g
		scale := t.queryScale(row)
		dst := t.b.DQ.(*value).row(t.batchRow(row))[(kv*g+r%g)*d:][:d]
		for j, x := range sum[r*t.keyPad:][:d] {
			dst[j] += float32(x * scale)
		}
	}
}

// weights is attention's way forth again: exponentials p of each tile from
// entry e on, relative to the running maximum that the row had there (tops;
// −∞ where it sees nothing of the tile), and the rows' final maxima and sums.
func (t *attendBack) weights(s *scratch, kv, i0, i1 int, q, top, l, al, tops []float32, e, end int) {
	head, g, d, st := t.cache.Head(t.a.Layer, kv), t.group, t.a.KeyDim, &t.groups[kv]
	n := (i1 - i0) * g
	for ; e < end; e, tops = e+tile, tops[n:] {
		ra, rb := i0, i1
		for ra < rb && t.hi(head, ra) <= e {
			ra++
		}
		for rb > ra && t.lo(head, rb-1) >= e+tile {
			rb--
		}
		for r := range n {
			tops[r] = minusInf
		}
		if ra == rb {
			continue
		}
		at, rows := (ra-i0)*g, (rb-ra)*g
		sc := t.tile(st.p, e, (ra-t.i0)*g, rows)
		t.scores(rows, q[at*d:], t.unpackKeys(s, head.Blocks[e/tile]), sc, min(tile, t.hi(head, rb-1)-e))
		for r := range rows {
			i, row := ra+r/g, sc[r*tile:][:tile]
			lo, hi := t.lo(head, i)-e, t.hi(head, i)-e
			for j := range row {
				if lo <= 0 && hi >= tile {
					break
				}
				if j < lo || j >= hi {
					row[j] = minusInf
				}
			}
			if t.cap != 0 {
				th := t.tile(st.tanh, e, (ra-t.i0)*g+r, 1)
				for j, x := range row {
					th[j] = 0
					if x != minusInf {
						th[j] = x / t.cap
					}
				}
			}
		}
		t.k.softmax(rows, &sc[0], &top[at], &l[at], &al[at])
		copy(tops[at:], top[at:at+rows])
	}
}

// tile gives so many rows, from at on, of the tile of entries from e on.
func (t *attendBack) tile(of []float32, e, at, rows int) []float32 {
	return of[(e-t.base)*t.most+at*tile:][:rows*tile]
}

// queryScale is what a call's row's queries are multiplied by.
func (t *attendBack) queryScale(i int) float32 {
	return t.a.Scale * t.a.Temperature.Factor(t.first+t.batchRow(i))
}

// keysBack adds to the gradients by the keys and values of the tile from entry
// e on, up to entry end.
func (t *attendBack) keysBack(s *scratch, kv, e, end int) {
	if e >= end {
		return
	}
	st, n, some := &t.groups[kv], (t.i1-t.i0)*t.group, min(tile, end-e)
	sum := grown(&s.o, max(t.a.KeyDim, t.a.ValueDim)*tile)
	add := func(of, with []float32, to []float32, dim int) {
		stride := t.a.KVHeads * dim
		to = to[e*stride+kv*dim:]
		transpose(sum, tile, to, stride, some, dim)
		for c := 0; c < tile; c += panelWidth {
			t.k.product(dim, n, &with[0], t.most, &t.tile(of, e, 0, n)[c], tile, &sum[c], tile, nil, fromC)
		}
		transpose(to, stride, sum, tile, dim, some)
	}
	add(st.p, st.dout, t.b.DV, t.a.ValueDim)
	add(st.ds, st.q, t.b.DK, t.a.KeyDim)
}

// transpose writes src [rows × columns] as dst [columns × rows]; both have
// strides. Four rows at a time touch fewer cache lines.
func transpose(dst []float32, ldd int, src []float32, lds, rows, columns int) {
	i := 0
	for ; i+4 <= rows; i += 4 {
		a, b := src[i*lds:][:columns], src[(i+1)*lds:][:columns]
		c, d := src[(i+2)*lds:][:columns], src[(i+3)*lds:][:columns]
		for j, x := range a {
			to := dst[j*ldd+i:][:4]
			to[0], to[1], to[2], to[3] = x, b[j], c[j], d[j]
		}
	}
	for ; i < rows; i++ {
		for j, x := range src[i*lds:][:columns] {
			dst[j*ldd+i] = x
		}
	}
}
