package vulkan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"headprof/runner/backend"
	"headprof/runner/plain"
	"headprof/runner/tensor"
)

// random gives n standard normal numbers.
func random(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// f32Tensor stores numbers as an F32 tensor.
func f32Tensor(name string, x []float32, shape ...int) tensor.Tensor {
	data := make([]byte, 4*len(x))
	for i, v := range x {
		b := math.Float32bits(v)
		data[4*i], data[4*i+1], data[4*i+2], data[4*i+3] = byte(b), byte(b>>8), byte(b>>16), byte(b>>24)
	}
	return tensor.Tensor{Name: name, Type: tensor.F32, Shape: shape, Data: data}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// layerShape is a small transformer layer with every kind of operation.
type layerShape struct {
	width, heads, kvHeads, dim, valueDim, ff int
	window                                   int
	softCap                                  float32
	act                                      backend.Activation
	interleaved                              bool
	bias, layerNorm                          bool
	rope                                     int
}

var shapes = map[string]layerShape{
	"llama":  {width: 96, heads: 9, kvHeads: 3, dim: 64, valueDim: 64, ff: 160, interleaved: true, rope: 64},
	"gemma":  {width: 128, heads: 4, kvHeads: 1, dim: 256, valueDim: 256, ff: 96, window: 70, act: backend.GELUTanh, rope: 256},
	"capped": {width: 80, heads: 4, kvHeads: 2, dim: 32, valueDim: 48, ff: 72, window: 9, softCap: 3, act: backend.GELUErf, rope: 16, bias: true},
	"odd":    {width: 40, heads: 2, kvHeads: 2, dim: 10, valueDim: 6, ff: 33, rope: 6, bias: true, layerNorm: true, interleaved: true},
}

type layerWeights struct {
	embed, norm, normBias, headNorm, q, k, v, o, gate, up, down, qb, ob tensor.Tensor
}

const vocabulary = 50

func makeLayer(s layerShape) layerWeights {
	rng := rand.New(rand.NewPCG(7, uint64(s.width)))
	matrix := func(name string, rows, cols int) tensor.Tensor {
		x := random(rng, rows*cols)
		for i := range x {
			x[i] *= float32(1.5 / math.Sqrt(float64(cols)))
		}
		return f32Tensor(name, x, rows, cols)
	}
	return layerWeights{
		embed: matrix("embed", vocabulary, s.width), norm: f32Tensor("norm", random(rng, s.width), s.width),
		normBias: f32Tensor("normbias", random(rng, s.width), s.width), headNorm: f32Tensor("headnorm", random(rng, s.dim), s.dim),
		q: matrix("q", s.heads*s.dim, s.width), k: matrix("k", s.kvHeads*s.dim, s.width), v: matrix("v", s.kvHeads*s.valueDim, s.width),
		o: matrix("o", s.width, s.heads*s.valueDim), gate: matrix("gate", s.ff, s.width), up: matrix("up", s.ff, s.width), down: matrix("down", s.width, s.ff),
		qb: f32Tensor("qb", random(rng, s.heads*s.dim), s.heads*s.dim), ob: f32Tensor("ob", random(rng, s.width), s.width),
	}
}

// layer is a model of two such layers bound to a backend.
type layer struct {
	b                                                           backend.Backend
	s                                                           layerShape
	embed, norm, normBias, headNorm, q, k, v, o, gate, up, down backend.Weight
	qb, ob                                                      backend.Weight
	freq                                                        []float32
}

func bindLayer(b backend.Backend, s layerShape) *layer {
	w := makeLayer(s)
	of := func(t tensor.Tensor) backend.Weight { return must(b.Weight(t)) }
	l := &layer{b: b, s: s, embed: of(w.embed), norm: of(w.norm), headNorm: of(w.headNorm), q: of(w.q), k: of(w.k), v: of(w.v), o: of(w.o), gate: of(w.gate), up: of(w.up), down: of(w.down)}
	if s.bias {
		l.qb, l.ob = of(w.qb), of(w.ob)
	}
	if s.layerNorm {
		l.normBias = of(w.normBias)
	}
	for i := range s.rope / 2 {
		l.freq = append(l.freq, float32(math.Pow(1000, -2*float64(i)/float64(s.rope))))
	}
	return l
}

func (l *layer) cache(kv backend.KVType) backend.Cache {
	shape := backend.CacheLayer{KVHeads: l.s.kvHeads, HeadDim: l.s.dim, ValueDim: l.s.valueDim}
	return must(l.b.NewCache([]backend.CacheLayer{shape, shape}, kv, 0))
}

// step runs ids through the layers and gives the final states of all rows.
func (l *layer) step(c backend.Cache, ids []int32, watch *backend.Watch) []float32 {
	o := must(l.b.Begin(c, len(ids), watch))
	out := append([]float32(nil), l.forward(o, ids)...)
	if err := o.Flush(); err != nil {
		panic(err)
	}
	return out
}

// forward runs the step's equations.
func (l *layer) forward(o backend.Ops, ids []int32) []float32 {
	n := backend.Norm{Weight: l.norm, Bias: l.normBias, Eps: 1e-5, Mean: l.s.layerNorm}
	rope := backend.Rope{InvFreq: l.freq, Dims: l.s.rope, Interleaved: l.s.interleaved, Scale: 1.1}
	x := o.Keep(o.Embed(l.embed, ids, 2))
	for i := range 2 {
		h := o.Norm(x, n)
		q, k, v := o.Linear(h, l.q, l.qb), o.Linear(h, l.k, nil), o.Linear(h, l.v, nil)
		o.HeadNorm(q, l.s.heads, backend.Norm{Weight: l.headNorm, Eps: 1e-6})
		o.Rope(q, l.s.heads, rope)
		o.Rope(k, l.s.kvHeads, rope)
		o.Store(i, k, v)
		a := backend.Attention{Layer: i, Heads: l.s.heads, KVHeads: l.s.kvHeads, HeadDim: l.s.dim, ValueDim: l.s.valueDim,
			Scale: float32(1 / math.Sqrt(float64(l.s.dim))), Window: l.s.window * i, SoftCap: l.s.softCap}
		o.AddLinear(x, o.Attend(q, a, nil), l.o, l.ob, 0.75)
		h = o.Norm(x, n)
		h = o.Gate(o.Linear(h, l.gate, nil), o.Linear(h, l.up, nil), l.s.act)
		o.AddLinear(x, h, l.down, nil, 1)
		o.EndLayer()
	}
	return o.Read(x)
}

func tokens(n int) []int32 {
	rng := rand.New(rand.NewPCG(1, 2))
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = rng.Int32N(vocabulary)
	}
	return ids
}

func near(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	for i := range got {
		if d := math.Abs(float64(got[i] - want[i])); !(d <= tolerance*(1+math.Abs(float64(want[i])))) {
			t.Fatalf("%s: element %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// watchInto records watched rows under "layer head position first".
func watchInto(m map[string][]float32, mu *sync.Mutex, rows ...int) *backend.Watch {
	if mu == nil {
		mu = new(sync.Mutex)
	}
	return &backend.Watch{Rows: rows, Deliver: func(r backend.Row) {
		mu.Lock()
		defer mu.Unlock()
		m[fmt.Sprint(r.Layer, r.Head, r.Position, r.First)] = append([]float32(nil), r.Weights...)
	}}
}

func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: element %d is %v (%08x), want %v (%08x)", what, i, got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
}

// Layers agree with the plain backend, which is float64 loops beside the equations.
func TestLayersAgreeWithPlain(t *testing.T) {
	b := onDevice(t, Options{})
	for name, s := range shapes {
		for _, kv := range []backend.KVType{backend.KVF32, backend.KVF16} {
			t.Run(fmt.Sprintf("%s/%d", name, kv), func(t *testing.T) {
				ids := tokens(50)
				p := bindLayer(plain.New(), s)
				rows, mine := map[string][]float32{}, map[string][]float32{}
				want := p.step(p.cache(kv), ids, watchInto(rows, nil, 3, 49))
				l := bindLayer(b, s)
				c := l.cache(kv)
				defer c.Close()
				got := l.step(c, ids, watchInto(mine, nil, 3, 49))
				near(t, "states", got, want, 2e-3)
				if len(mine) != len(rows) {
					t.Fatalf("%d watched rows, want %d", len(mine), len(rows))
				}
				for key, w := range rows {
					near(t, key, mine[key], w, 2e-4)
				}
			})
		}
	}
}
