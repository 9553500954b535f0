package cpu

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"headprof/runner/backend"
	"headprof/runner/backend/backendtest"
	"headprof/runner/tensor"
)

// However a sequence is cut into steps, on however many threads and with
// whichever kernels: the same bytes, watched rows included.
func TestResultsDoNotDependOnChunksThreadsOrKernels(t *testing.T) {
	const n = 150
	cuts := [][]int{{n}, {1, n - 1}, {64, 64, n - 128}, {63, 2, 40, 45}, nil} // nil: one by one
	for name, s := range backendtest.Shapes {
		for _, kv := range []backend.KVType{backend.KVF32, backend.KVF16} {
			ids := backendtest.Tokens(n)
			var want []float32
			var wantRows map[string][]float32
			for _, threads := range []int{1, 2, 3, 4, 33} {
				for kernels, b := range backends(t, threads) {
					cuts := cuts
					if kernels == "portable" { // slow: one way of cutting is enough to compare it
						if cuts = cuts[3:4]; threads != 2 {
							continue
						}
					}
					for _, cut := range cuts {
						if cut == nil {
							if threads != 2 {
								continue
							}
							for range n {
								cut = append(cut, 1)
							}
						}
						l := backendtest.Bind(b, s)
						c := l.Cache(kv)
						var got []float32
						rows := map[string][]float32{}
						for at, i := 0, 0; i < len(cut); i++ {
							var watched []int
							for _, w := range []int{0, 17, 70, n - 1} {
								if w >= at && w < at+cut[i] {
									watched = append(watched, w-at)
								}
							}
							got = append(got, l.Step(c, ids[at:at+cut[i]], backendtest.WatchInto(rows, nil, watched...))...)
							at += cut[i]
						}
						if want == nil {
							want, wantRows = got, rows
							continue
						}
						what := fmt.Sprintf("%s, kv %d, %d threads, %s, cut %v", name, kv, threads, kernels, cut[:min(4, len(cut))])
						backendtest.SameBits(t, what, got, want)
						if len(rows) != len(wantRows) {
							t.Fatalf("%s: %d watched rows, want %d", what, len(rows), len(wantRows))
						}
						for k, w := range wantRows {
							backendtest.SameBits(t, what+", row "+k, rows[k], w)
						}
					}
				}
			}
		}
	}
}

// bindCoded is a model of two layers whose matrices are stored as codes, of
// every format that --int8 knows in the course of turns 0 to 7.
func bindCoded(b backend.Backend, turn int) *backendtest.Layer {
	s := backendtest.Shape{Width: 256, Heads: 4, KVHeads: 2, Dim: 64, ValueDim: 64, FF: 512, Rope: 64, Bias: true}
	l := backendtest.Bind(b, s)
	rng := rand.New(rand.NewPCG(11, 12))
	for i, w := range []*backend.Weight{&l.Q, &l.K, &l.V, &l.O, &l.Gate, &l.Up, &l.Down} {
		*w = backendtest.Must(b.Weight(quantised(rng, coded[(i+turn)%len(coded)], (*w).Rows(), (*w).Cols())))
	}
	return l
}

// The same with int8 activations.
func TestFastResultsDoNotDependOnChunksThreadsOrKernels(t *testing.T) {
	const n = 110
	ids := backendtest.Tokens(n)
	for turn := range coded {
		var want []float32
		for _, threads := range []int{1, 2, 3} {
			for kernels, b := range fastBackends(t, threads) {
				cuts := [][]int{{n}, {1, n - 1}, {64, 1, n - 65}, {7, 8, 9, 2, n - 26}}
				if kernels == "portable" {
					if cuts = cuts[:1]; threads != 2 || turn > 1 {
						continue
					}
				}
				l := bindCoded(b, turn)
				if got := b.CodedWeights(); got != 7 {
					t.Fatalf("%d weights are multiplied as codes, want 7", got)
				}
				for _, cut := range cuts {
					c := l.Cache(backend.KVF16)
					var got []float32
					for at, i := 0, 0; i < len(cut); i++ {
						got = append(got, l.Step(c, ids[at:at+cut[i]], nil)...)
						at += cut[i]
					}
					if want == nil {
						want = got
					}
					backendtest.SameBits(t, fmt.Sprintf("turn %d, %d threads, %s, cut %v", turn, threads, kernels, cut), got, want)
				}
			}
		}
	}
}

// The weights that give logits are multiplied exactly.
func TestFastLeavesLogitsExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 12))
	w := quantised(rng, tensor.Q8_0, 64, 96)
	x := backendtest.Random(rng, 5*96)
	product := func(b *Backend, name string) []float32 {
		w.Name = name
		o, in := stepOf(b, 5, x)
		return append([]float32(nil), o.Read(o.Linear(in, backendtest.Must(b.Weight(w)), nil))...)
	}
	exact := backendtest.Must(New(Options{Threads: 1}))
	defer exact.Close()
	want := product(exact, "output.weight")
	for kernels, b := range fastBackends(t, 1) {
		backendtest.SameBits(t, kernels, product(b, "output.weight"), want)
		backendtest.SameBits(t, kernels, product(b, "token_embd.weight"), want)
		if got := product(b, "blk.0.attn_q.weight"); slices.Equal(got, want) {
			t.Errorf("%s: int8 activations change nothing", kernels)
		}
	}
}

// What cannot be done is refused.
func TestFastNeedsKernels(t *testing.T) {
	for _, k := range append(native(), &portable) {
		b, err := New(Options{Threads: 1, Kernels: k.name, Fast: true})
		if (err == nil) != (k.int8 != nil) {
			t.Errorf("%s: %v", k.name, err)
		}
		if err == nil {
			if want := k.name + "+int8"; b.Kernels() != want {
				t.Errorf("kernels are called %s, want %s", b.Kernels(), want)
			}
			b.Close()
		}
	}
	err := fastKernels(&kernels{name: "mmx"})
	if err == nil || !strings.Contains(err.Error(), "mmx") || !strings.Contains(err.Error(), "leave out --int8") {
		t.Errorf("kernels without int8 products: %v", err)
	}
}
