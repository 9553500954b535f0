package allocate

import (
	"encoding/json"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"

	"headprof/runner/shape"
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

// params are the defaults, changed.
func params(capacity int, change ...func(*Params)) Params {
	p := DefaultParams()
	p.Capacity = capacity
	for _, c := range change {
		c(&p)
	}
	return p
}

func window(n int) func(*Params)       { return func(p *Params) { p.Window = n } }
func level(l Level) func(*Params)      { return func(p *Params) { p.Level = l } }
func reduction(r Reduce) func(*Params) { return func(p *Params) { p.Reduce = r } }
func prompt(n int) func(*Params)       { return func(p *Params) { p.Context = &n } }
func fitted(p *Params)                 { p.Fit = true }

func make1(t *testing.T, policy Policy, heads []scoring.Head, p Params) *Plan {
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
			plan := make1(t, HeadKV{c.Beta, c.Temp}, heads, params(c.Capacity, level(Head)))
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
		plan := make1(t, Pyramid{c.Beta}, heads, params(c.Capacity, window(c.Window), prompt(c.Prompt)))
		if got := budgets(plan); !reflect.DeepEqual(got, c.Budgets) {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// Two layers of four heads in groups of two; scores 8 4 0 4 | 0 0 8 8, so 32 in
// all; capacity 20, window 4, beta 2: base 16, 8 of it in the pool. By hand.
func TestLevelsByHand(t *testing.T) {
	heads := rows(2, 4, 2, 8, 4, 0, 4, 0, 0, 8, 8)
	p := params(20, window(4))
	for _, c := range []struct {
		level  Level
		reduce Reduce
		want   []int
	}{
		{Head, Auto, []int{24, 16, 8, 16, 8, 8, 24, 24}}, // pool 8·8: share/32·64 + 8
		{KVHead, Auto, []int{20, 12, 8, 24}},             // group shares 12 4 0 16 of 32, pool 32
		{KVHead, Max, []int{21, 14, 8, 21}},              // 8 4 0 8 of 20, pool 32: 12.8 6.4 0 12.8
		{ByLayer, Auto, []int{16, 16, 16, 16}},           // 16 and 16 of 32
	} {
		p.Level, p.Reduce = c.level, c.reduce
		plan := make1(t, HeadKV{2, 1}, heads, p)
		if got := budgets(plan); !reflect.DeepEqual(got, c.want) {
			t.Errorf("level %s %s: %v, want %v", c.level, c.reduce, got, c.want)
		}
	}
	p.Level, p.Reduce = KVHead, Auto
	plan := make1(t, HeadKV{2, 1}, heads, p)
	per := plan.PerHead()
	if len(per) != 8 || per[1].Head != 1 || per[1].Budget != 20 || per[1].KVHead != 0 || per[6].Head != 2 || per[6].Layer != 1 || per[6].Entries != 28 {
		t.Errorf("per head %+v", per)
	}
	p.Level = Head
	kv := make1(t, HeadKV{2, 1}, heads, p).PerKVHead()
	if len(kv) != 4 || kv[0].Budget != 40 || kv[0].Entries != 48 || kv[3].KVHead != 1 {
		t.Errorf("per KV head, with copies per query head: %+v", kv)
	}
}

func TestTotalsByHand(t *testing.T) {
	m := Model{ElementBytes: 2, Layers: shape.Model{
		{Heads: 4, KVHeads: 2, KeyDim: 64, ValueDim: 64},
		{Heads: 4, KVHeads: 2, Window: 50, KeyDim: 64, ValueDim: 64},
	}}
	plan, err := Make(Uniform{}, nil, m, params(100, window(10)))
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
	plan, err = Make(Uniform{}, nil, m, params(100, window(60)))
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
	for _, policy := range []Policy{HeadKV{1.2, 1}, Uniform{}, Pyramid{20}} {
		for _, lv := range []Level{KVHead, Head, ByLayer} {
			for _, capacity := range []int{64, 127, 200} {
				plan, err := Make(policy, heads, model, params(capacity, level(lv), fitted))
				if err != nil {
					t.Fatal(err)
				}
				if got := plan.Totals(0); got.Entries != got.Requested {
					t.Errorf("%s, %s, %d: %d entries of %d", policy.Name(), lv, capacity, got.Entries, got.Requested)
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
	if _, err := Make(HeadKV{1.2, 1}, heads, model, params(300, fitted, prompt(1000))); err == nil || !strings.Contains(err.Error(), "can hold") {
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
	plan := make1(t, TopHeads{Sink: 20, Recent: 30}, heads, params(300, prompt(1000)))
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
	plan = make1(t, TopHeads{Sink: 20, Recent: 30}, heads, params(300, prompt(1000), reduction(Mean)))
	if plan.Caches[0].Full || !plan.Caches[1].Full {
		t.Errorf("by mean: %+v", plan.Caches)
	}
	three := 3
	plan = make1(t, TopHeads{Sink: 20, Recent: 30, Full: &three}, heads, params(300, prompt(1000)))
	if !plan.Caches[0].Full || !plan.Caches[1].Full || plan.Caches[2].Full || !plan.Caches[3].Full {
		t.Errorf("three whole: %+v", plan.Caches)
	}
}

func TestMakeRefuses(t *testing.T) {
	heads := rows(1, 2, 1, 1, 2)
	headKV := HeadKV{1.2, 1}
	for _, c := range []struct {
		name   string
		policy Policy
		heads  []scoring.Head
		params Params
		want   string
	}{
		{"capacity within the window", headKV, heads, params(64, window(64)), "larger than the window"},
		{"huge capacity", headKV, heads, params(1 << 40), "at most"},
		{"huge window", headKV, heads, params(1<<28, window(1<<28+1)), "at most"},
		{"negative window", headKV, heads, params(64, window(-1)), "window -1: it must be at least 0"},
		{"beta of 1 leaves no floor to add to", HeadKV{1, 1}, heads, params(64), "beta 1: it must be above 1"},
		{"beta 0 is not the default", HeadKV{0, 1}, heads, params(64), "beta 0"},
		{"beta NaN", HeadKV{math.NaN(), 1}, heads, params(64), "beta"},
		{"beta infinite", HeadKV{math.Inf(1), 1}, heads, params(64), "beta"},
		{"temp 0 is not the default", HeadKV{1.2, 0}, heads, params(64), "temp 0: it must be above 0"},
		{"temp negative", HeadKV{1.2, -1}, heads, params(64), "temp"},
		{"slope", Pyramid{0}, heads, params(64), "slope 0: it must be at least 1"},
		{"sinks", TopHeads{Sink: -1}, heads, params(64, prompt(100)), "sink -1"},
		{"level", headKV, heads, params(64, level("x")), "level x: it must be kv-head, head or layer"},
		{"reduction", headKV, heads, params(64, reduction("")), "reduce"},
		{"context", headKV, heads, params(64, prompt(0)), "context 0: it must be at least 1"},
		{"other heads", headKV, heads[:1], params(64), "name 1 heads, the model has 2"},
		{"no scores", headKV, rows(1, 2, 1, 0, 0), params(64), "add up to 0"},
		{"negative", headKV, rows(1, 2, 1, 1, -1), params(64), "layer 0, head 1"},
		{"NaN", headKV, rows(1, 2, 1, math.NaN(), 1), params(64), "layer 0, head 0"},
		{"temp that overflows", HeadKV{1.2, 1e300}, rows(1, 2, 1, 1, 1), params(64), "vanishes"},
		{"top-heads without context", TopHeads{}, heads, params(64), "context length"},
		{"top-heads by layer", TopHeads{}, heads, params(64, prompt(100), level(ByLayer)), "means nothing"},
		{"top-heads fitted", TopHeads{}, heads, params(64, prompt(100), fitted), "fitted"},
	} {
		if _, err := Make(c.policy, c.heads, ModelOf(heads), c.params); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := New("magic"); err == nil || err.Error() != `no allocation policy "magic"; known: headkv, uniform, pyramid, top-heads, marginal` {
		t.Errorf("an unknown policy: %v", err)
	}
	if _, err := Make(Uniform{}, nil, Model{}, params(64)); err == nil {
		t.Error("a model without layers")
	}
	if _, err := Make(Uniform{}, nil, Model{Layers: shape.Model{{Heads: 3, KVHeads: 2}}}, params(64)); err == nil {
		t.Error("three heads on two KV heads")
	}
}

// A cache that two layers read counts the heads of both; a layer without one has
// no budget, and its heads have that of the cache they read.
func TestSharedCachesHaveOneBudget(t *testing.T) {
	layers := shape.Uniform(3, shape.Layer{Heads: 2, KVHeads: 1})
	layers[2].Shares = 2
	p := DefaultParams()
	p.Capacity, p.Window = 108, 8
	for how, want := range map[Reduce][2]int{
		// Shares are 0.1 0.1 | 0.2 0.2 | 0.3 0.1. By mean, the heads of layers 0 and 2
		// together have 0.15 and those of layer 1 0.2; by max 0.3 and 0.2. A floor of 50
		// and a pool of 100: 50 + 100·0.15/0.35, …
		Mean: {93, 107},
		Max:  {110, 90},
	} {
		p.Reduce = how
		plan, err := Make(HeadKV{Beta: 2, Temp: 1}, rows(3, 2, 2, 1, 1, 2, 2, 3, 1), Model{Layers: layers}, p)
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.Caches) != 2 || plan.Caches[0].Budget != want[0] || plan.Caches[1].Budget != want[1] {
			t.Errorf("%s: %+v, want %v", how, plan.Caches, want)
		}
		heads := plan.PerHead()
		if len(heads) != 6 || heads[4].Layer != 2 || heads[5].Budget != want[0] {
			t.Errorf("%s: %+v", how, heads)
		}
	}
	p.Level = Head
	if _, err := Make(Uniform{}, nil, Model{Layers: layers}, p); err == nil || !strings.Contains(err.Error(), "layer 2") {
		t.Errorf("a copy per query head: %v", err)
	}
}
