package scoring

import (
	"math"
	"math/rand/v2"
	"sort"
	"strings"
	"sync"
	"testing"

	"headprof/runner/shape"
)

// plainR2 is the score's definition written down directly: sort the whole row.
func plainR2(w []float32, first int, ev Span) float64 {
	k := ev.End - ev.Start
	order := make([]int, 0, len(w))
	for i, v := range w {
		if v == v {
			order = append(order, i)
		}
	}
	sort.SliceStable(order, func(a, b int) bool { return w[order[a]] > w[order[b]] })
	var sum float64
	for _, i := range order[:min(k, len(order))] {
		if p := first + i; p >= ev.Start && p < ev.End {
			sum += float64(w[i])
		}
	}
	return sum / float64(k)
}

func TestRowsByHand(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name   string
		w      []float32
		first  int
		ev     Span
		r2     float32
		argmax int32 // -1: not on the evidence
	}{
		{"both of the two largest", []float32{.1, .4, .3, .2}, 0, Span{1, 3}, .35, 1},
		{"one of the two largest", []float32{.5, .4, .1, 0}, 0, Span{1, 3}, .2, -1},
		{"none", []float32{.5, .1, .1, .3}, 0, Span{1, 3}, 0, -1},
		{"tie goes to the lower index, before", []float32{.4, .4, .2}, 0, Span{1, 2}, 0, -1},
		{"tie goes to the lower index, after", []float32{.2, .4, .4}, 0, Span{1, 2}, .4, 1},
		{"tie within the evidence", []float32{.1, .3, .3, .3}, 0, Span{1, 4}, .3, 1},
		{"a sliding window's row", []float32{.6, .4}, 10, Span{9, 11}, .3, 10},
		{"evidence outside the window", []float32{.6, .4}, 10, Span{2, 4}, 0, -1},
		{"evidence longer than the row", []float32{.6, .4}, 0, Span{0, 4}, .25, 0},
		{"NaN is never large", []float32{nan, .2, nan, .8}, 0, Span{1, 3}, .1, -1},
		{"all NaN", []float32{nan, nan, nan}, 0, Span{0, 2}, 0, -1},
		{"empty row", nil, 0, Span{0, 2}, 0, -1},
		{"empty evidence", []float32{1}, 0, Span{0, 0}, 0, -1},
	} {
		if got := (HeadKVR2{}).Row(c.w, c.first, c.ev); math.Abs(float64(got.Value-c.r2)) > 1e-7 || got.Key >= 0 {
			t.Errorf("headkv-r2, %s: %+v, want value %v without a key", c.name, got, c.r2)
		}
		got := (Retrieval{}).Row(c.w, c.first, c.ev)
		if got.Key != c.argmax || (c.argmax >= 0) != (got.Value == 1) {
			t.Errorf("retrieval, %s: %+v, want key %d", c.name, got, c.argmax)
		}
	}
}

func TestTopKAgainstSorting(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		w := make([]float32, rng.IntN(200))
		levels := 1 + rng.IntN(40) // few levels make many ties
		for i := range w {
			w[i] = float32(rng.IntN(levels)) / 64
			if rng.IntN(50) == 0 {
				w[i] = float32(math.NaN())
			}
		}
		first := rng.IntN(3) * 40
		start := rng.IntN(220)
		ev := Span{start, start + 1 + rng.IntN(80)}
		got, want := (HeadKVR2{}).Row(w, first, ev), plainR2(w, first, ev)
		if got.Value != float32(want) {
			t.Fatalf("row %v from %d, evidence %v: %v, sorting gives %v", w, first, ev, got.Value, want)
		}
	}
}

func TestLookup(t *testing.T) {
	for _, m := range Methods() {
		if got, err := Lookup(m.Name()); err != nil || got.Name() != m.Name() {
			t.Errorf("Lookup(%q) = %v, %v", m.Name(), got, err)
		}
	}
	if _, err := Lookup("magic"); err == nil || !strings.HasPrefix(err.Error(), `no score method "magic"; known: headkv-r2, retrieval`) {
		t.Errorf("unknown method: %v", err)
	}
}

// A model of one layer and two heads answers with two tokens; the evidence
// [1, 3) holds tokens 7 and 8. Expected values by hand.
func TestObserver(t *testing.T) {
	o := NewObserver(Methods(), shape.Model{{Heads: 2}}, 3)
	o.Reset(4, Span{1, 3})
	sequence := []int32{5, 7, 8, 5, 6, 7, 8}
	var wg sync.WaitGroup
	rows := [][]float32{{.1, .7, .2}, {.1, .2, .7}, {.3, .3, .3}}
	for s, w := range rows {
		for h := range 2 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				row := w
				if h == 1 {
					row = []float32{.9, 0, .1}
				}
				o.Observe(0, h, 4+s, 0, row)
			}()
		}
	}
	wg.Wait()
	o.Observe(0, 0, 3, 0, []float32{1}) // the prompt's rows are no steps
	o.Observe(0, 0, 7, 0, []float32{1})
	o.Observe(1, 0, 4, 0, []float32{1})
	produced := []int32{7, 9, 8}

	greedy, err := o.Score(0, 3, sequence, produced, 0)
	if err != nil {
		t.Fatal(err)
	}
	near := func(name string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-6 {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	near("r2 head 0", greedy["headkv-r2"][0][0], .45+.45+.15)
	near("r2 head 1", greedy["headkv-r2"][0][1], 3*.05)
	near("retrieval head 0: one copied token of two", greedy["retrieval"][0][0], .5)
	near("retrieval head 1", greedy["retrieval"][0][1], 0)

	forced, err := o.Score(0, 3, sequence, produced, 3)
	if err != nil {
		t.Fatal(err)
	}
	near("forced retrieval head 0", forced["retrieval"][0][0], 1./3)
	part, err := o.Score(1, 3, sequence, produced, 0)
	if err != nil {
		t.Fatal(err)
	}
	near("r2 of the later steps", part["headkv-r2"][0][0], .45+.15)

	if _, err := o.Score(0, 4, sequence, produced, 0); err == nil {
		t.Error("a step that was not watched was scored")
	}
	o.Reset(4, Span{1, 3})
	if _, err := o.Score(0, 1, sequence, produced, 0); err == nil {
		t.Error("a row that never came was scored")
	}
}

func BenchmarkRow(b *testing.B) {
	rng := rand.New(rand.NewPCG(3, 4))
	w := make([]float32, 128<<10)
	for i := range w {
		w[i] = float32(rng.ExpFloat64()) * 1e-5
	}
	ev := Span{60000, 60040}
	hot := append([]float32(nil), w...)
	for i := ev.Start; i < ev.End; i++ {
		hot[i] = .01
	}
	for _, m := range Methods() {
		b.Run(m.Name()+"/cold", func(b *testing.B) {
			for b.Loop() {
				m.Row(w, 0, ev)
			}
		})
		b.Run(m.Name()+"/hot", func(b *testing.B) {
			for b.Loop() {
				m.Row(hot, 0, ev)
			}
		})
	}
}
