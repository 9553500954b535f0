package cpu

import (
	"headprof/runner/backend"
)

const (
	backRows   = 64      // rows of a step whose attention goes back at once
	backPart   = 16      // of them, those that a task takes
	backFloats = 4 << 20 // bounds their weights and gradients, in floats; longer sequences make fewer rows
)

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
	i0, i1      int // the call's rows
	base, width int // entries from base on, in whole tiles
	groups      []backGroup
}

// backGroup is what one KV head's rows leave for the keys' and values' gradients.
type backGroup struct {
	p, ds, tanh []float32 // [rows × width]; tanh with a soft cap only
	q           []float32 // [rows × keyPad] scaled queries
	dout        []float32 // [rows × pad]
}

// AttendBack implements backend.Differentiator.
func (o *ops) AttendBack(b backend.AttentionBack) {
	out := b.Out.(*value)
	t := &attendBack{attend: o.attention(out, b.Q.(*value), b.Attention, b.Rows), b: b, keyPad: roundUp(b.KeyDim, panelWidth)}
	entries := roundUp(o.cache.Entries(b.Layer, 0), tile)
	step := max(backPart, min(backRows, backFloats/(2*b.Heads*entries)/backPart*backPart))
	rows := min(step, out.rows) * t.group
	lend := func(n int) []float32 {
		x := o.arena.take(n)
		clear(x) // padding stays zero
		return x
	}
	t.groups = make([]backGroup, b.KVHeads)
	for i := range t.groups {
		g := &t.groups[i]
		g.p, g.ds = o.arena.take(rows*entries), o.arena.take(rows*entries)
		g.q, g.dout = lend(rows*t.keyPad), lend(rows*t.pad)
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
	t.base, t.width = 1<<62, 0
	end := 0
	for kv := range t.groups {
		head := t.cache.Head(t.a.Layer, kv)
		t.base = min(t.base, t.lo(head, t.i0)/tile*tile)
		end = max(end, t.hi(head, t.i1-1))
	}
	t.width = roundUp(end-t.base, tile)
	parts := (t.i1 - t.i0 + backPart - 1) / backPart
	t.run(parts*len(t.groups), func(worker, task int) {
		i := t.i0 + task/len(t.groups)*backPart
		t.queriesBack(&t.ops.b.scratch[worker], task%len(t.groups), i, min(t.i1, i+backPart))
	})
	tiles := t.width / tile
	t.run(tiles*len(t.groups), func(worker, task int) {
		kv := task % len(t.groups)
		t.keysBack(&t.ops.b.scratch[worker], kv, t.base+task/len(t.groups)*tile, t.hi(t.cache.Head(t.a.Layer, kv), t.i1-1))
	})
}

// queriesBack computes P and ds of the rows [i0, i1) of one KV head's group,
// and adds to the gradients by their queries.
func (t *attendBack) queriesBack(s *scratch, kv, i0, i1 int) {
	a, g, head, st := t.a, t.group, t.cache.Head(t.a.Layer, kv), &t.groups[kv]
	d, v, w, n, at := a.KeyDim, a.ValueDim, t.width, (i1-i0)*t.group, (i0-t.i0)*t.group
	p, ds := st.p[at*w:][:n*w], st.ds[at*w:][:n*w]
	dout := st.dout[at*t.pad:]
	q, sc, sum := grown(&s.q, n*d), grown(&s.s, n*tile), grown(&s.o, n*t.keyPad)
	top, l, delta := grown(&s.m, n), grown(&s.l, n), grown(&s.al, n)
	t.queries(q, kv, i0, i1)
	clear(sum)
	for r := range n {
		row, h := i0+r/g, kv*g+r%g
		scale := t.queryScale(row)
		for j, x := range t.q.row(t.batchRow(row))[h*d:][:d] {
			st.q[(at+r)*t.keyPad+j] = x * scale
		}
		var dot float64
		o := t.out.row(row)[h*v:]
		for j, x := range t.b.DOut.(*value).row(row)[h*v:][:v] {
			dout[r*t.pad+j] = x
			dot += float64(x) * float64(o[j])
		}
		delta[r], top[r] = float32(dot), minusInf
		if t.sinks != nil {
			top[r] = float32(t.sinks[h] * log2e)
		}
	}
	first, end := t.lo(head, i0), t.hi(head, i1-1)
	from, to := first/tile*tile-t.base, roundUp(end-t.base, tile)
	for r := range n {
		clear(p[r*w:][:from])
		clear(p[r*w+to : (r+1)*w])
		clear(ds[r*w:][:from])
		clear(ds[r*w+to : (r+1)*w])
	}
	for e := t.base + from; e < end; e += tile {
		t.scores(n, q, t.unpackKeys(s, head.Blocks[e/tile]), sc, min(tile, end-e))
		for r := range n {
			i := i0 + r/g
			lo, hi := max(0, t.lo(head, i)-e), min(tile, t.hi(head, i)-e)
			src, dst := sc[r*tile:][:tile], p[r*w+e-t.base:][:tile]
			copy(dst, src)
			for j := range dst {
				if j < lo || j >= hi {
					dst[j] = minusInf
				} else if dst[j] > top[r] {
					top[r] = dst[j]
				}
			}
			if t.cap != 0 {
				th := st.tanh[(at+r)*w+e-t.base:][:tile]
				for j, x := range dst {
					th[j] = 0
					if x != minusInf {
						th[j] = x / t.cap
					}
				}
			}
		}
	}
	for r := range n {
		row := p[r*w+from : r*w+to]
		t.k.exp2Row(len(row), &row[0], top[r])
		all := total(row)
		if t.sinks != nil {
			all += float64(exp2(float32(t.sinks[kv*g+r%g]*log2e) - top[r]))
		}
		l[r] = float32(1 / all)
	}
	transposed := grown(&s.weights, max(v*tile, tile*t.keyPad))
	for e := t.base + from; e < end; e += tile {
		some := min(tile, end-e)
		values := t.unpackValues(s, head.Blocks[e/tile], some)
		for j := range v {
			for i := range tile {
				x := float32(0)
				if i < some {
					x = values[i*t.pad+j]
				}
				transposed[j*tile+i] = x
			}
		}
		t.k.product(n, v, &dout[0], t.pad, &transposed[0], tile, &sc[0], tile, nil, fromZero)
		t.k.product(n, v, &dout[0], t.pad, &transposed[panelWidth], tile, &sc[panelWidth], tile, nil, fromZero)
		for r := range n {
			weights, grads := p[r*w+e-t.base:][:tile], ds[r*w+e-t.base:][:tile]
			inv, mean := l[r], delta[r]
			for j, x := range sc[r*tile:][:tile] {
				y := float32(weights[j] * inv)
				weights[j] = y
				grads[j] = float32(y * (x - mean))
			}
			if t.cap != 0 {
				for j, x := range st.tanh[(at+r)*w+e-t.base:][:tile] {
					grads[j] *= 1 - float32(x*x)
				}
			}
		}
		keys := t.unpackKeys(s, head.Blocks[e/tile])
		for i := range some {
			row := transposed[i*t.keyPad:][:t.keyPad]
			for j := range d {
				row[j] = keys[j*tile+i]
			}
			clear(row[d:])
		}
		for c := 0; c < t.keyPad; c += panelWidth {
			t.k.product(n, some, &ds[e-t.base], w, &transposed[c], t.keyPad, &sum[c], t.keyPad, nil, fromC)
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
	transposed := grown(&s.weights, tile*n)
	sum := grown(&s.o, tile*max(t.pad, t.keyPad))
	add := func(of, with []float32, pad int, to []float32, dim int) {
		for r := range n {
			for j, x := range of[r*t.width+e-t.base:][:some] {
				transposed[j*n+r] = x
			}
		}
		stride := t.a.KVHeads * dim
		for j := range some {
			row := sum[j*pad:][:pad]
			clear(row[copy(row, to[(e+j)*stride+kv*dim:][:dim]):])
		}
		for c := 0; c < pad; c += panelWidth {
			t.k.product(some, n, &transposed[0], n, &with[c], pad, &sum[c], pad, nil, fromC)
		}
		for j := range some {
			copy(to[(e+j)*stride+kv*dim:][:dim], sum[j*pad:])
		}
	}
	add(st.p, st.dout, t.pad, t.b.DV, t.a.ValueDim)
	add(st.ds, st.q, t.keyPad, t.b.DK, t.a.KeyDim)
}

// total adds up a row in four chains; its length is a multiple of 4.
func total(x []float32) float64 {
	var a, b, c, d float64
	for ; len(x) >= 4; x = x[4:] {
		a, b, c, d = a+float64(x[0]), b+float64(x[1]), c+float64(x[2]), d+float64(x[3])
	}
	return a + b + (c + d)
}
