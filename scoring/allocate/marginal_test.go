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

// curve is of a cache's losses at entries: 8, 3., 16, 1., ….
func curve(layer, head int, kept []int, loss ...float64) scoring.Curve {
	return scoring.Curve{Layer: layer, KVHead: head, Kept: kept, Loss: loss}
}

func flat(layers, kvHeads int) Model {
	var m Model
	for range layers {
		m.Layers = append(m.Layers, shape.Layer{Heads: kvHeads, KVHeads: kvHeads})
	}
	return m
}

func entriesOf(p *Plan) (out []int) {
	for _, c := range p.Caches {
		out = append(out, c.Entries)
	}
	return out
}

// The best of all budgets, found by trying them (testdata/marginal.py).
func TestMarginalIsTheOptimum(t *testing.T) {
	data, err := os.ReadFile("testdata/marginal.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Layers, Heads, Window, Context, Capacity int
		Curves                                   []struct {
			Kept []int
			Loss []float64
		}
		LossAt [][]float64 `json:"loss_at"` // [cache][entries]
		Best   float64
		Only   []int // the one budget that reaches it; nil: several do
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		var p Marginal
		for k, x := range c.Curves {
			p.Curves = append(p.Curves, curve(k/c.Heads, k%c.Heads, x.Kept, x.Loss...))
		}
		got := entriesOf(make1With(t, p, flat(c.Layers, c.Heads), params(c.Capacity, window(c.Window), prompt(c.Context))))
		sum, loss := 0, 0.
		for k, n := range got {
			if n < c.Window || n > c.Context {
				t.Fatalf("case %d: cache %d gets %d entries, with a window of %d and a prompt of %d", i, k, n, c.Window, c.Context)
			}
			sum += n
			loss += c.LossAt[k][n]
		}
		if sum != c.Capacity*len(got) {
			t.Errorf("case %d: %d entries, %d were asked for", i, sum, c.Capacity*len(got))
		}
		if !(math.Abs(loss-c.Best) < 1e-9) {
			t.Errorf("case %d: %v loses %v, the best %v", i, got, loss, c.Best)
		}
		if c.Only != nil && !reflect.DeepEqual(got, c.Only) {
			t.Errorf("case %d: %v, the best is %v", i, got, c.Only)
		}
	}
	if len(cases) < 20 {
		t.Errorf("%d cases", len(cases))
	}
}

func make1With(t *testing.T, policy Policy, m Model, p Params) *Plan {
	t.Helper()
	plan, err := Make(policy, nil, m, p)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// By hand.
func TestMarginalTiesLimitsAndSizes(t *testing.T) {
	two := []int{8, 16}
	equal := Marginal{Curves: []scoring.Curve{curve(0, 0, two, 8, 0), curve(0, 1, two, 8, 0)}}
	windowed := flat(2, 1)
	windowed.Layers[0].Window = 10
	layers := Marginal{Curves: []scoring.Curve{curve(0, 0, two, 80, 0), curve(1, 0, two, 8, 0)}}
	sized := Model{ElementBytes: 2, Layers: shape.Model{
		{Heads: 2, KVHeads: 1, KeyDim: 24, ValueDim: 24},
		{Heads: 2, KVHeads: 1, KeyDim: 8, ValueDim: 8},
	}}
	for _, c := range []struct {
		name   string
		policy Marginal
		model  Model
		params Params
		want   []int
	}{
		{"8 of 24 entries are left, and the first of equals takes them", equal, flat(1, 2), params(12), []int{16, 8}},
		{"8 of 40 are worth nothing, and are shared", equal, flat(1, 2), params(20), []int{20, 20}},
		{"an odd one goes to the first", equal, flat(1, 2), params(20, func(p *Params) { p.Window = 7 }), []int{20, 20}},
		{"nothing is worth anything", Marginal{Curves: []scoring.Curve{curve(0, 0, two, 0, 5), curve(0, 1, two, 1, 1), curve(0, 2, two, -1, 0)}}, flat(1, 3), params(11), []int{11, 11, 11}},
		{"a sliding window holds 10", layers, windowed, params(12), []int{10, 14}},
		{"a prompt of 9 and a window of 10 hold 18 of 24", layers, windowed, params(12, prompt(9)), []int{9, 9}},
		// An entry of layer 0 takes three times the bytes of one of layer 1: 12·4 of
		// them, less the windows' 8·4, are 16 units of layer 1's; the first curve is
		// worth 1/3 nat a unit, the second 1/2, so 8 go there and 8 pay for 2.
		{"bytes, not entries", Marginal{Curves: []scoring.Curve{curve(0, 0, two, 8, 0), curve(1, 0, two, 4, 0)}}, sized, params(12), []int{10, 18}},
	} {
		plan := make1With(t, c.policy, c.model, c.params)
		if got := entriesOf(plan); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		for _, b := range plan.Caches {
			if b.Budget != b.Entries-b.Window || b.Window > c.params.Window {
				t.Errorf("%s: %+v", c.name, b)
			}
		}
	}
}

func TestMarginalRefuses(t *testing.T) {
	two := []int{8, 16}
	one := Marginal{Curves: []scoring.Curve{curve(0, 0, two, 8, 0)}}
	for _, c := range []struct {
		policy Marginal
		model  Model
		params Params
		want   string
	}{
		{one, flat(1, 1), params(12, level(Head)), "use kv-head"},
		{one, flat(1, 1), params(12, level(ByLayer)), "use kv-head"},
		{Marginal{}, flat(1, 1), params(12), "--cut-curve auto"},
		{one, flat(1, 2), params(12), "of 1 KV heads, the model has 2"},
		{Marginal{Curves: []scoring.Curve{curve(0, 1, two, 8, 0)}}, flat(1, 1), params(12), "lack layer 0, KV head 0"},
		{one, flat(1, 1), params(12, prompt(10), fitted), "ask for less"},
	} {
		if _, err := Make(c.policy, nil, c.model, c.params); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
