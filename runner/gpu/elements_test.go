package gpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"headprof/runner/backend"
	"headprof/runner/backend/backendtest"
	"headprof/runner/plain"
	"headprof/runner/shape"
	"headprof/runner/tensor"
)

// table makes an F32 tensor of normal numbers.
func table(rng *rand.Rand, name string, scale float32, rows, cols int) tensor.Tensor {
	x := backendtest.Random(rng, rows*cols)
	for i := range x {
		x[i] *= scale
	}
	return backendtest.F32Tensor(name, x, rows, cols)
}

// The operations that the layers of ops_test.go leave out.
func TestElementsAgreeWithPlain(t *testing.T) { OnEach(t, testElementsAgreeWithPlain) }

func testElementsAgreeWithPlain(t *testing.T) {
	const rows, width = 5, 12
	rng := rand.New(rand.NewPCG(5, 6))
	x, y, one := table(rng, "x", 3, rows, width), table(rng, "y", 1, rows, width), table(rng, "one", 1, rows, 1)
	large := table(rng, "large", 60, rows, width)
	norm, bias := table(rng, "norm", 1, 3, width/3), table(rng, "bias", 1, 1, width)
	run := func(b backend.Backend) (out [][]float32) {
		c := oneLayer(b)
		defer c.Close()
		ids := []int32{0, 1, 2, 3, 4}
		o := backendtest.Must(b.Begin(c, rows, nil))
		get := func(t tensor.Tensor) backend.Value { return o.Embed(backendtest.Must(b.Weight(t)), ids, 1) }
		read := func(v backend.Value) { out = append(out, append([]float32(nil), o.Read(v)...)) }
		for act := backend.SiLU; act <= backend.Sigmoid; act++ {
			read(o.Gate(get(x), get(y), act))
			read(o.Gate(get(large), nil, act))
			read(o.Gate(get(one), get(y), act)) // one weight per row
		}
		v := get(large)
		o.SoftCap(v, 30)
		o.Scale(v, 0.25)
		read(v)
		read(o.Split(v, 3, 7))
		read(o.Gather(v, []int{0, 2, 4}))
		read(o.Norm(v, backend.Norm{Weight: backendtest.Must(b.Weight(bias)), Bias: backendtest.Must(b.Weight(bias)), Eps: 1e-5, Mean: true}))
		o.HeadNorm(v, 3, backend.Norm{Weight: backendtest.Must(b.Weight(norm)), Eps: 1e-6}) // a weight per head
		read(v)
		return out
	}
	got, want := run(onDevice(t, Options{})), run(plain.New())
	for i := range want {
		backendtest.Near(t, fmt.Sprint("result ", i), got[i], want[i], 1e-5)
	}
}

// Mixtures of experts agree with the plain backend, ties to the lower expert,
// stacks bound whole or expert by expert.
func TestExpertsAgreeWithPlain(t *testing.T) { OnEach(t, testExpertsAgreeWithPlain) }

func testExpertsAgreeWithPlain(t *testing.T) {
	const rows, width, ff, count = 6, 32, 20, 5
	rng := rand.New(rand.NewPCG(7, 8))
	x := table(rng, "x", 1, rows, width)
	router := table(rng, "router", 0.3, count, width)
	copy(router.Data[4*width:8*width], router.Data[:4*width]) // experts 0 and 1 always tie
	gate, up, down := table(rng, "gate", 0.2, count*ff, width), table(rng, "up", 0.2, count*ff, width), table(rng, "down", 0.2, count*width, ff)
	run := func(b backend.Backend, apart, top bool) []float32 {
		c := oneLayer(b)
		defer c.Close()
		o := backendtest.Must(b.Begin(c, rows, nil))
		in := o.Embed(backendtest.Must(b.Weight(x)), []int32{0, 1, 2, 3, 4, 5}, 1)
		dst := o.Embed(backendtest.Must(b.Weight(x)), []int32{5, 4, 3, 2, 1, 0}, 1)
		stack := func(t tensor.Tensor) backend.Weight {
			if !apart {
				return backendtest.Must(b.Weight(t))
			}
			var parts []tensor.Tensor
			each := t.Rows() / count
			for e := range count {
				parts = append(parts, tensor.Tensor{Type: t.Type, Shape: []int{each, t.Cols()}, Data: t.Data[e*each*t.RowBytes() : (e+1)*each*t.RowBytes()]})
			}
			return backendtest.Must(b.(backend.Stacker).Stack(parts))
		}
		o.MixExperts(dst, in, backend.Experts{Router: backendtest.Must(b.Weight(router)), Gate: stack(gate), Up: stack(up), Down: stack(down), Count: count, Used: 2, NormaliseTop: top})
		return append([]float32(nil), o.Read(dst)...)
	}
	b := onDevice(t, Options{})
	for _, top := range []bool{false, true} {
		want := run(plain.New(), false, top)
		backendtest.Near(t, "whole", run(b, false, top), want, 1e-5)
		backendtest.Near(t, "apart", run(b, true, top), want, 1e-5)
	}
}

// A weight that is larger than one allocation lies in several.
func TestWeightsInParts(t *testing.T) { OnEach(t, testWeightsInParts) }

func testWeightsInParts(t *testing.T) {
	b := onDevice(t, Options{})
	rng := rand.New(rand.NewPCG(9, 1))
	w, x := table(rng, "w", 0.2, 50, 40), table(rng, "x", 1, 3, 40)
	run := func(b backend.Backend) []float32 {
		c := oneLayer(b)
		defer c.Close()
		o := backendtest.Must(b.Begin(c, 3, nil))
		m := backendtest.Must(b.Weight(w))
		y := o.Linear(o.Embed(backendtest.Must(b.Weight(x)), []int32{0, 1, 2}, 1), m, nil)
		o.Add(y, o.Linear(o.Embed(m, []int32{49, 20, 0}, 2), m, nil)) // also as a table
		return append([]float32(nil), o.Read(y)...)
	}
	want := run(plain.New())
	whole := run(b)
	backendtest.Near(t, "whole", whole, want, 1e-5)
	limit := b.v.maxAllocation
	defer func() { b.v.maxAllocation = limit }()
	b.weights.alloc(0) // a block exists, so that no new one is asked for below
	b.v.maxAllocation = 1000 * 4
	backendtest.SameBits(t, "in parts", run(b), whole)
}

// Masked heads give zero, and their rows are delivered all the same.
func TestMutedHeads(t *testing.T) { OnEach(t, testMutedHeads) }

func testMutedHeads(t *testing.T) {
	run := func(b backend.Backend) ([]float32, map[string][]float32) {
		rng := rand.New(rand.NewPCG(2, 3))
		rows := map[string][]float32{}
		c := backendtest.Must(b.NewCache([]shape.Layer{{KVHeads: 2, KeyDim: 4, ValueDim: 4}}, backend.KVF32, 3))
		defer c.Close()
		o := backendtest.Must(b.Begin(c, 3, backendtest.WatchInto(rows, nil, 2)))
		ids := []int32{0, 1, 2}
		get := func(w int) backend.Value { return o.Embed(backendtest.Must(b.Weight(table(rng, "", 1, 3, w))), ids, 1) }
		o.Store(0, get(8), get(8))
		a := backend.Attention{Heads: 4, KVHeads: 2, KeyDim: 4, ValueDim: 4, Scale: 0.5, Masked: []bool{false, true, true, false}}
		out := append([]float32(nil), o.Read(o.Attend(get(16), a, []int{1, 2}))...)
		if err := o.Flush(); err != nil {
			t.Fatal(err)
		}
		return out, rows
	}
	got, rows := run(onDevice(t, Options{}))
	want, wantRows := run(plain.New())
	backendtest.Near(t, "output", got, want, 1e-5)
	for _, x := range got[4:12] {
		if math.Float32bits(x) != 0 {
			t.Errorf("a masked head gives %v", x)
		}
	}
	if len(rows) != 4 {
		t.Fatalf("%d rows, want 4", len(rows))
	}
	for k := range wantRows {
		backendtest.Near(t, k, rows[k], wantRows[k], 1e-5)
	}
}

// Sinks, chunks and temperatures, over two steps, agree with the plain backend,
// also where entries were dropped.
func TestAttentionsOfNewerFamilies(t *testing.T) { OnEach(t, testAttentionsOfNewerFamilies) }

func testAttentionsOfNewerFamilies(t *testing.T) {
	for name, a := range map[string]backend.Attention{
		"chunks":       {Chunk: 4},
		"temperatures": {Temperature: backend.Temperature{Scale: 0.6, Every: 3, Shift: 1}},
		"sinks":        {},
		"all":          {Chunk: 3, SoftCap: 2, Temperature: backend.Temperature{Scale: 0.6, Every: 2}},
	} {
		for _, dropped := range []bool{false, true} {
			run := func(b backend.Backend) map[string][]float32 {
				rng := rand.New(rand.NewPCG(4, 5))
				rows := map[string][]float32{}
				c := backendtest.Must(b.NewCache([]shape.Layer{{KVHeads: 2, KeyDim: 4, ValueDim: 4}}, backend.KVF32, 12))
				defer c.Close()
				a.Heads, a.KVHeads, a.KeyDim, a.ValueDim, a.Scale = 4, 2, 4, 4, 0.5
				if name == "sinks" || name == "all" {
					a.Sinks = backendtest.Must(b.Weight(table(rng, "", 1, 1, 4)))
				}
				for step, n := range []int{7, 5} {
					o := backendtest.Must(b.Begin(c, n, backendtest.WatchInto(rows, nil, 1, n-1)))
					ids := []int32{0, 1, 2, 3, 4, 5, 6}[:n]
					get := func(w int) backend.Value {
						return o.Embed(backendtest.Must(b.Weight(table(rng, "", 1, 7, w))), ids, 1)
					}
					o.Store(0, get(8), get(8))
					rows[fmt.Sprint("output ", step)] = append([]float32(nil), o.Read(o.Attend(get(16), a, nil))...)
					if err := o.Flush(); err != nil {
						t.Fatal(err)
					}
					if dropped && step == 0 {
						for h := range 2 {
							if err := c.Keep(0, h, []int32{0, 2, int32(4 + h), 6}); err != nil {
								t.Fatal(err)
							}
						}
					}
				}
				return rows
			}
			got, want := run(onDevice(t, Options{})), run(plain.New())
			if len(got) != len(want) || len(want) != 2+4*4 {
				t.Fatalf("%s: %d results, want %d", name, len(got), len(want))
			}
			for k := range want {
				backendtest.Near(t, fmt.Sprint(name, dropped, k), got[k], want[k], 1e-5)
			}
		}
	}
}

// The measured peak is a number that a device can have.
func TestPeak(t *testing.T) { OnEach(t, testPeak) }

func testPeak(t *testing.T) {
	peak, err := onDevice(t, Options{}).PeakGFLOPS()
	if err != nil || peak < 0.01 || peak > 1e7 {
		t.Errorf("%v GFLOP/s, %v", peak, err)
	}
}
