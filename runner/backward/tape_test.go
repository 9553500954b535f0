package backward

import (
	"math"
	"math/rand/v2"
	"testing"

	"headprof/runner/backend"
	"headprof/runner/backend/backendtest"
	"headprof/runner/cpu"
	"headprof/runner/shape"
)

const (
	rows, width         = 7, 48
	heads, kvHeads, dim = 4, 2, 6 // of the attention: (4 + 2·2)·6 = 48
)

// weights makes the tensors of a backend, the same for every backend.
type weights struct {
	b   backend.Backend
	rng *rand.Rand
}

func (w weights) of(shape ...int) backend.Weight {
	n := 1
	for _, s := range shape {
		n *= s
	}
	x := backendtest.Random(w.rng, n)
	for i := range x {
		x[i] *= float32(1.5 / math.Sqrt(float64(shape[len(shape)-1])))
	}
	return backendtest.Must(w.b.Weight(backendtest.F32Tensor("w", x, shape...)))
}

func attention(a backend.Attention, rows []int, sinks bool) func(weights, backend.Ops, backend.Value) backend.Value {
	return func(w weights, o backend.Ops, x backend.Value) backend.Value {
		a.Heads, a.KVHeads, a.KeyDim, a.ValueDim, a.Scale = heads, kvHeads, dim, dim, 0.7
		if sinks {
			a.Sinks = w.of(1, heads)
		}
		q, k, v := o.Split(x, 0, heads*dim), o.Split(x, heads*dim, (heads+kvHeads)*dim), o.Split(x, (heads+kvHeads)*dim, width)
		o.Store(0, k, v)
		return o.Attend(q, a, rows)
	}
}

func mixture(change func(w weights, m *backend.Experts)) func(weights, backend.Ops, backend.Value) backend.Value {
	return func(w weights, o backend.Ops, x backend.Value) backend.Value {
		const ff = 20
		m := backend.Experts{Router: w.of(5, width), Gate: w.of(5, ff, width), Up: w.of(5, ff, width), Down: w.of(5, width, ff), Count: 5, Used: 2}
		change(w, &m)
		y := o.Split(x, 0, width)
		o.MixExperts(y, x, m)
		return y
	}
}

var operations = map[string]func(w weights, o backend.Ops, x backend.Value) backend.Value{
	"RMSNorm": func(w weights, o backend.Ops, x backend.Value) backend.Value {
		return o.Norm(x, backend.Norm{Weight: w.of(1, width), Eps: 1e-3})
	},
	"LayerNorm": func(w weights, o backend.Ops, x backend.Value) backend.Value {
		return o.Norm(x, backend.Norm{Weight: w.of(1, width), Bias: w.of(1, width), Eps: 1e-3, Mean: true})
	},
	"norm without weight": func(_ weights, o backend.Ops, x backend.Value) backend.Value {
		return o.Norm(x, backend.Norm{Eps: 1e-3})
	},
	"HeadNorm": func(w weights, o backend.Ops, x backend.Value) backend.Value {
		o.HeadNorm(x, 8, backend.Norm{Weight: w.of(1, width/8), Eps: 1e-3})
		return x
	},
	"HeadNorm, a weight per head": func(w weights, o backend.Ops, x backend.Value) backend.Value {
		o.HeadNorm(x, 8, backend.Norm{Weight: w.of(1, width), Eps: 1e-3, Mean: true})
		return x
	},
	"Linear": func(w weights, o backend.Ops, x backend.Value) backend.Value {
		return o.Linear(x, w.of(37, width), w.of(1, 37))
	},
	"wide Linear": func(w weights, o backend.Ops, x backend.Value) backend.Value {
		return o.Linear(o.Linear(x, w.of(300, width), nil), w.of(3, 300), nil)
	},
	"AddLinear": func(w weights, o backend.Ops, x backend.Value) backend.Value {
		h := o.Linear(x, w.of(19, width), nil)
		o.AddLinear(x, h, w.of(width, 19), w.of(1, width), 0.3)
		return x
	},
	"Rope": func(_ weights, o backend.Ops, x backend.Value) backend.Value {
		o.Rope(x, 6, backend.Rope{InvFreq: []float32{1, 0.3, 0.01}, Dims: 6, Scale: 1.4})
		return x
	},
	"Rope, interleaved": func(_ weights, o backend.Ops, x backend.Value) backend.Value {
		o.Rope(x, 6, backend.Rope{InvFreq: []float32{1, 0.3, 0.01}, Dims: 6, Scale: 1, Interleaved: true})
		return x
	},
	"attention":              attention(backend.Attention{}, nil, false),
	"attention, some rows":   attention(backend.Attention{}, []int{1, 4, 6}, false),
	"attention in a window":  attention(backend.Attention{Window: 3}, nil, false),
	"attention with a cap":   attention(backend.Attention{SoftCap: 1.5}, nil, false),
	"attention with sinks":   attention(backend.Attention{Window: 4}, nil, true),
	"attention temperatures": attention(backend.Attention{Temperature: backend.Temperature{Scale: 0.5, Every: 2}}, nil, false),
	"SiLU gate": func(w weights, o backend.Ops, x backend.Value) backend.Value {
		return o.Gate(x, o.Linear(x, w.of(width, width), nil), backend.SiLU)
	},
	"GELU gate": func(w weights, o backend.Ops, x backend.Value) backend.Value {
		return o.Gate(x, o.Linear(x, w.of(width, width), nil), backend.GELUTanh)
	},
	"exact GELU": func(_ weights, o backend.Ops, x backend.Value) backend.Value { return o.Gate(x, nil, backend.GELUErf) },
	"sigmoid of a row": func(w weights, o backend.Ops, x backend.Value) backend.Value {
		return o.Gate(o.Linear(x, w.of(1, width), nil), x, backend.Sigmoid)
	},
	"Scale, SoftCap": func(_ weights, o backend.Ops, x backend.Value) backend.Value {
		o.Scale(x, 1.7)
		o.SoftCap(x, 2)
		return x
	},
	"Add, Gather, Split": func(_ weights, o backend.Ops, x backend.Value) backend.Value {
		y := o.Split(o.Gather(x, []int{3, 0, 3}), 4, 20)
		o.Add(y, o.Split(o.Gather(x, []int{1, 3, 6}), 30, 46))
		return y
	},
	"an input that is written to": func(w weights, o backend.Ops, x backend.Value) backend.Value {
		h := o.Norm(x, backend.Norm{Eps: 1e-3})
		o.AddLinear(x, o.Gate(h, h, backend.SiLU), w.of(width, width), nil, 1)
		o.Add(x, o.Norm(x, backend.Norm{Eps: 1e-3, Mean: true}))
		return x
	},
	"experts":                       mixture(func(weights, *backend.Experts) {}),
	"experts, renormalised":         mixture(func(_ weights, m *backend.Experts) { m.NormaliseTop, m.Act = true, backend.GELUTanh }),
	"experts that a sigmoid weighs": mixture(func(w weights, m *backend.Experts) { m.Sigmoid, m.Selection, m.Scale = true, w.of(1, 5), 2.5 }),
	"sigmoid experts, renormalised": mixture(func(_ weights, m *backend.Experts) { m.Sigmoid, m.NormaliseTop = true, true }),
	"experts with weighed input":    mixture(func(_ weights, m *backend.Experts) { m.Sigmoid, m.WeighInput, m.Used = true, true, 1 }),
	"clamped experts": mixture(func(w weights, m *backend.Experts) {
		m.RouterBias, m.GateBias, m.UpBias, m.DownBias = w.of(1, 5), w.of(5, 20), w.of(5, 20), w.of(5, width)
		m.NormaliseTop, m.Clamped = true, &backend.ClampedSwiGLU{Alpha: 1.702, Limit: 1.1}
	}),
}

// Every operation's vector–Jacobian product is the central difference of the
// operation in float64.
func TestOperationsEqualFiniteDifferences(t *testing.T) {
	b := backendtest.Must(cpu.New(cpu.Options{Threads: 2}))
	defer b.Close()
	twin := &backendtest.Double{}
	layers := []shape.Layer{{Heads: heads, KVHeads: kvHeads, KeyDim: dim, ValueDim: dim}}
	for name, run := range operations {
		t.Run(name, func(t *testing.T) {
			seeded := func(b backend.Backend) weights { return weights{b, rand.New(rand.NewPCG(3, 4))} }
			x := backendtest.Random(rand.New(rand.NewPCG(1, 2)), rows*width)
			loss := func(i int) float64 { return math.Sin(float64(5*i + 1)) }

			o := backendtest.Must(b.Begin(backendtest.Must(b.NewCache(layers, backend.KVF32, rows)), rows, nil))
			tape := New(o.(backend.Differentiator))
			tape.Keys, tape.Values = [][]float32{make([]float32, rows*kvHeads*dim)}, [][]float32{make([]float32, rows*kvHeads*dim)}
			in := tape.Input(rows, width, x)
			y := run(seeded(b), tape, in)
			gradient := make([]float32, y.Rows()*y.Width())
			for i := range gradient {
				gradient[i] = float32(loss(i))
			}
			tape.Back(y, gradient)

			at := func(i int, by float64) (sum float64) {
				v := backendtest.NewDouble(rows, width, x)
				v.X[i] += by
				o := backendtest.Must(twin.Begin(backendtest.Must(twin.NewCache(layers, backend.KVF32, rows)), rows, nil))
				for i, e := range run(seeded(twin), o, v).(*backendtest.DoubleValue).X {
					sum += e * loss(i)
				}
				return sum
			}
			const step = 1e-5
			for i := range x {
				want := (at(i, step) - at(i, -step)) / (2 * step)
				if got := float64(tape.Gradient(in, i/width)[i%width]); !(math.Abs(got-want) <= 1e-3*math.Abs(want)+1e-5) {
					t.Fatalf("by element %d of row %d: %g, want %g", i%width, i/width, got, want)
				}
			}
		})
	}
}
