package allocate

import (
	"encoding/json"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"

	"headprof/scoring"
)

// published holds testdata/published.json: what the published code's steps
// give with NumPy 2.4.6 and PyTorch 2.15.0, made by testdata/published.py.
type published struct {
	Models []struct {
		Layers, Heads int
		Means         []float64
		Cases         []struct {
			Capacity      int
			Beta, Temp    float64
			Budgets       [][]int
			Sum, Weighted int
		}
	}
	Pyramids []struct {
		Layers, Capacity, Window, Beta, Prompt int
		Budgets                                []int
	}
	FloorDivs []struct{ A, B, Q float64 } `json:"floor_divs"`
}

func readPublished(t *testing.T) (p published) {
	t.Helper()
	data, err := os.ReadFile("testdata/published.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// rows makes score rows of layers × heads query heads in groups.
func rows(layers, heads, group int, scores ...float64) []scoring.Head {
	var out []scoring.Head
	for i, v := range scores {
		h := i % heads
		out = append(out, scoring.Head{Layer: i / heads, Head: h, KVHead: h / group, Mean: v})
	}
	if len(out) != layers*heads {
		panic("rows: wrong count")
	}
	return out
}

func make1(t *testing.T, policy string, heads []scoring.Head, p Params) *Plan {
	t.Helper()
	plan, err := Make(policy, heads, ModelOf(heads), p)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func budgets(p *Plan) []int {
	var out []int
	for _, c := range p.Caches {
		out = append(out, c.Budget)
	}
	return out
}

func TestHeadKVToTheInteger(t *testing.T) {
	for _, m := range readPublished(t).Models {
		heads := rows(m.Layers, m.Heads, 1, m.Means...)
		for _, c := range m.Cases {
			plan := make1(t, "headkv", heads, Params{Capacity: c.Capacity, Beta: c.Beta, Temp: c.Temp, Level: Head})
			var sum, weighted int
			for i, b := range budgets(plan) {
				sum += b
				weighted += i * b
				if c.Budgets != nil && b != c.Budgets[i/m.Heads][i%m.Heads] {
					t.Errorf("%d×%d, capacity %d, beta %v, temp %v: head %d gets %d, published %d", m.Layers, m.Heads, c.Capacity, c.Beta, c.Temp, i, b, c.Budgets[i/m.Heads][i%m.Heads])
				}
			}
			if sum != c.Sum || weighted != c.Weighted {
				t.Errorf("%d×%d, capacity %d, beta %v, temp %v: sum %d (weighted %d), published %d (%d)", m.Layers, m.Heads, c.Capacity, c.Beta, c.Temp, sum, weighted, c.Sum, c.Weighted)
			}
			if got := plan.Totals(0); got.Entries != int64(c.Sum+8*m.Layers*m.Heads) || got.Requested != int64(c.Capacity*m.Layers*m.Heads) {
				t.Errorf("totals %+v", got)
			}
		}
	}
}

func TestFloorDivIsPythons(t *testing.T) {
	for _, d := range readPublished(t).FloorDivs {
		if got := floorDiv(d.A, d.B); got != d.Q {
			t.Errorf("%v // %v = %v, Python says %v", d.A, d.B, got, d.Q)
		}
	}
}

func TestPyramidToTheInteger(t *testing.T) {
	for _, c := range readPublished(t).Pyramids {
		heads := rows(c.Layers, 1, 1, make([]float64, c.Layers)...)
		plan := make1(t, "pyramid", heads, Params{Capacity: c.Capacity, Window: c.Window, Slope: c.Beta, Context: c.Prompt})
		if got := budgets(plan); !reflect.DeepEqual(got, c.Budgets) {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// Two layers of four heads in groups of two; scores 8 4 0 4 | 0 0 8 8, so 32 in
// all; capacity 20, window 4, beta 2: base 16, 8 of it in the pool. By hand.
func TestLevelsByHand(t *testing.T) {
	heads := rows(2, 4, 2, 8, 4, 0, 4, 0, 0, 8, 8)
	p := Params{Capacity: 20, Window: 4, Beta: 2}
	for _, c := range []struct {
		level  Level
		reduce Reduce
		want   []int
	}{
		{Head, "", []int{24, 16, 8, 16, 8, 8, 24, 24}}, // pool 8·8: share/32·64 + 8
		{KVHead, "", []int{20, 12, 8, 24}},             // group shares 12 4 0 16 of 32, pool 32
		{KVHead, Max, []int{21, 14, 8, 21}},            // 8 4 0 8 of 20, pool 32: 12.8 6.4 0 12.8
		{ByLayer, "", []int{16, 16, 16, 16}},           // 16 and 16 of 32
	} {
		p.Level, p.Reduce = c.level, c.reduce
		plan := make1(t, "headkv", heads, p)
		if got := budgets(plan); !reflect.DeepEqual(got, c.want) {
			t.Errorf("level %s %s: %v, want %v", c.level, c.reduce, got, c.want)
		}
	}
	p.Level, p.Reduce = KVHead, ""
	plan := make1(t, "headkv", heads, p)
	per := plan.PerHead()
	if len(per) != 8 || per[1].Head != 1 || per[1].Budget != 20 || per[1].KVHead != 0 || per[6].Head != 2 || per[6].Layer != 1 || per[6].Entries != 28 {
		t.Errorf("per head %+v", per)
	}
	p.Level = Head
	kv := make1(t, "headkv", heads, p).PerKVHead()
	if len(kv) != 4 || kv[0].Budget != 40 || kv[0].Entries != 48 || kv[3].KVHead != 1 {
		t.Errorf("per KV head, with copies per query head: %+v", kv)
	}
}

func TestTotalsByHand(t *testing.T) {
	m := Model{ElementBytes: 2, Layers: []Layer{
		{Heads: 4, KVHeads: 2, KeyDim: 64, ValueDim: 64},
		{Heads: 4, KVHeads: 2, Window: 50, KeyDim: 64, ValueDim: 64},
	}}
	plan, err := Make("uniform", nil, m, Params{Capacity: 100, Window: 10})
	if err != nil {
		t.Fatal(err)
	}
	// The windowed layer's caches hold 50 each, the others 100.
	want := Totals{Caches: 4, Requested: 400, Entries: 300, Held: 300, Full: 2100,
		RequestedBytes: 400 * 256, EntriesBytes: 300 * 256, HeldBytes: 300 * 256, FullBytes: 2100 * 256, Share: 300. / 2100}
	if got := plan.Totals(1000); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := plan.Totals(70); got.Held != 2*70+2*50 || got.Share != 1 {
		t.Errorf("a prompt shorter than the budget: %+v", got)
	}
	if got := plan.Totals(0); !math.IsNaN(got.Share) || got.Full != 0 {
		t.Errorf("no context: %+v", got)
	}
	plan, err = Make("uniform", nil, m, Params{Capacity: 100, Window: 60})
	if err != nil {
		t.Fatal(err)
	}
	if b := plan.Caches[2]; b.Window != 50 || b.Budget != 0 || b.Entries != 50 {
		t.Errorf("a window longer than the layer's: %+v", b)
	}
}

func TestFit(t *testing.T) {
	m := readPublished(t).Models[2]
	heads := rows(m.Layers, m.Heads, 3, m.Means...)
	model := ModelOf(heads)
	for l := range model.Layers {
		if l%6 != 5 {
			model.Layers[l].Window = 96
		}
	}
	for _, policy := range []string{"headkv", "uniform", "pyramid"} {
		for _, level := range []Level{KVHead, Head, ByLayer} {
			for _, capacity := range []int{64, 127, 200} {
				plan, err := Make(policy, heads, model, Params{Capacity: capacity, Level: level, Fit: true})
				if err != nil {
					t.Fatal(err)
				}
				if got := plan.Totals(0); got.Entries != got.Requested {
					t.Errorf("%s, %s, %d: %d entries of %d", policy, level, capacity, got.Entries, got.Requested)
				}
				for _, c := range plan.Caches {
					if w := model.Layers[c.Layer].Window; w > 0 && c.Entries > w || c.Budget < 0 {
						t.Fatalf("%+v exceeds the layer's window of %d", c, w)
					}
				}
			}
		}
	}
	// Every cache is as full as it gets: 96 entries in 25 of 30 layers, 1000 tokens in five.
	if _, err := Make("headkv", heads, model, Params{Capacity: 300, Fit: true, Context: 1000}); err == nil || !strings.Contains(err.Error(), "can hold") {
		t.Errorf("more than the caches hold: %v", err)
	}
	// Largest remainders by hand: quotas 1 1 1 of 2 → 0.67 each; ties go to the lowest index.
	got, err := fit([]float64{1, 1, 1}, []int{9, 9, 9}, 2)
	if err != nil || !reflect.DeepEqual(got, []int{1, 1, 0}) {
		t.Errorf("ties: %v, %v", got, err)
	}
	// 5.5 3.3 2.2 of 11 → floors 5 3 2, and the entry left goes to .5.
	got, _ = fit([]float64{5, 3, 2}, []int{9, 9, 9}, 11)
	if !reflect.DeepEqual(got, []int{6, 3, 2}) {
		t.Errorf("remainders: %v", got)
	}
	// The first may take only 2; 9 are left for 3:2 → 5.4 and 3.6.
	got, _ = fit([]float64{5, 3, 2}, []int{2, 9, 9}, 11)
	if !reflect.DeepEqual(got, []int{2, 5, 4}) {
		t.Errorf("caps: %v", got)
	}
	// Nothing scored: shared evenly.
	got, _ = fit([]float64{5, 0, 0}, []int{2, 9, 9}, 8)
	if !reflect.DeepEqual(got, []int{2, 3, 3}) {
		t.Errorf("zero quotas: %v", got)
	}
}

// Four KV heads of two heads each, prompt of 1000, streaming 20+30. Capacity
// 300: 1200 entries, of which four streaming heads take 200 and one whole head
// 950 more. By hand.
func TestTopHeads(t *testing.T) {
	heads := rows(2, 4, 2, 0, 5, 3, 3, 0, 0, 1, 0)
	plan := make1(t, "top-heads", heads, Params{Capacity: 300, Context: 1000, Sink: 20, Recent: 30})
	want := []Budget{
		{Layer: 0, Head: 0, KVHead: 0, Budget: 970, Window: 30, Entries: 1000, Full: true},
		{Layer: 0, Head: 2, KVHead: 1, Budget: 20, Window: 30, Entries: 50},
		{Layer: 1, Head: 0, KVHead: 0, Budget: 20, Window: 30, Entries: 50},
		{Layer: 1, Head: 2, KVHead: 1, Budget: 20, Window: 30, Entries: 50},
	}
	if !reflect.DeepEqual(plan.Caches, want) {
		t.Errorf("%+v", plan.Caches)
	}
	// By mean the second group is better: 3 against 2.5.
	plan = make1(t, "top-heads", heads, Params{Capacity: 300, Context: 1000, Sink: 20, Recent: 30, Reduce: Mean})
	if plan.Caches[0].Full || !plan.Caches[1].Full {
		t.Errorf("by mean: %+v", plan.Caches)
	}
	plan = make1(t, "top-heads", heads, Params{Capacity: 300, Context: 1000, Sink: 20, Recent: 30, Full: 3})
	if !plan.Caches[0].Full || !plan.Caches[1].Full || plan.Caches[2].Full || !plan.Caches[3].Full {
		t.Errorf("three whole: %+v", plan.Caches)
	}
}

func TestMakeRefuses(t *testing.T) {
	heads := rows(1, 2, 1, 1, 2)
	ok := Params{Capacity: 64}
	for _, c := range []struct {
		name, policy string
		heads        []scoring.Head
		change       func(p *Params)
		want         string
	}{
		{"policy", "magic", heads, nil, "no allocation policy"},
		{"capacity within the window", "headkv", heads, func(p *Params) { p.Window = 64 }, "larger than the window"},
		{"huge capacity", "headkv", heads, func(p *Params) { p.Capacity = 1 << 40 }, "at most"},
		{"beta", "headkv", heads, func(p *Params) { p.Beta = .5 }, "beta"},
		{"beta NaN", "headkv", heads, func(p *Params) { p.Beta = math.NaN() }, "beta"},
		{"temp", "headkv", heads, func(p *Params) { p.Temp = -1 }, "temp"},
		{"level", "headkv", heads, func(p *Params) { p.Level = "x" }, "no level"},
		{"reduction", "headkv", heads, func(p *Params) { p.Reduce = "x" }, "no reduction"},
		{"other heads", "headkv", heads[:1], nil, "name 1 heads, the model has 2"},
		{"no scores", "headkv", rows(1, 2, 1, 0, 0), nil, "add up to 0"},
		{"negative", "headkv", rows(1, 2, 1, 1, -1), nil, "layer 0, head 1"},
		{"NaN", "headkv", rows(1, 2, 1, math.NaN(), 1), nil, "layer 0, head 0"},
		{"temp that overflows", "headkv", rows(1, 2, 1, 1, 1), func(p *Params) { p.Temp = 1e300 }, "vanishes"},
		{"top-heads without context", "top-heads", heads, nil, "context length"},
		{"top-heads by layer", "top-heads", heads, func(p *Params) { p.Context, p.Level = 100, ByLayer }, "means nothing"},
		{"top-heads fitted", "top-heads", heads, func(p *Params) { p.Context, p.Fit = 100, true }, "fitted"},
	} {
		p := ok
		if c.change != nil {
			c.change(&p)
		}
		if _, err := Make(c.policy, c.heads, ModelOf(heads), p); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := Make("uniform", nil, Model{}, ok); err == nil {
		t.Error("a model without layers")
	}
	if _, err := Make("uniform", nil, Model{Layers: []Layer{{Heads: 3, KVHeads: 2}}}, ok); err == nil {
		t.Error("three heads on two KV heads")
	}
}
