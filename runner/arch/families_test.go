package arch_test

import (
	"math"
	"reflect"
	"sync"
	"testing"

	"headprof/runner/arch"
	"headprof/runner/backend"
	"headprof/runner/cpu"
	"headprof/runner/plain"
)

// output is what a model computes for a golden case.
type output struct {
	logits [][]float32
	rows   [][][][]float32 // [position][layer][head][key], 0 where a window ends
}

// compute runs tokens in chunks and collects what positions ask for.
func compute(t testing.TB, m arch.Model, b backend.Backend, tokens []int32, positions []int, chunk int) output {
	t.Helper()
	c := m.Config()
	cache, err := b.NewCache(c.Shape(), backend.KVF32, len(tokens))
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	out := output{rows: make([][][][]float32, len(positions))}
	at := map[int]int{}
	for i, p := range positions {
		at[p] = i
		out.rows[i] = make([][][]float32, len(c.Layers))
		for l := range c.Layers {
			out.rows[i][l] = make([][]float32, c.Layers[l].Heads)
		}
	}
	var lock sync.Mutex
	deliver := func(r backend.Row) {
		lock.Lock()
		defer lock.Unlock()
		full := make([]float32, r.Position+1)
		copy(full[r.First:], r.Weights)
		out.rows[at[r.Position]][r.Layer][r.Head] = full
	}
	for first := 0; first < len(tokens); first += chunk {
		ids := tokens[first:min(len(tokens), first+chunk)]
		live := []int{}
		for _, p := range positions {
			if p >= first && p < first+len(ids) {
				live = append(live, p-first)
			}
		}
		o, err := b.Begin(cache, len(ids), &backend.Watch{Rows: live, Deliver: deliver})
		if err != nil {
			t.Fatal(err)
		}
		x := o.Keep(m.Embed(o, ids))
		for l := range c.Layers {
			var rows []int
			if l == len(c.Layers)-1 {
				rows = live
			}
			x = o.Keep(m.Layer(o, l, x, rows))
			o.EndLayer()
		}
		if len(live) > 0 {
			y := o.Read(m.Logits(o, x))
			for i := range live {
				out.logits = append(out.logits, append([]float32(nil), y[i*c.Vocab:(i+1)*c.Vocab]...))
			}
		}
		if err := o.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// difference gives the largest absolute difference; shapes must agree.
func difference(t testing.TB, what string, got, want []float32) (most float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	for i := range want {
		d := math.Abs(float64(got[i]) - float64(want[i]))
		if !(d <= most) { // NaN counts
			most = d
		}
	}
	return most
}

// largest gives by how much logits and attention rows differ at most.
func largest(t testing.TB, got output, want *golden) (logits, rows float64) {
	t.Helper()
	for i := range want.Positions {
		logits = max(logits, difference(t, "logits", got.logits[i], want.Logits[i]))
		for l := range want.Rows[i] {
			for h := range want.Rows[i][l] {
				rows = max(rows, difference(t, "attention row", got.rows[i][l][h], want.Rows[i][l][h]))
			}
		}
	}
	return logits, rows
}

func compare(t testing.TB, got output, want *golden) {
	t.Helper()
	logits, rows := largest(t, got, want)
	// transformers computes in float32, too: what is left is rounding.
	if !(logits < 1e-4) || !(rows < 1e-5) {
		t.Errorf("logits differ by up to %.2g, attention rows by up to %.2g", logits, rows)
	}
}

func device(t testing.TB, name string) backend.Backend {
	t.Helper()
	if name == "plain" {
		return plain.New()
	}
	b, err := cpu.New(cpu.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// load binds a golden model, for sequences as long as its own.
func load(t testing.TB, s source, b backend.Backend, want *golden) arch.Model {
	t.Helper()
	if err := s.Set("headprof.context", len(want.Tokens)); err != nil {
		t.Fatal(err)
	}
	m, err := arch.Load(s, b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Every family computes what transformers computes, from a Hugging Face folder
// (as transformers 5 and 4 write it) and from GGUF, on both backends.
func TestFamiliesEqualTransformers(t *testing.T) {
	for _, name := range cases(t) {
		forms := map[string]func(testing.TB) source{
			"folder": func(t testing.TB) source { return folder(t, name, "config.json") },
			"older":  func(t testing.TB) source { return folder(t, name, "older.json") },
			"gguf":   func(t testing.TB) source { return file(t, name) },
		}
		for form, open := range forms {
			for _, d := range []string{"plain", "cpu"} {
				t.Run(name+"/"+form+"/"+d, func(t *testing.T) {
					b := device(t, d)
					want := readGolden(t, name)
					m := load(t, open(t), b, want)
					compare(t, compute(t, m, b, want.Tokens, want.Positions, 13), want)
				})
			}
		}
	}
}

// How a sequence is cut, and how many threads compute it, changes no byte.
func TestCutsChangeNoByte(t *testing.T) {
	for _, name := range oneEach {
		t.Run(name, func(t *testing.T) {
			want := readGolden(t, name)
			var first output
			for i, c := range []struct{ threads, chunk int }{{2, 40}, {1, 40}, {3, 1}, {2, 17}} {
				b, err := cpu.New(cpu.Options{Threads: c.threads})
				if err != nil {
					t.Fatal(err)
				}
				defer b.Close()
				f := file(t, name)
				if name == "llama4" {
					f.Set("llama4.attention.chunk_size", 8)
				}
				got := compute(t, load(t, f, b, want), b, want.Tokens, want.Positions, c.chunk)
				if i == 0 {
					first = got
				} else if !reflect.DeepEqual(got, first) {
					t.Errorf("%d threads and chunks of %d give other bytes", c.threads, c.chunk)
				}
			}
		})
	}
}
