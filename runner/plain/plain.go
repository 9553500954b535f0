// Package plain is the slow, obviously right backend: single-threaded loops
// over float32 values with float64 sums, written to be read beside the
// equations. The fast backends are tested against it.
package plain

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"headprof/runner/backend"
	"headprof/runner/shape"
	"headprof/runner/tensor"
)

// Backend computes on the calling goroutine, one element after the other.
type Backend struct{}

// New gives a plain backend.
func New() *Backend { return &Backend{} }

// Name is "plain".
func (*Backend) Name() string { return "plain" }

// Close does nothing.
func (*Backend) Close() {}

type weight struct {
	rows, cols int
	w          []float32
}

func (w *weight) Rows() int           { return w.rows }
func (w *weight) Cols() int           { return w.cols }
func (w *weight) row(i int) []float32 { return w.w[i*w.cols : (i+1)*w.cols] }

// Weight dequantises the whole tensor.
func (*Backend) Weight(t tensor.Tensor) (backend.Weight, error) {
	w := &weight{rows: t.Rows(), cols: t.Cols()}
	w.w = make([]float32, w.rows*w.cols)
	tensor.Dequantize(w.w, t.Data, t.Type)
	return w, nil
}

type value struct {
	rows, width int
	x           []float32
}

func (v *value) Rows() int            { return v.rows }
func (v *value) Width() int           { return v.width }
func (v *value) row(i int) []float32  { return v.x[i*v.width : (i+1)*v.width] }
func newValue(rows, width int) *value { return &value{rows, width, make([]float32, rows*width)} }
func val(v backend.Value) *value      { return v.(*value) }
func vec(w backend.Weight) []float32 {
	if w == nil {
		return nil
	}
	return w.(*weight).w
}

// head is one layer's KV head: entries in time order.
type head struct {
	k, v [][]float32
	pos  []int
}

// Cache keeps every entry as its own slice.
type Cache struct {
	layers []shape.Layer
	f16    bool
	heads  [][]head // [layer][kv head]
	states *backend.States
	n      int
	ragged bool
}

// NewCache makes an empty cache; capacity is ignored.
func (*Backend) NewCache(layers []shape.Layer, kv backend.KVType, _ int) (backend.Cache, error) {
	c := &Cache{layers: layers, f16: kv == backend.KVF16, states: backend.NewStates(layers)}
	for i, l := range layers {
		heads := make([]head, l.KVHeads)
		if !l.Stores() {
			heads = c.heads[i-l.Shares] // the same heads
		}
		c.heads = append(c.heads, heads)
	}
	return c, nil
}

// Len is the number of tokens seen.
func (c *Cache) Len() int { return c.n }

// Close does nothing.
func (c *Cache) Close() {}

// Truncate forgets tokens from n on.
func (c *Cache) Truncate(n int) error {
	if c.ragged {
		return errors.New("plain: a compacted cache cannot be truncated")
	}
	if n < 0 || n > c.n {
		return fmt.Errorf("plain: truncate to %d of %d tokens", n, c.n)
	}
	if err := c.states.Truncate(n); err != nil {
		return err
	}
	for l := range c.heads {
		for h := range c.heads[l] {
			e := &c.heads[l][h]
			m := min(n, len(e.k))
			e.k, e.v, e.pos = e.k[:m:m], e.v[:m:m], e.pos[:m:m]
		}
	}
	c.n = n
	return nil
}

// Fork copies the first n tokens.
func (c *Cache) Fork(n int) (backend.Cache, error) {
	states, err := c.states.Fork(n)
	if err != nil {
		return nil, err
	}
	f := &Cache{layers: c.layers, f16: c.f16, n: c.n, ragged: c.ragged, states: states}
	for i, l := range c.heads {
		if s := c.layers[i].Shares; s > 0 {
			f.heads = append(f.heads, f.heads[i-s])
			continue
		}
		var hs []head
		for _, h := range l {
			m := len(h.k)
			hs = append(hs, head{h.k[:m:m], h.v[:m:m], h.pos[:m:m]})
		}
		f.heads = append(f.heads, hs)
	}
	if n == c.n {
		return f, nil
	}
	return f, f.Truncate(n)
}

// Restorable is the last position up to n that Truncate and Fork can go to.
func (c *Cache) Restorable(n int) int { return c.states.Restorable(n) }

// Keep drops all entries but those named.
func (c *Cache) Keep(layer, kvHead int, entries []int32) error {
	e := &c.heads[layer][kvHead]
	var kept head
	for _, i := range entries {
		kept.k, kept.v, kept.pos = append(kept.k, e.k[i]), append(kept.v, e.v[i]), append(kept.pos, e.pos[i])
	}
	*e, c.ragged = kept, true
	c.states.Pin()
	return nil
}

// Entries is the number of entries of one KV head.
func (c *Cache) Entries(layer, kvHead int) int { return len(c.heads[layer][kvHead].k) }

// Bytes counts the entries' elements in the cache's format.
func (c *Cache) Bytes() int64 {
	size := int64(4)
	if c.f16 {
		size = 2
	}
	n := c.states.Bytes()
	for l, hs := range c.heads {
		if !c.layers[l].Stores() {
			continue
		}
		for _, h := range hs {
			n += int64(len(h.k)) * int64(c.layers[l].KeyDim+c.layers[l].ValueDim) * size
		}
	}
	return n
}

type ops struct {
	c     *Cache
	first int
	n     int
	watch *backend.Watch
}

// Begin starts a step.
func (*Backend) Begin(c backend.Cache, n int, watch *backend.Watch) (backend.Ops, error) {
	cc := c.(*Cache)
	cc.states.Rollback()
	return &ops{c: cc, first: cc.n, n: n, watch: watch}, nil
}

func (o *ops) Position(row int) int { return o.first + row }

func (o *ops) Embed(table backend.Weight, ids []int32, scale float32) backend.Value {
	t := table.(*weight)
	out := newValue(len(ids), t.cols)
	for i, id := range ids {
		for j, x := range t.row(int(id)) {
			out.row(i)[j] = x * scale
		}
	}
	return out
}

func normalise(dst, src []float32, w, b []float32, eps float64, centre bool) {
	var mean, sum float64
	if centre {
		for _, x := range src {
			mean += float64(x)
		}
		mean /= float64(len(src))
	}
	for _, x := range src {
		d := float64(x) - mean
		sum += d * d
	}
	inv := 1 / math.Sqrt(sum/float64(len(src))+eps)
	for i, x := range src {
		y := (float64(x) - mean) * inv
		if w != nil {
			y *= float64(w[i])
		}
		if b != nil {
			y += float64(b[i])
		}
		dst[i] = float32(y)
	}
}

func (o *ops) Norm(x backend.Value, n backend.Norm) backend.Value {
	in := val(x)
	out := newValue(in.rows, in.width)
	for r := range in.rows {
		normalise(out.row(r), in.row(r), vec(n.Weight), vec(n.Bias), float64(n.Eps), n.Mean)
	}
	return out
}

func (o *ops) HeadNorm(x backend.Value, heads int, n backend.Norm) {
	v := val(x)
	dim := v.width / heads
	w, b := vec(n.Weight), vec(n.Bias)
	part := func(p []float32, h int) []float32 {
		if len(p) > dim {
			return p[h*dim : (h+1)*dim]
		}
		return p
	}
	for r := range v.rows {
		for h := range heads {
			s := v.row(r)[h*dim : (h+1)*dim]
			normalise(s, s, part(w, h), part(b, h), float64(n.Eps), n.Mean)
		}
	}
}

func dot(a, b []float32) float64 {
	var s float64
	for i := range a {
		s += float64(a[i]) * float64(b[i])
	}
	return s
}

func (o *ops) Linear(x backend.Value, w, bias backend.Weight) backend.Value {
	out := newValue(x.Rows(), w.Rows())
	o.AddLinear(out, x, w, bias, 1)
	return out
}

func (o *ops) AddLinear(dst, x backend.Value, w, bias backend.Weight, scale float32) {
	in, out, m, b := val(x), val(dst), w.(*weight), vec(bias)
	for r := range in.rows {
		for j := range m.rows {
			y := dot(in.row(r), m.row(j))
			if b != nil {
				y += float64(b[j])
			}
			out.row(r)[j] += float32(y * float64(scale))
		}
	}
}

func (o *ops) Rope(x backend.Value, heads int, p backend.Rope) {
	v := val(x)
	dim := v.width / heads
	for r := range v.rows {
		for h := range heads {
			s := v.row(r)[h*dim : (h+1)*dim]
			for i := range p.Dims / 2 {
				// The angle is a float32 product, as in the reference implementations.
				sin, cos := math.Sincos(float64(float32(o.first+r) * p.InvFreq[i]))
				a, b := i, i+p.Dims/2
				if p.Interleaved {
					a, b = 2*i, 2*i+1
				}
				sin, cos = sin*float64(p.Scale), cos*float64(p.Scale)
				s[a], s[b] = float32(float64(s[a])*cos-float64(s[b])*sin), float32(float64(s[b])*cos+float64(s[a])*sin)
			}
		}
	}
}

func (o *ops) round(x []float32) []float32 {
	y := make([]float32, len(x))
	copy(y, x)
	if o.c.f16 {
		for i := range y {
			y[i] = tensor.F16ToF32(tensor.F32ToF16(y[i]))
		}
	}
	return y
}

func (o *ops) Store(layer int, k, v backend.Value) {
	l := o.c.layers[layer]
	for r := range o.n {
		for h := range l.KVHeads {
			e := &o.c.heads[layer][h]
			e.k = append(e.k, o.round(val(k).row(r)[h*l.KeyDim:(h+1)*l.KeyDim]))
			e.v = append(e.v, o.round(val(v).row(r)[h*l.ValueDim:(h+1)*l.ValueDim]))
			e.pos = append(e.pos, o.first+r)
		}
	}
}

func (o *ops) Attend(q backend.Value, a backend.Attention, rows []int) backend.Value {
	if rows == nil {
		for r := range o.n {
			rows = append(rows, r)
		}
	}
	watched := map[int]bool{}
	if o.watch != nil {
		for _, r := range o.watch.Rows {
			watched[r] = true
		}
	}
	out := newValue(len(rows), a.Heads*a.ValueDim)
	for i, r := range rows {
		for h := range a.Heads {
			e := &o.c.heads[a.Layer][h/(a.Heads/a.KVHeads)]
			last := len(e.k) - o.n + r // this row's own entry
			from := 0
			if a.Window > 0 {
				from = sort.SearchInts(e.pos[:last+1], o.first+r-a.Window+1)
			}
			if a.Chunk > 0 {
				from = sort.SearchInts(e.pos[:last+1], (o.first+r)/a.Chunk*a.Chunk)
			}
			p := make([]float32, last+1-from)
			top := math.Inf(-1)
			sink := math.Inf(-1)
			if a.Sinks != nil {
				sink = float64(vec(a.Sinks)[h])
				top = sink
			}
			scale := float64(a.Scale) * float64(a.Temperature.Factor(o.first+r))
			s := make([]float64, len(p))
			for j := range s {
				s[j] = dot(val(q).row(r)[h*a.KeyDim:(h+1)*a.KeyDim], e.k[from+j]) * scale
				if a.SoftCap > 0 {
					s[j] = float64(a.SoftCap) * math.Tanh(s[j]/float64(a.SoftCap))
				}
				top = max(top, s[j])
			}
			sum := math.Exp(sink - top)
			for j := range s {
				s[j] = math.Exp(s[j] - top)
				sum += s[j]
			}
			y := make([]float64, a.ValueDim)
			for j := range s {
				s[j] /= sum
				p[j] = float32(s[j])
				for d, x := range e.v[from+j] {
					y[d] += s[j] * float64(x)
				}
			}
			if a.Masked == nil || !a.Masked[h] {
				for d := range y {
					out.row(i)[h*a.ValueDim+d] = float32(y[d])
				}
			}
			if watched[r] {
				o.watch.Deliver(backend.Row{Layer: a.Layer, Head: h, Position: o.first + r, First: from, Weights: p})
			}
		}
	}
	return out
}

func activate(x float64, a backend.Activation) float64 {
	switch a {
	case backend.GELUTanh:
		return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	case backend.GELUErf:
		return 0.5 * x * (1 + math.Erf(x/math.Sqrt2))
	case backend.Sigmoid:
		return 1 / (1 + math.Exp(-x))
	case backend.Identity:
		return x
	default:
		return x / (1 + math.Exp(-x))
	}
}

func (o *ops) Gate(gate, up backend.Value, act backend.Activation) backend.Value {
	g := val(gate)
	if up == nil {
		out := newValue(g.rows, g.width)
		for i, x := range g.x {
			out.x[i] = float32(activate(float64(x), act))
		}
		return out
	}
	out := newValue(g.rows, up.Width())
	for i, y := range val(up).x {
		x := g.x[i*g.width/out.width]
		out.x[i] = float32(activate(float64(x), act) * float64(y))
	}
	return out
}

func (o *ops) Add(dst, src backend.Value) {
	for i, x := range val(src).x {
		val(dst).x[i] += x
	}
}

func (o *ops) Scale(x backend.Value, s float32) {
	for i := range val(x).x {
		val(x).x[i] *= s
	}
}

func (o *ops) SoftCap(x backend.Value, limit float32) {
	for i, y := range val(x).x {
		val(x).x[i] = float32(float64(limit) * math.Tanh(float64(y)/float64(limit)))
	}
}

func (o *ops) Gather(x backend.Value, rows []int) backend.Value {
	out := newValue(len(rows), x.Width())
	for i, r := range rows {
		copy(out.row(i), val(x).row(r))
	}
	return out
}

func (o *ops) Split(x backend.Value, from, to int) backend.Value {
	out := newValue(x.Rows(), to-from)
	for r := range out.rows {
		copy(out.row(r), val(x).row(r)[from:to])
	}
	return out
}

func (o *ops) HeadLinear(x backend.Value, heads, keep int, w backend.Weight) backend.Value {
	in, m := val(x), w.(*weight)
	dim, rows := in.width/heads, m.rows/heads
	out := newValue(in.rows, heads*(keep+rows))
	for r := range in.rows {
		for h := range heads {
			src, dst := in.row(r)[h*dim:][:dim], out.row(r)[h*(keep+rows):][:keep+rows]
			copy(dst, src[:keep])
			for j := range rows {
				dst[keep+j] = float32(dot(src[keep:], m.row(h*rows+j)))
			}
		}
	}
	return out
}

func (o *ops) Above(x backend.Value, deviations float32) {
	for r := range x.Rows() {
		row := val(x).row(r)
		var mean, square float64
		for _, y := range row {
			mean += float64(y)
		}
		mean /= float64(len(row))
		for _, y := range row {
			square += (float64(y) - mean) * (float64(y) - mean)
		}
		cut := mean + float64(deviations)*math.Sqrt(square/float64(len(row)))
		for i, y := range row {
			row[i] = float32(max(0, float64(y)-cut))
		}
	}
}

func meanSquare(row []float32) (sum float64) {
	for _, x := range row {
		sum += float64(x) * float64(x)
	}
	return sum / float64(len(row))
}

func (o *ops) Match(x, like backend.Value, floor float32) {
	for r := range x.Rows() {
		row := val(x).row(r)
		by := math.Sqrt(meanSquare(val(like).row(r)) / max(float64(floor), meanSquare(row)))
		for i := range row {
			row[i] = float32(float64(row[i]) * by)
		}
	}
}

func (o *ops) Join(parts ...backend.Value) backend.Value {
	width := 0
	for _, p := range parts {
		width += p.Width()
	}
	out := newValue(parts[0].Rows(), width)
	for r := range out.rows {
		row := out.row(r)
		for _, p := range parts {
			row = row[copy(row, val(p).row(r)):]
		}
	}
	return out
}

func (o *ops) SplitHeads(x backend.Value, heads, from, to int) backend.Value {
	dim := x.Width() / heads
	out := newValue(x.Rows(), heads*(to-from))
	for r := range out.rows {
		for h := range heads {
			copy(out.row(r)[h*(to-from):], val(x).row(r)[h*dim+from:h*dim+to])
		}
	}
	return out
}

func (o *ops) MixExperts(dst, x backend.Value, m backend.Experts) {
	in, out := val(x), val(dst)
	asked := in
	if m.RouterInput != nil {
		asked = val(m.RouterInput)
	}
	gate, up, down, router := m.Gate.(*weight), m.Up.(*weight), m.Down.(*weight), m.Router.(*weight)
	ff, width := gate.rows/m.Count, in.width
	for r := range in.rows {
		logit := make([]float64, m.Count)
		for e := range logit {
			logit[e] = dot(asked.row(r), router.row(e))
			if m.RouterBias != nil {
				logit[e] += float64(vec(m.RouterBias)[e])
			}
		}
		chosen, p := route(logit, m)
		y := make([]float64, width)
		for i, e := range chosen {
			x, share := in.row(r), p[i]
			if m.WeighInput {
				x, share = scaled(x, float32(p[i])), 1
			}
			h := make([]float32, ff)
			for j := range h {
				g := dot(x, gate.row(e*ff+j)) + expertBias(m.GateBias, e, ff, j)
				u := dot(x, up.row(e*ff+j)) + expertBias(m.UpBias, e, ff, j)
				if c := m.Clamped; c != nil {
					limit := float64(c.Limit)
					g, u = min(g, limit), max(-limit, min(u, limit))
					h[j] = float32(g / (1 + math.Exp(-float64(c.Alpha)*g)) * (u + 1))
					continue
				}
				h[j] = float32(activate(g, m.Act) * u)
			}
			for j := range y {
				y[j] += share * (dot(h, down.row(e*width+j)) + expertBias(m.DownBias, e, width, j))
			}
		}
		for j := range y {
			out.row(r)[j] += float32(y[j])
		}
	}
}

// route gives the experts of a row, best first, and their shares.
func route(logit []float64, m backend.Experts) (chosen []int, shares []float64) {
	top := slices.Max(logit)
	p, choice := make([]float64, m.Count), make([]float64, m.Count)
	var all float64
	for e, x := range logit {
		p[e], choice[e] = math.Exp(x-top), x
		if m.Sigmoid {
			p[e] = 1 / (1 + math.Exp(-x))
		}
		all += p[e]
		if m.Selection != nil {
			choice[e] = p[e] + float64(vec(m.Selection)[e])
		}
		chosen = append(chosen, e)
	}
	if m.Groups > 1 {
		closeGroups(choice, m)
	}
	sort.SliceStable(chosen, func(i, j int) bool { return choice[chosen[i]] > choice[chosen[j]] })
	chosen = chosen[:m.Used]
	if m.Sigmoid {
		all = 1
	}
	if m.NormaliseTop {
		all = 0
		for _, e := range chosen {
			all += p[e]
		}
		all += float64(m.Least)
	}
	for _, e := range chosen {
		share := p[e] / all
		if m.Scale != 0 {
			share *= float64(m.Scale)
		}
		if m.ShareScales != nil {
			share *= float64(vec(m.ShareScales)[e])
		}
		shares = append(shares, share)
	}
	return chosen, shares
}

// closeGroups leaves the choice to the used groups.
func closeGroups(choice []float64, m backend.Experts) {
	size := m.Count / m.Groups
	order, best := make([]int, m.Groups), make([]float64, m.Groups)
	for g := range order {
		top := slices.Clone(choice[g*size:][:size])
		slices.Sort(top)
		order[g], best[g] = g, top[size-1]
		if !m.GroupsByBest {
			best[g] += top[size-2]
		}
	}
	sort.SliceStable(order, func(i, j int) bool { return best[order[i]] > best[order[j]] })
	for _, g := range order[m.UsedGroups:] {
		for e := range size {
			choice[g*size+e] = math.Inf(-1)
		}
	}
}

func scaled(x []float32, by float32) []float32 {
	y := make([]float32, len(x))
	for i := range x {
		y[i] = x[i] * by
	}
	return y
}

func expertBias(w backend.Weight, e, rows, j int) float64 {
	if w == nil {
		return 0
	}
	return float64(vec(w)[e*rows+j])
}

func (o *ops) Keep(x backend.Value) backend.Value { return x }
func (o *ops) EndLayer()                          {}
func (o *ops) Read(x backend.Value) []float32     { return val(x).x }

func (o *ops) Flush() error {
	o.c.n = o.first + o.n
	o.c.states.Commit(o.c.n)
	return nil
}
