package allocate

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"headprof/runner/shape"
	"headprof/scoring"
)

func TestPoliciesAreFoundByName(t *testing.T) {
	if got := strings.Join(Policies(), " "); got != "headkv uniform pyramid top-heads marginal" {
		t.Errorf("policies %s", got)
	}
	for name, want := range map[string]Policy{
		"headkv": &HeadKV{1.2, 1}, "uniform": &Uniform{}, "pyramid": &Pyramid{20}, "top-heads": &TopHeads{nil, 128, 256},
	} {
		if got, err := New(name); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
		}
	}
	for name, want := range map[string]string{"window": "", "beta": "headkv", "slope": "pyramid", "full-heads": "top-heads"} {
		if got := strings.Join(Parameters().Owners(name), " "); got != want {
			t.Errorf("%s belongs to %q, want %q", name, got, want)
		}
	}
	p := DefaultParams()
	if p.Window != 8 || p.Level != KVHead || p.Reduce != Auto || p.Fit || p.Context != nil {
		t.Errorf("defaults %+v", p)
	}
}

// A plan says all parameters that made it, and no other policy's.
func TestSettingsOfAPlan(t *testing.T) {
	heads := rows(1, 2, 1, 1, 2)
	var got []string
	plan := make1(t, &HeadKV{2, 0.5}, heads, params(64, prompt(100)))
	for _, v := range plan.Settings() {
		got = append(got, v.Name+"="+v.Text)
	}
	if want := "window=8 level=kv-head reduce=auto fit=false context=100 beta=2 temp=0.5"; strings.Join(got, " ") != want {
		t.Errorf("settings %v, want %s", got, want)
	}
	if beta, temp, ok := plan.HeadKV(); beta != 2 || temp != 0.5 || !ok || plan.Policy != "headkv" {
		t.Errorf("%s: %v, %v, %v", plan.Policy, beta, temp, ok)
	}
	if beta, temp, ok := make1(t, HeadKV{3, 1}, heads, params(64)).HeadKV(); beta != 3 || temp != 1 || !ok {
		t.Errorf("%v, %v, %v", beta, temp, ok)
	}
	if _, _, ok := make1(t, Uniform{}, heads, params(64)).HeadKV(); ok {
		t.Error("uniform has a beta")
	}
}

// By hand. Four heads on one KV head and two heads on two: scores 4 2 1 1 | 4 4
// of 16, groups of 4, 1 and 1. Capacity 20, window 8, beta 2: base 12, pool
// 6·3 = 18, floor 6.
func TestGroupsOfDifferentSizes(t *testing.T) {
	var heads []scoring.Head
	for i, v := range []float64{4, 2, 1, 1} {
		heads = append(heads, scoring.Head{Layer: 0, Head: i, KVHead: 0, Mean: v})
	}
	for i := range 2 {
		heads = append(heads, scoring.Head{Layer: 1, Head: i, KVHead: i, Mean: 4})
	}
	for _, c := range []struct {
		level  Level
		reduce Reduce
		want   []int
	}{
		{KVHead, Mean, []int{10, 13, 13}},         // means .125 .25 .25 of .625: 3.6 7.2 7.2
		{KVHead, Max, []int{12, 12, 12}},          // .25 .25 .25
		{ByLayer, Mean, []int{15, 10, 10}},        // .5, and .5 for two: 9 4.5 4.5, rounded half to even
		{ByLayer, Max, []int{15, 10, 10}},         // .25, and .25 for two: the same
		{Head, Mean, []int{15, 10, 8, 8, 15, 15}}, // pool 36: 9 4.5 2.25 2.25 9 9
	} {
		if got := budgets(make1(t, HeadKV{2, 1}, heads, params(20, level(c.level), reduction(c.reduce)))); !reflect.DeepEqual(got, c.want) {
			t.Errorf("level %s, %s: %v, want %v", c.level, c.reduce, got, c.want)
		}
	}
}

// By hand. Shares .2 .2 .4 .2 of a pool of 24 over a floor of 6: 11 11 16 11 and
// the window of 8, in layers that see 16, 16, all and 19 keys.
func TestWhatSlidingWindowsTakeOff(t *testing.T) {
	heads := rows(4, 1, 1, 1, 1, 2, 1)
	for l, w := range []int{16, 16, 0, 19} {
		heads[l].Window = w
	}
	capped := func(p *Plan) (out []int) {
		for _, b := range p.Caches {
			out = append(out, b.Capped)
		}
		return out
	}
	for _, c := range []struct {
		name            string
		policy          Policy
		params          Params
		entries, capped []int
	}{
		{"headkv", HeadKV{2, 1}, params(20), []int{16, 16, 24, 19}, []int{3, 3, 0, 0}},
		{"headkv, fitted: 80 − 16 − 16 are left for 16:11, of which the last can have 11", HeadKV{2, 1}, params(20, fitted), []int{16, 16, 29, 19}, []int{3, 3, 0, 0}},
		{"uniform", Uniform{}, params(20), []int{16, 16, 20, 19}, []int{4, 4, 0, 1}},
		{"a window of 17", Uniform{}, params(20, window(17)), []int{16, 16, 20, 19}, []int{4, 4, 0, 1}},
		{"top-heads", TopHeads{Sink: 4, Recent: 14}, params(20, prompt(100)), []int{16, 16, 18, 18}, []int{2, 2, 0, 0}},
		{"top-heads in 17 tokens", TopHeads{Sink: 4, Recent: 14}, params(20, prompt(17)), []int{16, 16, 17, 17}, []int{0, 0, 0, 0}},
	} {
		plan := make1(t, c.policy, heads, c.params)
		var entries []int
		for _, b := range plan.Caches {
			entries = append(entries, b.Entries)
		}
		if !reflect.DeepEqual(entries, c.entries) || !reflect.DeepEqual(capped(plan), c.capped) {
			t.Errorf("%s: entries %v, capped %v; want %v, %v", c.name, entries, capped(plan), c.entries, c.capped)
		}
	}
	// With copies per query head, a KV head's are summed.
	pair := rows(1, 2, 2, 1, 1)
	pair[0].Window, pair[1].Window = 16, 16
	kv := make1(t, Uniform{}, pair, params(20, level(Head))).PerKVHead()
	if len(kv) != 1 || kv[0].Capped != 8 || kv[0].Entries != 32 || kv[0].Window != 16 || kv[0].Budget != 16 {
		t.Errorf("per KV head %+v", kv)
	}
}

// By hand: four caches stream 50 each, a whole one of 1002 takes 952 more. 1152
// is 4 · 288, which just pays for it.
func TestTopHeadsSpendsToTheLastEntry(t *testing.T) {
	heads := rows(2, 4, 2, 0, 5, 3, 3, 0, 0, 1, 0)
	for capacity, want := range map[int]bool{288: true, 287: false} {
		plan := make1(t, TopHeads{Sink: 20, Recent: 30}, heads, params(capacity, prompt(1002)))
		if plan.Caches[0].Full != want {
			t.Errorf("capacity %d: whole is %v", capacity, plan.Caches[0].Full)
		}
	}
	none := 0
	for _, b := range make1(t, TopHeads{Sink: 20, Recent: 30, Full: &none}, heads, params(1000, prompt(1002))).Caches {
		if b.Full || b.Entries != 50 {
			t.Errorf("no whole head: %+v", b)
		}
	}
}

func TestFitAtItsLimits(t *testing.T) {
	for _, c := range []struct {
		quotas []float64
		caps   []int
		total  int
		want   []int // nil: refused
	}{
		{[]float64{1, 1}, []int{5, 5}, 0, []int{0, 0}},
		{[]float64{1, 1}, []int{5, 5}, -1, nil},
		{[]float64{1, 3}, []int{5, 5}, 10, []int{5, 5}},
		{[]float64{1, 3}, []int{5, 5}, 11, nil},
		{[]float64{0, 0, 0}, []int{9, 9, 9}, 7, []int{3, 2, 2}},
		{[]float64{1, 1, 2}, []int{9, 9, 9}, 6, []int{2, 1, 3}},  // 1.5 1.5 3: the entry left goes to the first
		{[]float64{1, 2, 3}, []int{9, 9, 9}, 7, []int{1, 2, 4}},  // 1.17 2.33 3.5
		{[]float64{6, 3, 1}, []int{2, 3, 9}, 10, []int{2, 3, 5}}, // one cap after the other
	} {
		got, err := fit(c.quotas, c.caps, c.total)
		if (err == nil) != (c.want != nil) || err == nil && !reflect.DeepEqual(got, c.want) {
			t.Errorf("fit(%v, %v, %d) = %v, %v; want %v", c.quotas, c.caps, c.total, got, err, c.want)
		}
	}
	// A prompt shorter than the window has room for nothing else.
	heads := rows(1, 2, 1, 1, 1)
	if _, err := Make(Uniform{}, heads, ModelOf(heads), params(20, window(8), prompt(5), fitted)); err == nil {
		t.Error("40 entries fitted into two caches of 5 tokens")
	}
	plan := make1(t, HeadKV{2, 1}, rows(1, 2, 1, 1, 3), params(20, prompt(22), fitted))
	if got := budgets(plan); !reflect.DeepEqual(got, []int{10, 14}) { // 9 and 15, of which 14 fit beside the window
		t.Errorf("what a prompt of 22 tokens caps is handed on as %v, want 10 and 14", got)
	}
}

func TestModelsThatCannotBeDivided(t *testing.T) {
	for _, c := range []struct {
		layers shape.Model
		ok     bool
	}{
		{shape.Model{{Heads: 1 << 20, KVHeads: 1}}, true},
		{shape.Model{{Heads: 1 << 20, KVHeads: 1}, {Heads: 1, KVHeads: 1}}, false},
		{shape.Model{{Heads: 0, KVHeads: 1}}, false}, {shape.Model{{Heads: 1, KVHeads: 0}}, false}, {shape.Model{{Heads: -2, KVHeads: 1}}, false},
		{shape.Model{{Heads: 1, KVHeads: 1, Window: -1}}, false}, {shape.Model{{Heads: 1, KVHeads: 1, KeyDim: -1}}, false},
		{shape.Model{{Heads: 1, KVHeads: 1, ValueDim: -1}}, false}, {nil, false},
	} {
		if _, err := Make(Uniform{}, nil, Model{Layers: c.layers}, params(64)); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.layers, err)
		}
	}
	swapped := rows(1, 2, 1, 1, 2)
	swapped[0], swapped[1] = swapped[1], swapped[0]
	if _, err := Make(HeadKV{2, 1}, swapped, ModelOf(swapped), params(64)); err == nil || !strings.Contains(err.Error(), "lack layer 0, head 0") {
		t.Errorf("rows out of order: %v", err)
	}
	for _, v := range []float64{math.MaxFloat64, math.Inf(1)} {
		huge := rows(1, 2, 1, v, v)
		if _, err := Make(HeadKV{2, 1}, huge, ModelOf(huge), params(64)); err == nil {
			t.Errorf("scores of %v were divided", v)
		}
	}
	if err := CheckCapacity(1<<28, 8); err != nil {
		t.Error(err)
	}
	if CheckCapacity(1<<28+1, 8) == nil || CheckCapacity(8, 8) == nil || CheckCapacity(9, 8) != nil {
		t.Error("capacities at their limits")
	}
}

// Two layers, one of them wider: the shape is what the rows say.
func TestModelOfRows(t *testing.T) {
	got := ModelOf([]scoring.Head{{Layer: 1, Head: 1, KVHead: 1, Window: 9}, {Layer: 0, Head: 3, KVHead: 1}, {Layer: 1, Head: 0, Window: 9}, {Layer: 0}})
	want := Model{Layers: shape.Model{{Heads: 4, KVHeads: 2}, {Heads: 2, KVHeads: 2, Window: 9}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Where the prompt's length is unknown, budgets are those of a long prompt (of
// 4096 tokens in testdata/published.json).
func TestPyramidOfAnUnknownPrompt(t *testing.T) {
	heads := rows(32, 1, 1, make([]float64, 32)...)
	got := budgets(make1(t, Pyramid{20}, heads, params(128)))
	if want := readPublished(t).Pyramids[0]; want.Prompt != 4096 || !reflect.DeepEqual(got, want.Budgets) {
		t.Errorf("%v, want %v", got, want.Budgets)
	}
}

// By hand. Two caches of 100 entries and a window of 50, which holds half; an
// entry of the first takes three times the bytes of one of the second. Of a
// prompt of 1000: 150 of 1050 entries, and (300 + 50) of (3000 + 50) bytes' worth.
func TestShareByEntriesAndByBytes(t *testing.T) {
	m := Model{Layers: shape.Model{{Heads: 1, KVHeads: 1}, {Heads: 1, KVHeads: 1, Window: 50}}}
	for _, c := range []struct {
		dims [2]int
		want float64
	}{{[2]int{0, 0}, 150. / 1050}, {[2]int{6, 2}, 350. / 3050}} {
		m.ElementBytes = 2
		m.Layers[0].KeyDim, m.Layers[1].KeyDim = c.dims[0], c.dims[1]
		plan, err := Make(Uniform{}, nil, m, params(100))
		if err != nil {
			t.Fatal(err)
		}
		if got := plan.Totals(1000).Share; got != c.want {
			t.Errorf("dimensions %v: share %v, want %v", c.dims, got, c.want)
		}
	}
}
