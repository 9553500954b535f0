// Package backendtest holds what the tests of all backends share: a small
// transformer layer with every kind of operation, and comparisons.
package backendtest

import (
	"math"
	"math/rand/v2"

	"headprof/runner/backend"
	"headprof/runner/shape"
	"headprof/runner/tensor"
)

// Random gives n standard normal numbers.
func Random(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// F32Tensor stores numbers as an F32 tensor.
func F32Tensor(name string, x []float32, shape ...int) tensor.Tensor {
	data := make([]byte, 4*len(x))
	for i, v := range x {
		b := math.Float32bits(v)
		data[4*i], data[4*i+1], data[4*i+2], data[4*i+3] = byte(b), byte(b>>8), byte(b>>16), byte(b>>24)
	}
	return tensor.Tensor{Name: name, Type: tensor.F32, Shape: shape, Data: data}
}

// Must panics on an error.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Shape is that of a layer.
type Shape struct {
	Width, Heads, KVHeads, Dim, ValueDim, FF int
	Window                                   int
	SoftCap                                  float32
	Act                                      backend.Activation
	Interleaved                              bool
	Bias, LayerNorm                          bool
	Rope                                     int
}

// Shapes are layers like those of families, and an odd one.
var Shapes = map[string]Shape{
	"llama":  {Width: 96, Heads: 9, KVHeads: 3, Dim: 64, ValueDim: 64, FF: 160, Interleaved: true, Rope: 64},
	"gemma":  {Width: 128, Heads: 4, KVHeads: 1, Dim: 256, ValueDim: 256, FF: 96, Window: 70, Act: backend.GELUTanh, Rope: 256},
	"capped": {Width: 80, Heads: 4, KVHeads: 2, Dim: 32, ValueDim: 48, FF: 72, Window: 9, SoftCap: 3, Act: backend.GELUErf, Rope: 16, Bias: true},
	"odd":    {Width: 40, Heads: 2, KVHeads: 2, Dim: 10, ValueDim: 6, FF: 33, Rope: 6, Bias: true, LayerNorm: true, Interleaved: true},
}

type layerWeights struct {
	embed, norm, normBias, headNorm, q, k, v, o, gate, up, down, qb, ob tensor.Tensor
}

// Vocabulary is the number of token ids.
const Vocabulary = 50

func makeWeights(s Shape) layerWeights {
	rng := rand.New(rand.NewPCG(7, uint64(s.Width)))
	matrix := func(name string, rows, cols int) tensor.Tensor {
		x := Random(rng, rows*cols)
		for i := range x {
			x[i] *= float32(1.5 / math.Sqrt(float64(cols)))
		}
		return F32Tensor(name, x, rows, cols)
	}
	return layerWeights{
		embed: matrix("embed", Vocabulary, s.Width), norm: F32Tensor("norm", Random(rng, s.Width), s.Width),
		normBias: F32Tensor("normbias", Random(rng, s.Width), s.Width), headNorm: F32Tensor("headnorm", Random(rng, s.Dim), s.Dim),
		q: matrix("q", s.Heads*s.Dim, s.Width), k: matrix("k", s.KVHeads*s.Dim, s.Width), v: matrix("v", s.KVHeads*s.ValueDim, s.Width),
		o: matrix("o", s.Width, s.Heads*s.ValueDim), gate: matrix("gate", s.FF, s.Width), up: matrix("up", s.FF, s.Width), down: matrix("down", s.Width, s.FF),
		qb: F32Tensor("qb", Random(rng, s.Heads*s.Dim), s.Heads*s.Dim), ob: F32Tensor("ob", Random(rng, s.Width), s.Width),
	}
}

// Layer is a model of two equal layers bound to a backend.
type Layer struct {
	Backend                                                     backend.Backend
	Shape                                                       Shape
	Embed, Norm, NormBias, HeadNorm, Q, K, V, O, Gate, Up, Down backend.Weight
	QB, OB                                                      backend.Weight
	freq                                                        []float32
}

// Bind makes such a layer's weights, always the same, on a backend.
func Bind(b backend.Backend, s Shape) *Layer {
	w := makeWeights(s)
	of := func(t tensor.Tensor) backend.Weight { return Must(b.Weight(t)) }
	l := &Layer{Backend: b, Shape: s, Embed: of(w.embed), Norm: of(w.norm), HeadNorm: of(w.headNorm), Q: of(w.q), K: of(w.k), V: of(w.v), O: of(w.o), Gate: of(w.gate), Up: of(w.up), Down: of(w.down)}
	if s.Bias {
		l.QB, l.OB = of(w.qb), of(w.ob)
	}
	if s.LayerNorm {
		l.NormBias = of(w.normBias)
	}
	for i := range s.Rope / 2 {
		l.freq = append(l.freq, float32(math.Pow(1000, -2*float64(i)/float64(s.Rope))))
	}
	return l
}

// Cache makes an empty cache for both layers.
func (l *Layer) Cache(kv backend.KVType) backend.Cache {
	one := shape.Layer{KVHeads: l.Shape.KVHeads, KeyDim: l.Shape.Dim, ValueDim: l.Shape.ValueDim}
	return Must(l.Backend.NewCache([]shape.Layer{one, one}, kv, 0))
}

// Step runs ids through the layers and gives the final states of all rows.
func (l *Layer) Step(c backend.Cache, ids []int32, watch *backend.Watch) []float32 {
	o := Must(l.Backend.Begin(c, len(ids), watch))
	out := append([]float32(nil), l.Forward(o, ids)...)
	if err := o.Flush(); err != nil {
		panic(err)
	}
	return out
}

// Forward runs the step's equations.
func (l *Layer) Forward(o backend.Ops, ids []int32) []float32 {
	n := backend.Norm{Weight: l.Norm, Bias: l.NormBias, Eps: 1e-5, Mean: l.Shape.LayerNorm}
	rope := backend.Rope{InvFreq: l.freq, Dims: l.Shape.Rope, Interleaved: l.Shape.Interleaved, Scale: 1.1}
	x := o.Keep(o.Embed(l.Embed, ids, 2))
	for i := range 2 {
		h := o.Norm(x, n)
		q, k, v := o.Linear(h, l.Q, l.QB), o.Linear(h, l.K, nil), o.Linear(h, l.V, nil)
		o.HeadNorm(q, l.Shape.Heads, backend.Norm{Weight: l.HeadNorm, Eps: 1e-6})
		o.Rope(q, l.Shape.Heads, rope)
		o.Rope(k, l.Shape.KVHeads, rope)
		o.Store(i, k, v)
		a := backend.Attention{Layer: i, Heads: l.Shape.Heads, KVHeads: l.Shape.KVHeads, KeyDim: l.Shape.Dim, ValueDim: l.Shape.ValueDim,
			Scale: float32(1 / math.Sqrt(float64(l.Shape.Dim))), Window: l.Shape.Window * i, SoftCap: l.Shape.SoftCap}
		o.AddLinear(x, o.Attend(q, a, nil), l.O, l.OB, 0.75)
		h = o.Norm(x, n)
		h = o.Gate(o.Linear(h, l.Gate, nil), o.Linear(h, l.Up, nil), l.Shape.Act)
		o.AddLinear(x, h, l.Down, nil, 1)
		o.EndLayer()
	}
	return o.Read(x)
}

// Tokens gives n token ids, always the same.
func Tokens(n int) []int32 {
	rng := rand.New(rand.NewPCG(1, 2))
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = rng.Int32N(Vocabulary)
	}
	return ids
}
