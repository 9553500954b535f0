package kvcache

import (
	"reflect"
	"strings"
	"testing"

	"headprof/runner/shape"
	"headprof/scoring"
	"headprof/scoring/allocate"
	"headprof/scoring/param"
)

// profileOf makes a profile of one method: layers of two KV heads, a query
// head each.
func profileOf(method string, scores ...float64) *scoring.Table {
	t := new(scoring.Table)
	for i, v := range scores {
		t.Heads = append(t.Heads, scoring.Head{Layer: i / 2, Head: i % 2, KVHead: i % 2, Method: method, Mean: v})
	}
	return t
}

func modelOf(layers int) allocate.Model {
	m := allocate.Model{}
	for range layers {
		m.Layers = append(m.Layers, shape.Layer{Heads: 2, KVHeads: 2})
	}
	return m
}

func ptr(n int) *int { return &n }

func TestPoliciesInTheOrderOfTables(t *testing.T) {
	var names, watching, scored []string
	for _, d := range Declarations() {
		names = append(names, d.Name)
		p := d.New()
		param.SetDefaults(p)
		profile := profileOf("x", 1, 2, 3, 4)
		if d.Curves {
			profile.Heads = append(profileOf("cache-cut-8", 1, 2, 3, 4).Heads, profileOf("cache-cut-16", 0, 0, 0, 0).Heads...)
		}
		policy, err := p.For(Prompt{Tokens: 100, Capacity: 20, Model: modelOf(2), Scores: profile})
		if err != nil {
			t.Fatal(err)
		}
		if Watches(policy) {
			watching = append(watching, d.Name)
		}
		if d.Method != "" {
			scored = append(scored, d.Name)
		}
		if _, err := p.For(Prompt{Tokens: 100, Capacity: 20, Model: modelOf(2)}); (err != nil) != (d.Method != "") {
			t.Errorf("%s without a profile: %v", d.Name, err)
		}
	}
	for _, c := range []struct {
		what, want string
		got        []string
	}{
		{"all", "full streaming snapkv pyramidkv adasnapkv headkv-r2 headkv-r marginal headkv-permuted duoattention", names},
		{"look at attention", "snapkv pyramidkv adasnapkv headkv-r2 headkv-r marginal headkv-permuted", watching},
		{"need scores", "headkv-r2 headkv-r marginal headkv-permuted duoattention", scored},
	} {
		if got := strings.Join(c.got, " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
	if d, err := Lookup("snapkv"); err != nil || d.Name != "snapkv" {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := Lookup("snapkw"); err == nil || !strings.Contains(err.Error(), `no policy "snapkw"; known: full, streaming, snapkv`) {
		t.Errorf("%v", err)
	}
}

// By hand: four caches and a prompt of 100 tokens. Half of capacity × 4 goes to
// whole heads, as many as fit; the rest is shared by the others, a quarter sinks.
func TestDuoAttentionDividesACapacity(t *testing.T) {
	profile := profileOf("headkv-r2", 1, 2, 4, 3)
	for _, c := range []struct {
		name          string
		capacity      int
		preset        DuoAttention
		full          [][]bool
		sinks, recent int
	}{
		{"half of 200 is one whole head, 100 over three others", 50, DuoAttention{}, [][]bool{{false, false}, {true, false}}, 8, 25},
		{"half of 80 is none", 20, DuoAttention{}, [][]bool{{false, false}, {false, false}}, 5, 15},
		{"half of 8 is none; a sink and a recent token", 2, DuoAttention{}, [][]bool{{false, false}, {false, false}}, 1, 1},
		{"half of 400 is two", 100, DuoAttention{}, [][]bool{{false, false}, {true, true}}, 25, 75},
		{"all are whole", 200, DuoAttention{}, [][]bool{{true, true}, {true, true}}, 50, 150},
		// 4 · 15 entries stream; a whole head takes 85 more: one fits into 200, two do not.
		{"given sizes", 50, DuoAttention{Sinks: ptr(5), Recent: ptr(10)}, [][]bool{{false, false}, {true, false}}, 5, 10},
		// 4 · 33 entries stream; a whole head takes 67 more: 199 of 200.
		{"no sinks", 50, DuoAttention{Sinks: ptr(0)}, [][]bool{{false, false}, {true, false}}, 0, 33},
		{"no recent tokens", 50, DuoAttention{Recent: ptr(0)}, [][]bool{{false, false}, {true, false}}, 8, 0},
	} {
		p, err := c.preset.For(Prompt{Tokens: 100, Capacity: c.capacity, Model: modelOf(2), Scores: profile})
		if err != nil {
			t.Fatal(err)
		}
		if d := p.(DuoAttention); !reflect.DeepEqual(d.full, c.full) || d.sinks != c.sinks || d.recent != c.recent {
			t.Errorf("%s: %v whole, %d sinks, %d recent; want %v, %d, %d", c.name, d.full, d.sinks, d.recent, c.full, c.sinks, c.recent)
		}
	}
}

// By hand: shares 1/4 and 3/4; capacity 20, window 8, beta 2: base 12, pool 12,
// floor 6, so 9 and 15. In a prompt of 22 tokens a cache selects 14 at most: the
// one entry too many goes to the other head where the total is to be fitted.
func TestHeadKVBudgetsOfAPrompt(t *testing.T) {
	preset := HeadKV{Selection: Selection{8, 7}, HeadKV: allocate.HeadKV{Beta: 2, Temp: 1}, Level: allocate.KVHead, method: "headkv-r2"}
	for _, c := range []struct {
		fit   bool
		level allocate.Level
		want  []int
	}{{false, allocate.KVHead, []int{9, 15}}, {true, allocate.KVHead, []int{10, 14}}, {false, allocate.ByLayer, []int{12, 12}}} {
		preset.Fit, preset.Level = c.fit, c.level
		p, err := preset.For(Prompt{Tokens: 22, Capacity: 20, Model: modelOf(1), Scores: profileOf("headkv-r2", 1, 3)})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.(HeadKV).budgets; !reflect.DeepEqual(got, [][]int{c.want}) {
			t.Errorf("fit %v, level %s: %v, want %v", c.fit, c.level, got, c.want)
		}
	}
	preset.Temp = 0
	if _, err := preset.For(Prompt{Tokens: 22, Capacity: 20, Model: modelOf(1), Scores: profileOf("headkv-r2", 1, 3)}); err == nil || !strings.Contains(err.Error(), "temp 0") {
		t.Errorf("temp 0: %v", err)
	}
}

// The budgets of TestHeadKVBudgetsOfAPrompt, dealt out to the two heads of a
// layer in either order, and nothing to deal out among single heads.
func TestPermutedBudgets(t *testing.T) {
	preset := Permuted{HeadKV: HeadKV{Selection: Selection{8, 7}, HeadKV: allocate.HeadKV{Beta: 2, Temp: 1}, Level: allocate.KVHead, method: "headkv-r2"}}
	seen := map[int]int{}
	for preset.Seed = range 40 {
		p, err := preset.For(Prompt{Tokens: 22, Capacity: 20, Model: modelOf(1), Scores: profileOf("headkv-r2", 1, 3)})
		if err != nil {
			t.Fatal(err)
		}
		b := p.(HeadKV).budgets[0]
		if b[0]+b[1] != 24 {
			t.Errorf("seed %d: %v, want 9 and 15", preset.Seed, b)
		}
		seen[b[0]]++
	}
	if len(seen) != 2 || seen[9] < 10 || seen[15] < 10 {
		t.Errorf("the first head's budget: %v, want 9 and 15 about equally often", seen)
	}
	single := allocate.Model{Layers: []shape.Layer{{Heads: 2, KVHeads: 1}}}
	if _, err := preset.For(Prompt{Tokens: 22, Capacity: 20, Model: single, Scores: profileOf("headkv-r2", 1, 3)}); err == nil || !strings.Contains(err.Error(), "one KV head") {
		t.Errorf("one KV head: %v", err)
	}
}

// Capacities reach the policies, and count the window or the sinks.
func TestCapacitiesOfPresets(t *testing.T) {
	ramp := make([]float32, 92) // later entries are looked at more
	for i := range ramp {
		ramp[i] = float32(i)
	}
	for _, c := range []struct {
		preset Preset
		kept   int
	}{
		{Streaming{Sinks: 4}, 20}, {SnapKV{Selection: Selection{8, 7}}, 20}, {AdaSnapKV{Selection: Selection{8, 7}, Floor: 0.2}, 20},
		// The first of two layers gets twice the base of 12 less a third: 20, and the window.
		{PyramidKV{Selection: Selection{8, 7}, Pyramid: allocate.Pyramid{Slope: 3}}, 28},
		{Full{}, 100},
	} {
		p, err := c.preset.For(Prompt{Tokens: 100, Capacity: 20, Model: modelOf(2)})
		if err != nil {
			t.Fatal(err)
		}
		keep := p.Keep(Layer{Layer: shape.Layer{KVHeads: 1}, Places: 2, Entries: 100, Attention: [][]float32{ramp}})
		if len(keep[0]) != c.kept {
			t.Errorf("%T keeps %d entries, want %d", c.preset, len(keep[0]), c.kept)
		}
	}
}

// By hand: a base of 12 and a prompt of 24 tokens, the last one still to be fed.
// 24 is not below twice the base, so the first of two layers selects all 16
// entries before the window of 8; with 23 tokens it would select 12.
func TestPyramidCountsTokensStillToBeFed(t *testing.T) {
	p := PyramidKV{Selection{8, 7}, allocate.Pyramid{Slope: 3}, 20}
	for entries, want := range map[int]int{23: 23, 22: 12 + 7} {
		l := Layer{Layer: shape.Layer{KVHeads: 1}, Places: 2, Entries: entries, Pending: 1, Attention: [][]float32{make([]float32, entries-7)}}
		if got := len(p.Keep(l)[0]); got != want {
			t.Errorf("%d entries and one pending: keeps %d, want %d", entries, got, want)
		}
	}
}

// A profile's rows are found by method; a file of one other method serves as
// well; of several others, none does.
func TestProfilesByMethod(t *testing.T) {
	both := profileOf("a", 1, 2)
	both.Heads = append(both.Heads, profileOf("b", 3, 4).Heads...)
	for _, c := range []struct {
		table   *scoring.Table
		methods []string
		want    float64
		err     string
	}{
		{both, []string{"b"}, 3, ""},
		{both, []string{"x", "b"}, 3, ""},
		{both, []string{"a", "b"}, 1, ""},
		{profileOf("a", 1, 2), []string{"x"}, 1, ""},
		{both, []string{"x", "y"}, 0, "no scores of method y, but of a, b"},
		{nil, []string{"a"}, 0, "--scores"},
	} {
		rows, err := Prompt{Scores: c.table}.rows(c.methods...)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%v: %v, want %q", c.methods, err, c.err)
			}
		} else if err != nil || rows[0].Mean != c.want {
			t.Errorf("%v: %v, %v", c.methods, rows, err)
		}
	}
}

// By hand: two caches lose 8 and 4 nats at 8 entries, nothing at 16 and 12. Of
// 24 entries 16 are windows; the first entries of each are worth a nat, and the
// first cache takes all 8. Of 32, the second takes 4 more, and 4 are shared.
func TestMarginalBudgetsOfAPrompt(t *testing.T) {
	profile := &scoring.Table{}
	for _, m := range []struct {
		name   string
		scores []float64
	}{{"headkv-r2", []float64{1, 1}}, {"cache-cut-8", []float64{8, 4}}, {"cache-cut-12", []float64{4, 0}}, {"cache-cut-16", []float64{0, 0}}} {
		profile.Heads = append(profile.Heads, profileOf(m.name, m.scores...).Heads...)
	}
	for capacity, want := range map[int][]int{12: {8, 0}, 16: {10, 6}} {
		p, err := Marginal{Selection: Selection{8, 7}}.For(Prompt{Tokens: 100, Capacity: capacity, Model: modelOf(1), Scores: profile})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.(Marginal).budgets; !reflect.DeepEqual(got, [][]int{want}) {
			t.Errorf("capacity %d: %v, want %v", capacity, got, want)
		}
	}
	_, err := Marginal{}.For(Prompt{Tokens: 100, Capacity: 12, Model: modelOf(1), Scores: profileOf("headkv-r2", 1, 1)})
	if err == nil || !strings.Contains(err.Error(), "the profile: it holds no curves; 'headprof score --method cache-cut --cut-curve auto' measures them") {
		t.Errorf("%v", err)
	}
	// Points of a curve are no methods to allocate by: headkv-r2 is the only one.
	if _, err := (Prompt{Scores: profile}).rows("retrieval"); err != nil {
		t.Error(err)
	}
}
