package gpu

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"headprof/runner/backend"
	"headprof/runner/backend/backendtest"
	"headprof/runner/shape"
	"headprof/runner/tensor"
)

// describe tells of steps of n tokens of a test model.
func describe(l *backendtest.Layer, kv backend.KVType, n int, watched ...int) backend.Run {
	one := shape.Layer{KVHeads: l.Shape.KVHeads, KeyDim: l.Shape.Dim, ValueDim: l.Shape.ValueDim}
	return backend.Run{
		Layers: []shape.Layer{one, one}, KV: kv, Sequences: []int{n}, Rows: n, Watched: watched, Entries: n,
		Step: func(o backend.Ops) { l.Forward(o, backendtest.Tokens(n)) },
	}
}

// capped is a backend of its own on the test device with less memory.
func capped(t *testing.T, memory int64) *Backend {
	t.Helper()
	v := onDevice(t, Options{}).v
	b := newBackend(v, Options{})
	free, limit := v.Info.Free, v.limit
	if memory > 0 {
		v.Info.Free, v.limit = v.taken()+memory, v.taken()+memory
	}
	v.used.peak = uint64(v.taken())
	t.Cleanup(func() {
		own, before := b.held(), v.taken()
		b.empty()
		v.Info.Free, v.limit = free, limit
		if n := before - v.taken(); n != own {
			t.Errorf("%d bytes of device memory were given back, %d were held", n, own)
		}
	})
	return b
}

// A run takes what was predicted and not more, with all of the weights on the
// device and with some; the latter changes no bit. With less than the smallest it
// is refused.
func TestWeightsPassThrough(t *testing.T) { OnEach(t, testWeightsPassThrough) }

func testWeightsPassThrough(t *testing.T) {
	const n = 40
	for name, s := range backendtest.Shapes {
		t.Run(name, func(t *testing.T) {
			var want []float32
			var wantRows map[string][]float32
			memory := int64(0)
			for _, share := range []int64{100, 60, 20, 0} {
				b := capped(t, memory)
				taken := b.v.taken()
				l := backendtest.Bind(b, s)
				run := describe(l, backend.KVF32, n, 0, n-1)
				before := backendtest.Must(b.Predict(run))
				if share == 0 {
					err := b.Reserve(run)
					wants(t, err, "gpu: this needs", "has", "of memory free", "for the KV cache", "--cache-type f16")
					if before.Total() <= before.Free {
						t.Errorf("what is refused was predicted to take %d of %d bytes", before.Total(), before.Free)
					}
					return
				}
				if err := b.Reserve(run); err != nil {
					t.Fatal(err)
				}
				need := backendtest.Must(b.Predict(run))
				if need != before {
					t.Errorf("predicted %+v before and %+v after the weights were placed", before, need)
				}
				if (need.Streamed > 0) != (share < 100) || need.Total() > need.Free {
					t.Fatalf("with %d %% of the weights' size: %+v", share, need)
				}
				c := backendtest.Must(b.NewCache(run.Layers, run.KV, n))
				var got []float32
				rows := map[string][]float32{}
				for range 3 { // each step ends among other pieces
					if err := c.Truncate(0); err != nil {
						t.Fatal(err)
					}
					got = l.Step(c, backendtest.Tokens(n), backendtest.WatchInto(rows, nil, 0, n-1))
				}
				c.Close()
				if peak := int64(b.v.used.peak) - taken; peak > need.Total() {
					t.Errorf("with %d %%: %d bytes were taken, %d predicted", share, peak, need.Total())
				}
				if want == nil {
					want, wantRows = got, rows
					memory = need.Total() - need.Weights*40/100
					continue
				}
				backendtest.SameBits(t, fmt.Sprint("states with ", share, " %"), got, want)
				for k, w := range wantRows {
					backendtest.SameBits(t, k, rows[k], w)
				}
				memory = need.Total() - need.Weights*2/3
				if share == 20 {
					memory = need.Cache + need.Scratch/2
				}
			}
		})
	}
}

// Tables, matrices that are cut, converted formats and stacks of experts pass
// through, too, whatever order they are used in.
func TestAllKindsPassThrough(t *testing.T) { OnEach(t, testAllKindsPassThrough) }

func testAllKindsPassThrough(t *testing.T) {
	const rows, width, ff, count = 6, 64, 40, 3
	rng := rand.New(rand.NewPCG(3, 9))
	x := table(rng, "x", 1, 600, width)
	norm := table(rng, "norm", 1, 1, width)
	eight := tensor.Tensor{Name: "eight", Type: tensor.F8E4M3, Shape: []int{500, width}, Data: blocksOf(rng, tensor.F8E4M3, 500*width)}
	router := table(rng, "router", 0.3, count, width)
	stack := func(name string, rows, cols int) tensor.Tensor {
		w := table(rng, name, 0.2, count*rows, cols)
		w.Shape = []int{count, rows, cols}
		return w
	}
	gate, up, down := stack("gate", ff, width), stack("up", ff, width), stack("down", width, ff)
	run := func(b *Backend, reserve bool) (all [][]float32) {
		w := map[string]backend.Weight{}
		for _, t := range []tensor.Tensor{x, norm, eight, router, gate, up, down} {
			w[t.Name] = backendtest.Must(b.Weight(t))
		}
		step := func(o backend.Ops, turn int) {
			in := o.Embed(w["x"], []int32{599, 3, 2, 1, 0, 300}, 1)
			dst := o.Norm(o.Embed(w["x"], []int32{5, 4, 3, 2, 1, 599}, 1), backend.Norm{Weight: w["norm"], Eps: 1e-6})
			experts := func() {
				o.MixExperts(dst, in, backend.Experts{Router: w["router"], Gate: w["gate"], Up: w["up"], Down: w["down"], Count: count, Used: 2})
			}
			if turn == 1 {
				experts()
			}
			y := o.Linear(dst, w["eight"], nil)
			if turn != 1 {
				experts()
			}
			all = append(all, append([]float32(nil), o.Read(dst)...), append([]float32(nil), o.Read(y)...), append([]float32(nil), o.Read(o.Linear(in, w["x"], nil))...))
		}
		c := oneLayer(b)
		defer c.Close()
		if reserve {
			layers := []shape.Layer{{KVHeads: 1, KeyDim: 4, ValueDim: 4}}
			r := backend.Run{Layers: layers, Sequences: []int{8}, Rows: rows, Entries: rows, Step: func(o backend.Ops) { step(o, 0) }}
			m := backendtest.Must(b.Predict(r))
			smallest := m.Total() - m.Weights + 200<<10
			others := b.v.taken() - b.held()
			defer func(limit, free int64) { b.v.limit, b.v.Info.Free = limit, free }(b.v.limit, b.v.Info.Free)
			b.v.limit, b.v.Info.Free = smallest+others, smallest+others
			if err := b.Reserve(r); err != nil {
				t.Fatal(err)
			}
			if m := backendtest.Must(b.Predict(r)); m.Streamed < 90<<10 {
				t.Errorf("only %d bytes of the weights are streamed", m.Streamed)
			}
			all = nil
		}
		for turn := range 4 {
			o := backendtest.Must(b.Begin(c, rows, nil))
			step(o, turn)
			if err := o.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		return all
	}
	want := run(onDevice(t, Options{}), false)
	blind := capped(t, 0) // as on a card, where weights that stay are copied there, too
	blind.weights.blind, blind.streamed.blind, blind.caches.blind = true, true, true
	defer func(n int) { sendAtOnce = n }(sendAtOnce)
	for what, got := range map[string][][]float32{"": run(capped(t, 0), true), "blind ": run(blind, true)} {
		for i := range want {
			backendtest.SameBits(t, fmt.Sprint(what, "result ", i), got[i], want[i])
		}
	}
	sendAtOnce = 1000 // less than a row, and not a multiple of an element's block
	blind = capped(t, 0)
	blind.weights.blind, blind.uploads.chunk = true, 4<<20
	for i, got := range run(blind, false) {
		backendtest.SameBits(t, fmt.Sprint("sent in pieces: result ", i), got, want[i])
	}
}
