package cpu

import (
	"math"

	"headprof/runner/backend"
)

// Recurs implements backend.RecurrentBackend.
func (b *Backend) Recurs() {}

// SplitHeads cuts elements [from, to) out of each head's slice of a row.
func (o *ops) SplitHeads(x backend.Value, heads, from, to int) backend.Value {
	v := x.(*value)
	dim, n := v.width/heads, to-from
	out := o.arena.value(v.rows, heads*n)
	o.perRow(v.rows, heads*n, func(_ *scratch, lo, hi int) {
		for i := lo; i < hi; i++ {
			dst, src := out.row(i), v.row(i)
			for h := range heads {
				copy(dst[h*n:][:n], src[h*dim+from:])
			}
		}
	})
	return out
}

// Convolve implements backend.Recurrence. The taps of a channel are added from
// the earliest position on.
func (o *ops) Convolve(x backend.Value, c backend.Convolution) backend.Value {
	in := x.(*value)
	out := o.arena.value(in.rows, in.width)
	if o.dry != nil {
		o.arena.value(c.Width, in.width)
		return out
	}
	o.convolve(out, in, c)
	return out
}

func (o *ops) convolve(out, in *value, c backend.Convolution) {
	channels, before := in.width, c.Width-1
	last := o.cache.State(c.Layer)[c.State:][:c.Elements(channels)]
	taps := o.arena.value(c.Width, channels) // [position][channel]
	w, bias := vector(c.Weight), vector(c.Bias)
	for j := range c.Width {
		t := taps.row(j)
		for ch := range t {
			t[ch] = w[ch*c.Width+j]
		}
	}
	row := func(r int) []float32 {
		if r < 0 {
			return last[(before+r)*channels:][:channels]
		}
		return in.row(r)
	}
	o.perRow(in.rows, channels*c.Width, func(_ *scratch, lo, hi int) {
		for i := lo; i < hi; i++ {
			y := out.row(i)
			if bias != nil {
				copy(y, bias)
			} else {
				clear(y)
			}
			j := 0
			for ; j+1 < c.Width; j += 2 {
				tap2(y, taps.row(j), row(i-before+j), taps.row(j+1), row(i-before+j+1))
			}
			if j < c.Width {
				tap(y, taps.row(j), row(i-before+j))
			}
			if c.SiLU {
				o.k.gate(roundUp(channels, 16), out.at(i, 0), out.at(i, 0), nil, 1, 0)
			}
		}
	})
	if n := in.rows; n < before {
		copy(last, last[n*channels:])
	}
	for j := max(0, before-in.rows); j < before; j++ {
		copy(last[j*channels:][:channels], in.row(in.rows-before+j))
	}
}

// tap is y += w ⊙ x; tap2 is two of them in turn.
func tap(y, w, x []float32) {
	w, x = w[:len(y)], x[:len(y)]
	for i := range y {
		y[i] += float32(w[i] * x[i])
	}
}

func tap2(y, w, x, w2, x2 []float32) {
	w, x, w2, x2 = w[:len(y)], x[:len(y)], w2[:len(y)], x2[:len(y)]
	for i := range y {
		y[i] = float32(y[i]+float32(w[i]*x[i])) + float32(w2[i]*x2[i])
	}
}

// recurrent is a layer's recurrence S = decay·S + k ⊗ δ, y = q·S, token by
// token, for all heads: what the delta rule and state spaces share. A head's
// state is [columns/32][depth][32], so that the 32 columns that a task takes
// through all rows stay in the first-level cache.
type recurrent struct {
	*ops
	heads, depth, columns int
	state                 []float32
	pairs                 *value // [rows × key heads · 2 · depth]: a key and a query in turn
	pairOf                func(head int) int
	products              *value // [rows × key heads]: q·k
	decays                *value // [rows × heads]
	// delta gives δ for columns [from, from+len(d)) of a head, whose state has
	// d = decay·k·S before.
	delta func(d []float32, row, head, from int)
	out   *value
}

func (r *recurrent) compute() {
	panels := roundUp(r.columns, panelWidth) / panelWidth
	tasks := r.heads * panels
	group := 1
	if r.out.rows < 8 {
		group = panels // little to do: a head is a task
	}
	r.run(tasks/group, func(worker, task int) {
		s := &r.b.scratch[worker]
		for t := task * group; t < (task+1)*group; t++ {
			r.panel(s, t/panels, t%panels)
		}
	})
}

// panel takes 32 columns of one head through all rows.
func (r *recurrent) panel(s *scratch, head, panel int) {
	from := panel * panelWidth
	width := min(panelWidth, r.columns-from)
	panels := roundUp(r.columns, panelWidth) / panelWidth
	state := r.state[(head*panels+panel)*r.depth*panelWidth:][:r.depth*panelWidth]
	both, decays := grown(&s.product, 2*panelWidth), grown(&s.row, r.depth)
	pair := r.pairOf(head)
	for i := range r.out.rows {
		kq := r.pairs.at(i, pair*2*r.depth)
		r.k.product(2, r.depth, kq, r.depth, &state[0], panelWidth, &both[0], panelWidth, nil, fromZero)
		decay := r.decays.row(i)[head]
		d := both[:panelWidth]
		for j := range d {
			d[j] *= decay
		}
		clear(d[width:])
		r.delta(d[:width], i, head, from)
		for j := range decays {
			decays[j] = decay
		}
		r.k.product(r.depth, 1, kq, 1, &d[0], panelWidth, &state[0], panelWidth, &decays[0], fromC)
		kqProduct := r.products.row(i)[pair]
		y := r.out.row(i)[head*r.columns+from:][:width]
		for j := range y {
			y[j] = float32(decay*both[panelWidth+j]) + float32(kqProduct*d[j])
		}
	}
}

// DeltaRule implements backend.Recurrence.
func (o *ops) DeltaRule(qkv, alpha, beta backend.Value, d backend.DeltaRule) backend.Value {
	out := o.arena.value(qkv.Rows(), d.Heads*d.ValueDim)
	o.deltaRule(out, qkv.(*value), alpha.(*value), beta.(*value), d)
	return out
}

func (o *ops) deltaRule(out, in, alpha, beta *value, d backend.DeltaRule) {
	rows := in.rows
	r := &recurrent{ops: o, heads: d.Heads, depth: d.KeyDim, columns: d.ValueDim, pairOf: d.KeyHead, out: out,
		pairs: o.arena.value(rows, d.KeyHeads*2*d.KeyDim), products: o.arena.value(rows, d.KeyHeads), decays: o.arena.value(rows, d.Heads)}
	shares := o.arena.value(rows, d.Heads)
	if o.dry != nil {
		o.dry.norm = max(o.dry.norm, d.KeyDim)
		return
	}
	r.state = o.cache.State(d.Layer)[d.State:][:d.Elements()]
	rate, bias := vector(d.Rate), vector(d.Bias)
	keys, root := d.KeyHeads*d.KeyDim, float32(1/math.Sqrt(float64(d.KeyDim)))
	o.perRow(rows, 8*in.width, func(s *scratch, lo, hi int) {
		for i := lo; i < hi; i++ {
			src := in.row(i)
			for h := range d.KeyHeads {
				k, q := r.pairs.row(i)[2*h*d.KeyDim:][:d.KeyDim], r.pairs.row(i)[(2*h+1)*d.KeyDim:][:d.KeyDim]
				o.unit(s, q, src[h*d.KeyDim:], d.Eps, root)
				o.unit(s, k, src[keys+h*d.KeyDim:], d.Eps, 1)
				r.products.row(i)[h] = inner(k, q)
			}
			for h := range d.Heads {
				step := softplus(float64(alpha.row(i)[h]) + float64(bias[h]))
				r.decays.row(i)[h] = float32(exp64(float64(rate[h]) * step))
				shares.row(i)[h] = float32(1 / (1 + exp64(-float64(beta.row(i)[h]))))
			}
		}
	})
	r.delta = func(had []float32, row, head, from int) {
		v, share := in.row(row)[2*keys+head*d.ValueDim+from:], shares.row(row)[head]
		for j := range had {
			had[j] = share * (v[j] - had[j])
		}
	}
	r.compute()
}

// unit is dst = x / √(Σx² + eps) · scale.
func (o *ops) unit(s *scratch, dst, x []float32, eps, scale float32) {
	padded := roundUp(len(dst), 16)
	p := grown(&s.norm, padded)
	clear(p[copy(p, x[:len(dst)]):])
	inverse := scale / sqrt32(o.k.squares(padded, &p[0])+eps)
	for i := range dst {
		dst[i] = p[i] * inverse
	}
}

// inner is Σ aᵢ·bᵢ in four chains.
func inner(a, b []float32) float32 {
	b = b[:len(a)]
	var s [4]float32
	i := 0
	for ; i+3 < len(a); i += 4 {
		s[0] += float32(a[i] * b[i])
		s[1] += float32(a[i+1] * b[i+1])
		s[2] += float32(a[i+2] * b[i+2])
		s[3] += float32(a[i+3] * b[i+3])
	}
	for ; i < len(a); i++ {
		s[0] += float32(a[i] * b[i])
	}
	return float32(s[0]+s[1]) + float32(s[2]+s[3])
}

// Scan implements backend.Recurrence.
func (o *ops) Scan(xbc, dt backend.Value, s backend.Scan) backend.Value {
	out := o.arena.value(xbc.Rows(), s.Heads*s.HeadDim)
	o.scan(out, xbc.(*value), dt.(*value), s)
	return out
}

func (o *ops) scan(out, in, dt *value, s backend.Scan) {
	rows, perGroup := in.rows, s.Heads/s.Groups
	r := &recurrent{ops: o, heads: s.Heads, depth: s.StateDim, columns: s.HeadDim, pairOf: func(h int) int { return h / perGroup }, out: out,
		pairs: o.arena.value(rows, s.Groups*2*s.StateDim), products: o.arena.value(rows, s.Groups), decays: o.arena.value(rows, s.Heads)}
	steps := o.arena.value(rows, s.Heads)
	if o.dry != nil {
		return
	}
	r.state = o.cache.State(s.Layer)[s.State:][:s.Elements()]
	rate, bias, skip := vector(s.Rate), vector(s.Bias), vector(s.Skip)
	width, groups := s.Heads*s.HeadDim, s.Groups*s.StateDim
	o.perRow(rows, 8*s.Groups*s.StateDim, func(_ *scratch, lo, hi int) {
		for i := lo; i < hi; i++ {
			src := in.row(i)
			for g := range s.Groups {
				k, q := r.pairs.row(i)[2*g*s.StateDim:][:s.StateDim], r.pairs.row(i)[(2*g+1)*s.StateDim:][:s.StateDim]
				copy(k, src[width+g*s.StateDim:])
				copy(q, src[width+groups+g*s.StateDim:])
				r.products.row(i)[g] = inner(k, q)
			}
			for h := range s.Heads {
				step := softplus(float64(dt.row(i)[h]) + float64(bias[h]))
				if s.Most > 0 {
					step = min(max(step, float64(s.Least)), float64(s.Most))
				}
				steps.row(i)[h] = float32(step)
				r.decays.row(i)[h] = float32(exp64(step * float64(rate[h])))
			}
		}
	})
	r.delta = func(d []float32, row, head, from int) {
		x, step := in.row(row)[head*s.HeadDim+from:], steps.row(row)[head]
		for j := range d {
			d[j] = step * x[j]
		}
	}
	r.compute()
	o.perRow(rows, width, func(_ *scratch, lo, hi int) {
		for i := lo; i < hi; i++ {
			for h := range s.Heads {
				y, x := out.row(i)[h*s.HeadDim:][:s.HeadDim], in.row(i)[h*s.HeadDim:]
				for j := range y {
					y[j] += float32(skip[h] * x[j])
				}
			}
		}
	})
}

// Convolve implements backend.Recurrence.
func (t *batch) Convolve(x backend.Value, c backend.Convolution) backend.Value {
	out := t.arena.value(x.Rows(), x.Width())
	for i := range t.count(x) {
		t.each[i].convolve(t.of(out, i), t.of(x, i), c)
	}
	return out
}

// DeltaRule implements backend.Recurrence.
func (t *batch) DeltaRule(qkv, alpha, beta backend.Value, d backend.DeltaRule) backend.Value {
	out := t.arena.value(qkv.Rows(), d.Heads*d.ValueDim)
	for i := range t.count(qkv) {
		t.each[i].deltaRule(t.of(out, i), t.of(qkv, i), t.of(alpha, i), t.of(beta, i), d)
	}
	return out
}

// Scan implements backend.Recurrence.
func (t *batch) Scan(xbc, dt backend.Value, s backend.Scan) backend.Value {
	out := t.arena.value(xbc.Rows(), s.Heads*s.HeadDim)
	for i := range t.count(xbc) {
		t.each[i].scan(t.of(out, i), t.of(xbc, i), t.of(dt, i), s)
	}
	return out
}
