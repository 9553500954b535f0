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

// A token that stands twice in the evidence counts twice, as in CompressKV's
// code; a window shows a part of the evidence; NaN is no weight.
func TestMassByHand(t *testing.T) {
	if n := (Semantic{}).Times([]int32{7, 8, 7}, 7); n != 2 {
		t.Errorf("a token that is there twice counts %d times", n)
	}
	if n := (Semantic{}).Times([]int32{7, 8}, 9); n != 0 {
		t.Errorf("a token that is not there counts %d times", n)
	}
	nan := float32(math.NaN())
	for _, c := range []struct {
		w        []float32
		first    int
		evidence Span
		mass     float32
		k        float32
	}{
		{[]float32{.1, .4, .3, .2}, 0, Span{1, 3}, .7, 2},
		{[]float32{.6, .4}, 10, Span{9, 11}, .6, 2},
		{[]float32{.6, .4}, 10, Span{2, 4}, 0, 2},
		{[]float32{.6, .4}, 0, Span{0, 4}, 1, 4},
		{[]float32{nan, .25, nan}, 0, Span{0, 3}, .25, 3},
		{[]float32{1}, 0, Span{0, 0}, 0, 1},
	} {
		if got := (Semantic{}).Row(c.w, c.first, c.evidence); math.Abs(float64(got.Value-c.mass)) > 1e-6 || got.Key >= 0 {
			t.Errorf("semantic of %v: %+v, want %v", c, got, c.mass)
		}
		if got := (R2Mass{}).Row(c.w, c.first, c.evidence); math.Abs(float64(got.Value-c.mass/c.k)) > 1e-6 || got.Key >= 0 {
			t.Errorf("r2-mass of %v: %+v, want %v", c, got, c.mass/c.k)
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
		if !(math.Abs(got-want) <= 1e-6) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	near("r2 head 0", greedy["headkv-r2"][0][0], .45+.45+.15)
	near("r2 head 1", greedy["headkv-r2"][0][1], 3*.05)
	near("retrieval head 0: one copied token of two", greedy["retrieval"][0][0], .5)
	near("retrieval head 1", greedy["retrieval"][0][1], 0)
	near("r2-mass head 0", greedy["r2-mass"][0][0], .45+.45+.3)
	near("r2-mass head 1", greedy["r2-mass"][0][1], 3*.05)
	near("semantic head 0: the steps that produce 7 and 8", greedy["semantic"][0][0], .9+.6)
	near("semantic head 1", greedy["semantic"][0][1], .2)

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

// Three layers of 1, 3 and 2 heads: every row is found under its own head, and a
// row that did not come is named. The evidence is position 0.
func TestObserverOfUnevenLayers(t *testing.T) {
	layers := shape.Model{{Heads: 1}, {Heads: 3}, {Heads: 2}}
	o := NewObserver(Methods(), layers, 2)
	o.Reset(5, Span{0, 1})
	value := func(l, h, step int) float32 { return float32(32*l+8*h+step+1) / 128 }
	for l, layer := range layers {
		for h := range layer.Heads {
			for step := range 2 {
				if l != 1 || h != 2 || step != 1 {
					o.Observe(l, h, 5+step, 0, []float32{value(l, h, step), 0})
				}
			}
		}
	}
	sequence, produced := []int32{4, 9}, []int32{4, 6} // the first step copies, the second does not
	got, err := o.Score(0, 1, sequence, produced, 0)
	if err != nil {
		t.Fatal(err)
	}
	for l, layer := range layers {
		if len(got["headkv-r2"][l]) != layer.Heads {
			t.Fatalf("layer %d has scores of %d heads", l, len(got["headkv-r2"][l]))
		}
		for h := range layer.Heads {
			near(t, "r2", got["headkv-r2"][l][h], float64(value(l, h, 0)), 0)
			near(t, "retrieval", got["retrieval"][l][h], 1, 0)
		}
	}
	if none, err := o.Score(1, 1, sequence, produced, 0); err != nil || none["headkv-r2"][2][1] != 0 {
		t.Errorf("no steps: %v, %v", none, err)
	}
	if _, err := o.Score(0, 2, sequence, produced, 0); err == nil || err.Error() != "no attention row of layer 1, head 2 arrived for position 6" {
		t.Errorf("a missing row: %v", err)
	}
	o.Observe(1, 2, 6, 0, []float32{value(1, 2, 1), 0})
	if got, err = o.Score(1, 2, sequence, produced, 0); err != nil || got["retrieval"][1][2] != 0 || got["headkv-r2"][1][2] != float64(value(1, 2, 1)) {
		t.Errorf("the second step: %v, %v", got, err)
	}
	for _, c := range []struct {
		from, to int
		produced []int32
	}{{-1, 1, produced}, {2, 1, produced}, {0, 3, []int32{1, 2, 3}}, {0, 2, produced[:1]}} {
		if _, err := o.Score(c.from, c.to, sequence, c.produced, 0); err == nil {
			t.Errorf("steps [%d, %d) with %d tokens were scored", c.from, c.to, len(c.produced))
		}
	}
	// The evidence's last token must be in the sequence.
	o.Reset(5, Span{2, 3})
	for l, layer := range layers {
		for h := range layer.Heads {
			o.Observe(l, h, 5, 0, []float32{0, 0, 1})
		}
	}
	if _, err := o.Score(0, 1, sequence, produced, 0); err == nil || !strings.Contains(err.Error(), "points at position 2 of a sequence of 2 tokens") {
		t.Errorf("a sequence that ends early: %v", err)
	}
}

// doubled counts a step once for each place of its token in the evidence.
type doubled struct{ HeadKVR2 }

func (doubled) Name() string  { return "doubled" }
func (doubled) Top(k int) int { return 3 * k }
func (doubled) Times(evidence []int32, produced int32) (n int) {
	for _, id := range evidence {
		if id == produced {
			n++
		}
	}
	return n
}

// whole is a method that looks at whole rows.
type whole struct{ Method }

func TestObserverRepeatsAndTops(t *testing.T) {
	o := NewObserver([]Method{doubled{}, Retrieval{}}, shape.Model{{Heads: 1}}, 3)
	o.Reset(4, Span{1, 4})
	if o.Top() != 9 {
		t.Errorf("the methods look at %d weights, not at 3·3", o.Top())
	}
	if n := NewObserver([]Method{HeadKVR2{}, whole{Retrieval{}}}, nil, 1).Top(); n != 0 {
		t.Errorf("one looks at whole rows, yet %d", n)
	}
	for s := range 3 {
		o.Observe(0, 0, 4+s, 0, []float32{0, .25, .25, .25, .25})
	}
	sequence, produced := []int32{1, 7, 7, 8}, []int32{8, 7, 6}
	// Each step is worth (.25 + .25 + .25)/3; 8 is in the evidence once, 7 twice, 6 never.
	for _, c := range []struct {
		from, to int
		want     float64
	}{{0, 3, .75}, {1, 3, .5}, {1, 2, .5}, {2, 3, 0}} {
		got, err := o.Score(c.from, c.to, sequence, produced, 0)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "repeated", got["doubled"][0][0], c.want, 1e-12)
	}
	for _, evidence := range []Span{{-1, 2}, {2, 5}, {3, 2}} {
		o.evidence = evidence
		if _, err := o.Score(0, 3, sequence, produced, 0); err == nil || !strings.Contains(err.Error(), "lies outside a sequence of 4 tokens") {
			t.Errorf("evidence %v: %v", evidence, err)
		}
	}
	for _, evidence := range []Span{{2, 2}, {0, 4}} {
		o.evidence = evidence
		if _, err := o.Score(0, 3, sequence, produced, 0); err != nil {
			t.Errorf("evidence %v: %v", evidence, err)
		}
	}
}

// The sum runs over positions, lowest first, whatever their order by weight:
// 1 + 2⁻²⁴ + 2⁻⁵³ + 2⁻⁵³ loses the last two in float64, the reverse keeps them.
func TestSumDoesNotDependOnTheHeap(t *testing.T) {
	values := []float32{1, 1. / (1 << 24), 1. / (1 << 53), 1. / (1 << 53)}
	order := []int{0, 1, 2, 3}
	seen := map[float32]bool{}
	for n := range 24 {
		row := make([]float32, 4)
		var sum float64
		for i, o := range order {
			row[i] = values[o]
			sum += float64(values[o])
		}
		got := (HeadKVR2{}).Row(row, 0, Span{0, 4}).Value
		if want := float32(sum / 4); got != want {
			t.Errorf("order %v: %v, want %v", order, got, want)
		}
		seen[got] = true
		// All 24 orders by adjacent swaps.
		i := n % 3
		if n/3%2 == 1 {
			i = 2 - i
		}
		order[i], order[i+1] = order[i+1], order[i]
	}
	if len(seen) != 2 {
		t.Errorf("the orders give %d sums", len(seen))
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
