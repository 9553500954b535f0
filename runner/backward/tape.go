// Package backward takes gradients through a transformer. A Tape is a
// backend.Ops: a family's equations run on it as they run on any other. It
// computes each operation with another Ops, whose results it does not change,
// records it, and goes back through the record: reverse-mode differentiation
// of a few layers at a time. The caller keeps the residual stream between them
// and recomputes them when their turn comes (Chen et al., arXiv 1604.06174).
//
// Gradients flow to activations, never to weights. Expert routing and the
// choice of expert are held fixed; the shares of the chosen experts are not.
package backward

import "headprof/runner/backend"

// Tape records the operations of one layer or of a few in turn, for some rows of
// a sequence.
type Tape struct {
	o    backend.Differentiator
	turn []backend.Rope // of Rope's way back, by the address of its frequencies
	back []func()
	end  bool

	// Keys and Values are, of every layer on the tape, the gradients by its keys
	// and values of all positions so far, [layer][positions × KVHeads·dimension].
	// Attend adds to them, and Store takes its rows from them: positions go back
	// from the last to the first.
	Keys, Values [][]float32
	// Heads receives the heads' outputs and the gradients by them.
	Heads func(backend.HeadGradients)
	// Weighed receives what attention weights times the gradients by them come to.
	Weighed func(backend.WeighedGradients)
	// Ends stops the way back at the outputs of layer 0's heads: nothing below
	// them is asked for.
	Ends bool
}

// New makes a tape on a step.
func New(o backend.Differentiator) *Tape { return &Tape{o: o} }

// node is a value and the gradient by it.
type node struct {
	t       *Tape
	v, grad backend.Value
	saved   bool                  // the record needs v as it is
	later   []func(backend.Value) // what is to be added to v before it is needed: a layer's last sum never is
}

func (n *node) Rows() int  { return n.v.Rows() }
func (n *node) Width() int { return n.v.Width() }

// Input gives a value of elements [rows × width] to run a layer on.
func (t *Tape) Input(rows, width int, elements []float32) backend.Value {
	v := t.o.Zeros(rows, width)
	for i := range rows {
		copy(t.o.Row(v, i), elements[i*width:][:width])
	}
	return t.made(v)
}

// Back goes back from a value, given a loss's gradient by it [rows × width].
func (t *Tape) Back(from backend.Value, gradient []float32) {
	g, w := t.gradient(from.(*node)), from.Width()
	for i := range from.Rows() {
		row := t.o.Row(g, i)
		for j, x := range gradient[i*w:][:w] {
			row[j] += x
		}
	}
	for i := len(t.back) - 1; i >= 0 && !t.end; i-- {
		t.back[i]()
	}
}

// Gradient gives row i of the gradient by a value.
func (t *Tape) Gradient(of backend.Value, i int) []float32 {
	return t.o.Row(t.gradient(of.(*node)), i)
}

func (t *Tape) gradient(n *node) backend.Value {
	if n.grad == nil {
		n.grad = t.o.Zeros(n.Rows(), n.Width())
	}
	return n.grad
}

func (t *Tape) made(v backend.Value) *node { return &node{t: t, v: v} }

// now gives x's elements as they are now.
func (x *node) now() backend.Value {
	if later := x.later; len(later) > 0 {
		x.later = nil
		x.own()
		for _, f := range later {
			f(x.v)
		}
	}
	return x.v
}

// own makes v one that may be changed in place.
func (x *node) own() {
	if x.saved {
		x.v, x.saved = x.t.o.Gather(x.v, all(x.Rows())), false
	}
}

// save says that the record needs x's elements as they are now.
func (x *node) save() backend.Value {
	v := x.now()
	x.saved = true
	return v
}

// writable makes x ready to be changed in place.
func (t *Tape) writable(x backend.Value) *node {
	n := x.(*node)
	n.now()
	n.own()
	return n
}

// sum adds to x once it is needed. What f reads is saved.
func (t *Tape) sum(x backend.Value, f func(v backend.Value)) *node {
	n := x.(*node)
	n.later = append(n.later, f)
	return n
}

func (t *Tape) record(f func()) { t.back = append(t.back, f) }

// each calls f for every row of values of so many elements, several at once.
func (t *Tape) each(x backend.Value, f func(i int)) { t.o.Each(x.Rows(), x.Width(), f) }

func all(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// Position implements backend.Ops.
func (t *Tape) Position(row int) int { return t.o.Position(row) }

// Embed implements backend.Ops. No gradient flows to embeddings.
func (t *Tape) Embed(table backend.Weight, ids []int32, scale float32) backend.Value {
	return t.made(t.o.Embed(table, ids, scale))
}

// Linear implements backend.Ops.
func (t *Tape) Linear(x backend.Value, w, bias backend.Weight) backend.Value {
	in := x.(*node)
	y := t.made(t.o.Linear(in.now(), w, bias))
	t.record(func() { t.o.LinearBack(t.gradient(in), t.gradient(y), w, 1) })
	return y
}

// AddLinear implements backend.Ops.
func (t *Tape) AddLinear(dst, x backend.Value, w, bias backend.Weight, scale float32) {
	in := x.(*node)
	from := in.save()
	d := t.sum(dst, func(v backend.Value) { t.o.AddLinear(v, from, w, bias, scale) })
	t.record(func() { t.o.LinearBack(t.gradient(in), t.gradient(d), w, scale) })
}

// Rope implements backend.Ops. Its way back is the rotation by the opposite angle.
func (t *Tape) Rope(x backend.Value, heads int, r backend.Rope) {
	n := t.writable(x)
	t.o.Rope(n.v, heads, r)
	t.record(func() { t.o.Rope(t.gradient(n), heads, t.opposite(r)) })
}

func (t *Tape) opposite(r backend.Rope) backend.Rope {
	if len(r.InvFreq) == 0 {
		return r
	}
	for i := 0; i+1 < len(t.turn); i += 2 {
		if &t.turn[i].InvFreq[0] == &r.InvFreq[0] && t.turn[i].Dims == r.Dims {
			return t.turn[i+1]
		}
	}
	o := r
	o.InvFreq = make([]float32, len(r.InvFreq))
	for i, f := range r.InvFreq {
		o.InvFreq[i] = -f
	}
	t.turn = append(t.turn, r, o)
	return o
}

// Store implements backend.Ops.
func (t *Tape) Store(layer int, k, v backend.Value) {
	keys, values := k.(*node), v.(*node)
	t.o.Store(layer, keys.save(), values.save())
	t.record(func() {
		for _, p := range []struct {
			n    *node
			from []float32
		}{{keys, t.Keys[layer]}, {values, t.Values[layer]}} {
			g, w := t.gradient(p.n), p.n.Width()
			for i := range p.n.Rows() {
				row := t.o.Row(g, i)
				for j, x := range p.from[t.o.Position(i)*w:][:w] {
					row[j] += x
				}
			}
		}
	})
}

// Attend implements backend.Ops.
func (t *Tape) Attend(q backend.Value, a backend.Attention, rows []int) backend.Value {
	in := q.(*node)
	queries := in.save()
	out := t.made(t.o.Attend(queries, a, rows))
	result := out.save()
	t.record(func() {
		g := t.gradient(out)
		if t.Heads != nil {
			t.Heads(t.heads(result, g, a, rows))
		}
		t.end = t.Ends && a.Layer == 0
		if t.end && t.Weighed == nil || result.Rows() == 0 {
			return
		}
		b := backend.AttentionBack{Attention: a, Rows: rows, Q: queries, Out: result, DOut: g,
			DQ: t.gradient(in), DK: t.Keys[a.Layer], DV: t.Values[a.Layer]}
		if t.Weighed != nil {
			b.Weighed = make([]float64, result.Rows()*a.Heads)
		}
		t.o.AttendBack(b)
		if t.Weighed != nil {
			t.Weighed(backend.WeighedGradients{Layer: a.Layer, Positions: t.positions(result.Rows(), rows), Sums: b.Weighed})
		}
	})
	return out
}

// positions are those of n rows that were attended to; rows nil: of all.
func (t *Tape) positions(n int, rows []int) []int {
	out := make([]int, n)
	for i := range out {
		if out[i] = i; rows != nil {
			out[i] = rows[i]
		}
		out[i] = t.o.Position(out[i])
	}
	return out
}

func (t *Tape) heads(out, grad backend.Value, a backend.Attention, rows []int) backend.HeadGradients {
	h := backend.HeadGradients{Outputs: backend.Outputs{Layer: a.Layer, Attention: a, Positions: t.positions(out.Rows(), rows)}}
	for i := range out.Rows() {
		h.Heads = append(h.Heads, t.o.Row(out, i)...)
		h.Gradients = append(h.Gradients, t.o.Row(grad, i)...)
	}
	return h
}

// Add implements backend.Ops.
func (t *Tape) Add(dst, src backend.Value) {
	s := src.(*node)
	from := s.save()
	d := t.sum(dst, func(v backend.Value) { t.o.Add(v, from) })
	t.record(func() { t.o.Add(t.gradient(s), t.gradient(d)) })
}

// Scale implements backend.Ops.
func (t *Tape) Scale(x backend.Value, by float32) {
	n := t.writable(x)
	t.o.Scale(n.v, by)
	t.record(func() { t.o.Scale(t.gradient(n), by) })
}

// SoftCap implements backend.Ops: y = cap·tanh(x/cap) has y′ = 1 − (y/cap)².
func (t *Tape) SoftCap(x backend.Value, limit float32) {
	n := t.writable(x)
	t.o.SoftCap(n.v, limit)
	y := n.save()
	t.record(func() {
		g := t.gradient(n)
		t.each(g, func(i int) {
			row := t.o.Row(g, i)
			for j, v := range t.o.Row(y, i) {
				v /= limit
				row[j] *= 1 - float32(v*v)
			}
		})
	})
}

// Gather implements backend.Ops.
func (t *Tape) Gather(x backend.Value, rows []int) backend.Value {
	in := x.(*node)
	y := t.made(t.o.Gather(in.now(), rows))
	t.record(func() {
		from, to := t.gradient(y), t.gradient(in)
		for i, r := range rows {
			dst := t.o.Row(to, r)
			for j, v := range t.o.Row(from, i) {
				dst[j] += v
			}
		}
	})
	return y
}

// Split implements backend.Ops.
func (t *Tape) Split(x backend.Value, from, to int) backend.Value {
	in := x.(*node)
	y := t.made(t.o.Split(in.now(), from, to))
	t.record(func() {
		g, whole := t.gradient(y), t.gradient(in)
		for i := range g.Rows() {
			dst := t.o.Row(whole, i)[from:to]
			for j, v := range t.o.Row(g, i) {
				dst[j] += v
			}
		}
	})
	return y
}

// HeadLinear has no way back either.
func (t *Tape) HeadLinear(x backend.Value, heads, keep int, w backend.Weight) backend.Value {
	return t.made(t.o.HeadLinear(x.(*node).now(), heads, keep, w))
}

// Above and Match have no way back: families that need them say so (NoGradient).
func (t *Tape) Above(x backend.Value, deviations float32) { t.o.Above(t.writable(x).v, deviations) }

// Match is as Above.
func (t *Tape) Match(x, like backend.Value, floor float32) {
	t.o.Match(t.writable(x).v, like.(*node).now(), floor)
}

// Join implements backend.Ops.
func (t *Tape) Join(parts ...backend.Value) backend.Value {
	in, values := make([]*node, len(parts)), make([]backend.Value, len(parts))
	for i, p := range parts {
		in[i] = p.(*node)
		values[i] = in[i].now()
	}
	y := t.made(t.o.Join(values...))
	t.record(func() {
		g, from := t.gradient(y), 0
		for _, n := range in {
			t.o.Add(t.gradient(n), t.o.Split(g, from, from+n.Width()))
			from += n.Width()
		}
	})
	return y
}

// SplitHeads implements backend.Ops.
func (t *Tape) SplitHeads(x backend.Value, heads, from, to int) backend.Value {
	in := x.(*node)
	y := t.made(t.o.SplitHeads(in.now(), heads, from, to))
	t.record(func() {
		g, whole := t.gradient(y), t.gradient(in)
		dim, n := whole.Width()/heads, to-from
		for i := range g.Rows() {
			for j, v := range t.o.Row(g, i) {
				t.o.Row(whole, i)[j/n*dim+from+j%n] += v
			}
		}
	})
	return y
}

// Convolve, DeltaRule and Scan have no way back: runner.Model.Backward refuses
// models that need one.
func (t *Tape) Convolve(backend.Value, backend.Convolution) backend.Value { panic(noWayBack) }

// DeltaRule implements backend.Ops.
func (t *Tape) DeltaRule(_, _, _ backend.Value, _ backend.DeltaRule) backend.Value { panic(noWayBack) }

// Scan implements backend.Ops.
func (t *Tape) Scan(_, _ backend.Value, _ backend.Scan) backend.Value { panic(noWayBack) }

const noWayBack = "backward: recurrences have no gradients"

// Keep implements backend.Ops.
func (t *Tape) Keep(x backend.Value) backend.Value { return x }

// EndLayer implements backend.Ops: values live until the caller ends the step's layer.
func (t *Tape) EndLayer() {}

// Read implements backend.Ops.
func (t *Tape) Read(x backend.Value) []float32 { return t.o.Read(x.(*node).now()) }

// Flush implements backend.Ops.
func (t *Tape) Flush() error { return t.o.Flush() }
