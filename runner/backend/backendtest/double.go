package backendtest

import (
	"fmt"
	"math"
	"sort"

	"headprof/runner/backend"
	"headprof/runner/shape"
	"headprof/runner/tensor"
)

// Double is a backend that computes all of one step in float64, one element
// after the other: slow, and exact enough for finite differences. It has one
// sequence at a time and no watch.
type Double struct {
	// Gate multiplies a head's output, before the output projection; nil: 1.
	Gate func(layer, head int) float64
}

// DoubleValue is a Double's value, [rows × width].
type DoubleValue struct {
	rows, width int
	X           []float64
}

// Rows and Width implement backend.Value.
func (v *DoubleValue) Rows() int           { return v.rows }
func (v *DoubleValue) Width() int          { return v.width }
func (v *DoubleValue) row(i int) []float64 { return v.X[i*v.width:][:v.width] }

// NewDouble makes a value of float32 elements.
func NewDouble(rows, width int, x []float32) *DoubleValue {
	v := zeros(rows, width)
	for i := range v.X {
		v.X[i] = float64(x[i])
	}
	return v
}

func zeros(rows, width int) *DoubleValue {
	return &DoubleValue{rows, width, make([]float64, rows*width)}
}

type doubleWeight struct {
	rows, cols int
	w          []float32
}

func (w *doubleWeight) Rows() int           { return w.rows }
func (w *doubleWeight) Cols() int           { return w.cols }
func (w *doubleWeight) row(i int) []float32 { return w.w[i*w.cols:][:w.cols] }

func (w *doubleWeight) part(e, rows int) *doubleWeight {
	return &doubleWeight{rows, w.cols, w.w[e*rows*w.cols:]}
}

// Name implements backend.Backend.
func (*Double) Name() string { return "double" }

// Close implements backend.Backend.
func (*Double) Close() {}

// Weight implements backend.Backend.
func (*Double) Weight(t tensor.Tensor) (backend.Weight, error) {
	w := &doubleWeight{t.Rows(), t.Cols(), make([]float32, t.Rows()*t.Cols())}
	tensor.Dequantize(w.w, t.Data, t.Type)
	return w, nil
}

type doubleCache struct {
	backend.Cache
	k, v map[int]*DoubleValue
}

// NewCache implements backend.Backend.
func (*Double) NewCache([]shape.Layer, backend.KVType, int) (backend.Cache, error) {
	return &doubleCache{k: map[int]*DoubleValue{}, v: map[int]*DoubleValue{}}, nil
}

// Begin implements backend.Backend.
func (d *Double) Begin(c backend.Cache, _ int, _ *backend.Watch) (backend.Ops, error) {
	cache, ok := c.(*doubleCache)
	if !ok {
		return nil, fmt.Errorf("a cache of type %T belongs to another backend", c)
	}
	return &double{b: d, c: cache}, nil
}

type double struct {
	backend.Recurrence // nil: it has none
	b                  *Double
	c                  *doubleCache
}

func vec(w backend.Weight) []float32 {
	if w == nil {
		return nil
	}
	return w.(*doubleWeight).w
}

func (o *double) Position(row int) int               { return row }
func (o *double) Keep(x backend.Value) backend.Value { return x }
func (o *double) EndLayer()                          {}
func (o *double) Flush() error                       { return nil }

func (o *double) Read(x backend.Value) []float32 {
	v := x.(*DoubleValue)
	out := make([]float32, len(v.X))
	for i, e := range v.X {
		out[i] = float32(e)
	}
	return out
}

func (o *double) Embed(table backend.Weight, ids []int32, scale float32) backend.Value {
	t := table.(*doubleWeight)
	y := zeros(len(ids), t.cols)
	for i, id := range ids {
		for j, x := range t.row(int(id)) {
			y.row(i)[j] = float64(x) * float64(scale)
		}
	}
	return y
}

func doubleNorm(dst, x []float64, w, b []float32, n backend.Norm) {
	var mean, squares float64
	for _, v := range x {
		mean += v / float64(len(x))
	}
	if !n.Mean {
		mean = 0
	}
	for _, v := range x {
		squares += (v - mean) * (v - mean) / float64(len(x))
	}
	inv := 1 / math.Sqrt(squares+float64(n.Eps))
	for j, v := range x {
		y := (v - mean) * inv
		if w != nil {
			y *= float64(w[j])
		}
		if b != nil {
			y += float64(b[j])
		}
		dst[j] = y
	}
}

func (o *double) Norm(x backend.Value, n backend.Norm) backend.Value {
	v := x.(*DoubleValue)
	y := zeros(v.rows, v.width)
	for i := range v.rows {
		doubleNorm(y.row(i), v.row(i), vec(n.Weight), vec(n.Bias), n)
	}
	return y
}

func (o *double) HeadNorm(x backend.Value, heads int, n backend.Norm) {
	v := x.(*DoubleValue)
	dim := v.width / heads
	part := func(w []float32, h int) []float32 {
		if len(w) > dim {
			return w[h*dim:]
		}
		return w
	}
	for i := range v.rows {
		for h := range heads {
			r := v.row(i)[h*dim:][:dim]
			doubleNorm(r, append([]float64(nil), r...), part(vec(n.Weight), h), part(vec(n.Bias), h), n)
		}
	}
}

func times(x []float64, w *doubleWeight, r int) (sum float64) {
	for j, v := range w.row(r) {
		sum += x[j] * float64(v)
	}
	return sum
}

func (o *double) Linear(x backend.Value, w, bias backend.Weight) backend.Value {
	y := zeros(x.Rows(), w.Rows())
	o.AddLinear(y, x, w, bias, 1)
	return y
}

func (o *double) AddLinear(dst, x backend.Value, w, bias backend.Weight, scale float32) {
	m, d, v := w.(*doubleWeight), dst.(*DoubleValue), x.(*DoubleValue)
	b := vec(bias)
	for i := range v.rows {
		for r := range m.rows {
			sum := times(v.row(i), m, r)
			if b != nil {
				sum += float64(b[r])
			}
			d.row(i)[r] += sum * float64(scale)
		}
	}
}

func (o *double) Rope(x backend.Value, heads int, r backend.Rope) {
	v := x.(*DoubleValue)
	dim, half := v.width/heads, r.Dims/2
	for i := range v.rows {
		for h := range heads {
			p := v.row(i)[h*dim:]
			for j := range min(half, len(r.InvFreq)) {
				sin, cos := math.Sincos(float64(i) * float64(r.InvFreq[j]))
				sin, cos = sin*float64(r.Scale), cos*float64(r.Scale)
				a, b := j, j+half
				if r.Interleaved {
					a, b = 2*j, 2*j+1
				}
				p[a], p[b] = p[a]*cos-p[b]*sin, p[b]*cos+p[a]*sin
			}
		}
	}
}

func (o *double) Store(layer int, k, v backend.Value) {
	o.c.k[layer], o.c.v[layer] = k.(*DoubleValue), v.(*DoubleValue)
}

func (o *double) Attend(q backend.Value, a backend.Attention, rows []int) backend.Value {
	in, k, v := q.(*DoubleValue), o.c.k[a.Layer], o.c.v[a.Layer]
	if rows == nil {
		for i := range in.rows {
			rows = append(rows, i)
		}
	}
	out := zeros(len(rows), a.Heads*a.ValueDim)
	for i, at := range rows {
		for h := range a.Heads {
			kv := h / (a.Heads / a.KVHeads)
			first := 0
			if a.Window > 0 {
				first = max(0, at-a.Window+1)
			}
			if a.Chunk > 0 {
				first = at / a.Chunk * a.Chunk
			}
			scale := float64(a.Scale) * float64(a.Temperature.Factor(at))
			weights, sum := make([]float64, at+1), 0.0
			if a.Sinks != nil {
				sum = math.Exp(float64(vec(a.Sinks)[h]))
			}
			for j := first; j <= at; j++ {
				s := 0.0
				for d := range a.KeyDim {
					s += in.row(at)[h*a.KeyDim+d] * k.row(j)[kv*a.KeyDim+d]
				}
				if s *= scale; a.SoftCap > 0 {
					s = float64(a.SoftCap) * math.Tanh(s/float64(a.SoftCap))
				}
				weights[j] = math.Exp(s)
				sum += weights[j]
			}
			gate := 1.0
			if o.b.Gate != nil {
				gate = o.b.Gate(a.Layer, h)
			}
			for j := first; j <= at; j++ {
				for d := range a.ValueDim {
					out.row(i)[h*a.ValueDim+d] += gate * weights[j] / sum * v.row(j)[kv*a.ValueDim+d]
				}
			}
		}
	}
	return out
}

func doubleActivation(x float64, act backend.Activation) float64 {
	switch act {
	case backend.GELUTanh:
		return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	case backend.GELUErf:
		return 0.5 * x * (1 + math.Erf(x/math.Sqrt2))
	case backend.Sigmoid:
		return 1 / (1 + math.Exp(-x))
	}
	return x / (1 + math.Exp(-x))
}

func (o *double) Gate(gate, up backend.Value, act backend.Activation) backend.Value {
	g := gate.(*DoubleValue)
	y := zeros(g.rows, g.width)
	if up != nil {
		y = zeros(g.rows, up.Width())
	}
	for i := range y.rows {
		for j := range y.width {
			at := j
			if g.width == 1 {
				at = 0
			}
			y.row(i)[j] = doubleActivation(g.row(i)[at], act)
			if up != nil {
				y.row(i)[j] *= up.(*DoubleValue).row(i)[j]
			}
		}
	}
	return y
}

func (o *double) Add(dst, src backend.Value) {
	for i, x := range src.(*DoubleValue).X {
		dst.(*DoubleValue).X[i] += x
	}
}

func (o *double) Scale(x backend.Value, s float32) {
	for i := range x.(*DoubleValue).X {
		x.(*DoubleValue).X[i] *= float64(s)
	}
}

func (o *double) SoftCap(x backend.Value, limit float32) {
	for i, v := range x.(*DoubleValue).X {
		x.(*DoubleValue).X[i] = float64(limit) * math.Tanh(v/float64(limit))
	}
}

func (o *double) Gather(x backend.Value, rows []int) backend.Value {
	y := zeros(len(rows), x.Width())
	for i, r := range rows {
		copy(y.row(i), x.(*DoubleValue).row(r))
	}
	return y
}

func (o *double) Split(x backend.Value, from, to int) backend.Value {
	y := zeros(x.Rows(), to-from)
	for i := range y.rows {
		copy(y.row(i), x.(*DoubleValue).row(i)[from:to])
	}
	return y
}

func (o *double) HeadLinear(backend.Value, int, int, backend.Weight) backend.Value {
	panic("not computed in float64")
}

// Above and Match are of families without gradients, which this backend is for.
func (o *double) Above(backend.Value, float32)        { panic("not computed in float64") }
func (o *double) Match(_, _ backend.Value, _ float32) { panic("not computed in float64") }

func (o *double) Join(parts ...backend.Value) backend.Value {
	width := 0
	for _, p := range parts {
		width += p.Width()
	}
	y := zeros(parts[0].Rows(), width)
	for i := range y.rows {
		row := y.row(i)
		for _, p := range parts {
			row = row[copy(row, p.(*DoubleValue).row(i)):]
		}
	}
	return y
}

func (o *double) SplitHeads(x backend.Value, heads, from, to int) backend.Value {
	y, dim := zeros(x.Rows(), heads*(to-from)), x.Width()/heads
	for i := range y.rows {
		for h := range heads {
			copy(y.row(i)[h*(to-from):], x.(*DoubleValue).row(i)[h*dim+from:h*dim+to])
		}
	}
	return y
}

// leaveGroups rules out the experts of all groups but the best, by the sum of
// the two largest.
func leaveGroups(by []float64, m backend.Experts) {
	size := m.Count / m.Groups
	sum := func(g int) float64 {
		s := append([]float64(nil), by[g*size:(g+1)*size]...)
		sort.Float64s(s)
		return s[size-1] + s[size-2]
	}
	sums, order := make([]float64, m.Groups), make([]int, m.Groups)
	for g := range sums {
		sums[g], order[g] = sum(g), g
	}
	sort.SliceStable(order, func(a, b int) bool { return sums[order[a]] > sums[order[b]] })
	for _, g := range order[m.UsedGroups:] {
		for e := range size {
			by[g*size+e] = math.Inf(-1)
		}
	}
}

func (o *double) MixExperts(dst, x backend.Value, m backend.Experts) {
	d, in := dst.(*DoubleValue), x.(*DoubleValue)
	asked := x
	if m.RouterInput != nil {
		asked = m.RouterInput
	}
	logits := o.Linear(asked, m.Router, m.RouterBias).(*DoubleValue)
	for i := range in.rows {
		share := make([]float64, m.Count)
		by := make([]float64, m.Count)
		order := make([]int, m.Count)
		var all float64
		for e, l := range logits.row(i) {
			share[e], order[e] = math.Exp(l), e
			if m.Sigmoid {
				share[e] = 1 / (1 + math.Exp(-l))
			}
			all += share[e]
			by[e] = share[e]
			if m.Selection != nil {
				by[e] += float64(vec(m.Selection)[e])
			}
		}
		if m.Groups > 1 {
			leaveGroups(by, m)
		}
		sort.SliceStable(order, func(a, b int) bool { return by[order[a]] > by[order[b]] })
		order = order[:m.Used]
		if m.Sigmoid {
			all = 1
		}
		if m.NormaliseTop {
			all = 0
			for _, e := range order {
				all += share[e]
			}
		}
		for _, e := range order {
			p := share[e] / all
			if m.Scale != 0 {
				p *= float64(m.Scale)
			}
			if m.ShareScales != nil {
				p *= float64(vec(m.ShareScales)[e])
			}
			h := zeros(1, in.width)
			copy(h.X, in.row(i))
			if m.WeighInput {
				for j := range h.X {
					h.X[j] *= p
				}
				p = 1
			}
			project := func(x *DoubleValue, w, bias backend.Weight) *DoubleValue {
				rows := w.Rows() / m.Count
				var b backend.Weight
				if bias != nil {
					b = &doubleWeight{1, rows, vec(bias)[e*rows:][:rows]}
				}
				return o.Linear(x, w.(*doubleWeight).part(e, rows), b).(*DoubleValue)
			}
			g, u := project(h, m.Gate, m.GateBias), project(h, m.Up, m.UpBias)
			for j := range g.X {
				if c := m.Clamped; c != nil {
					v := math.Min(g.X[j], float64(c.Limit))
					g.X[j] = v / (1 + math.Exp(-float64(c.Alpha)*v)) * (math.Max(-float64(c.Limit), math.Min(u.X[j], float64(c.Limit))) + 1)
				} else {
					g.X[j] = doubleActivation(g.X[j], m.Act) * u.X[j]
				}
			}
			for j, y := range project(g, m.Down, m.DownBias).X {
				d.row(i)[j] += p * y
			}
		}
	}
}
