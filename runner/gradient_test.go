package runner

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"headprof/fixtures/reference"
	"headprof/runner/arch"
	"headprof/runner/backend"
	"headprof/runner/backend/backendtest"
	"headprof/runner/cpu"
	"headprof/runner/gguf"
)

// golden opens a tiny model of package arch, without a tokenizer; nil where the
// file has no weights.
func golden(t *testing.T, path string, b backend.Backend) *Model {
	t.Helper()
	s, err := gguf.OpenBytes(path, reference.Unzip(t, path))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Tensor("token_embd.weight"); !ok {
		return nil
	}
	m, err := arch.Load(s, b)
	if err != nil {
		t.Fatal(err)
	}
	return &Model{name: path, options: Options{}.withDefaults(), source: s, config: m.Config(), arch: m, backend: b}
}

// loss is Σ c·logit over some positions, with coefficients of no pattern.
func loss(position, token int) float64 { return math.Sin(float64(3*position + 7*token + 1)) }

// For a gate at each head's output, the gradient of a loss of some positions'
// logits is the central difference of the same equations in float64, in every
// model family.
func TestGradientsEqualFiniteDifferences(t *testing.T) {
	files, err := filepath.Glob("arch/testdata/*/model.gguf.gz")
	if err != nil {
		t.Fatal(err)
	}
	families := map[string]bool{}
	for _, path := range files {
		if m := golden(t, path, &backendtest.Double{}); m != nil && m.config.NoGradient != "" {
			if err := m.Backward(t.Context(), []int32{3, 4}, Gradient{}); err == nil {
				t.Errorf("%s: no error", path)
			}
			families[m.config.Family] = true
			continue
		} else if m != nil {
			families[m.config.Family] = true
		} else {
			continue // another case's weights under other settings of RoPE
		}
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			t.Parallel()
			b, err := cpu.New(cpu.Options{Threads: 2})
			if err != nil {
				t.Fatal(err)
			}
			m := golden(t, path, b)
			defer b.Close()
			tokens := make([]int32, min(24, m.config.Context))
			for i := range tokens {
				tokens[i] = int32((5 + 11*i) % m.config.Vocab)
			}
			positions := []int{len(tokens) - 5, len(tokens) - 2, len(tokens) - 1}
			got := make([][]float64, len(m.config.Layers))
			for l, a := range m.config.Layers {
				got[l] = make([]float64, a.Heads)
			}
			if err := m.Backward(t.Context(), tokens, Gradient{
				Positions: positions,
				Loss: func(p int, logits []float32) {
					for i := range logits {
						logits[i] = float32(loss(p, i))
					}
				},
				Heads: func(h backend.HeadGradients) {
					v := h.Attention.ValueDim
					for i, x := range h.Heads {
						got[h.Layer][i/v%h.Attention.Heads] += float64(x) * float64(h.Gradients[i])
					}
				},
			}); err != nil {
				t.Fatal(err)
			}

			d := &backendtest.Double{}
			twin := golden(t, path, d)
			at := func(layer, head int, gate float64) float64 {
				d.Gate = func(l, h int) float64 {
					if l == layer && h == head {
						return gate
					}
					return 1
				}
				return weigh(t, twin, tokens, positions)
			}
			const step = 1e-4
			want, largest := make([][]float64, len(got)), 0.0
			for l := range got {
				for h := range got[l] {
					v := (at(l, h, 1+step) - at(l, h, 1-step)) / (2 * step)
					want[l] = append(want[l], v)
					largest = max(largest, math.Abs(v))
				}
			}
			for l := range got {
				for h, v := range want[l] {
					if off := math.Abs(got[l][h] - v); !(off <= 1e-3*math.Abs(v)+2e-5*largest) {
						t.Errorf("L%d.H%d: %g, want %g (off by %.1e of it; the largest is %g)", l, h, got[l][h], v, off/math.Abs(v), largest)
					}
				}
			}
		})
	}
	for _, f := range arch.Families() {
		if !families[f] {
			t.Errorf("no golden model of the family %s", f)
		}
	}
}

// weigh computes the loss in float64.
func weigh(t *testing.T, m *Model, tokens []int32, positions []int) float64 {
	t.Helper()
	c, err := m.backend.NewCache(m.Shape(), backend.KVF32, len(tokens))
	if err != nil {
		t.Fatal(err)
	}
	o, err := m.backend.Begin(c, len(tokens), nil)
	if err != nil {
		t.Fatal(err)
	}
	x := m.arch.Embed(o, tokens)
	for l := range m.config.Layers {
		var rows []int
		if l == len(m.config.Layers)-1 {
			rows = positions
		}
		x = m.arch.Layer(o, l, x, rows)
	}
	sum := 0.0
	for i, y := range m.arch.Logits(o, x).(*backendtest.DoubleValue).X {
		sum += y * loss(positions[i/m.config.Vocab], i%m.config.Vocab)
	}
	return sum
}

// Gradients have the same bytes on any number of threads, kernel set and chunk
// of the options, over several chunks of their own too.
func TestGradientsDoNotDependOnThreads(t *testing.T) {
	var want []float32
	for _, o := range []struct {
		threads, chunk int
		kernels        string
	}{{1, 512, ""}, {2, 100, ""}, {3, 7, "portable"}} {
		b, err := cpu.New(cpu.Options{Threads: o.threads, Kernels: o.kernels})
		if err != nil {
			t.Fatal(err)
		}
		m := golden(t, "arch/testdata/gemma3/model.gguf.gz", b)
		m.options.Chunk = o.chunk
		m.config.Context = 1 << 20
		tokens := make([]int32, backChunk+90)
		for i := range tokens {
			tokens[i] = int32((5 + 11*i) % m.config.Vocab)
		}
		var got []float32
		var seen []string
		if err := m.Backward(t.Context(), tokens, Gradient{
			Positions: []int{backChunk - 1, backChunk, len(tokens) - 1},
			Loss: func(p int, logits []float32) {
				for i := range logits {
					logits[i] = float32(loss(p, i))
				}
			},
			Heads: func(h backend.HeadGradients) {
				got = append(got, h.Gradients...)
				seen = append(seen, fmt.Sprint(h.Layer, h.Positions))
			},
			Weighed: func(w backend.WeighedGradients) {
				for _, x := range w.Sums {
					got = append(got, float32(x))
				}
			},
		}); err != nil {
			t.Fatal(err)
		}
		if len(seen) != 2*len(m.config.Layers) {
			t.Fatalf("%d calls, want one per layer and chunk: %v", len(seen), seen)
		}
		if want == nil {
			want = got
		} else if !slices.Equal(got, want) {
			t.Errorf("%d threads, chunk %d, kernels %q: other bytes", o.threads, o.chunk, o.kernels)
		}
		b.Close()
	}
}
