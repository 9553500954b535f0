package scoring

import (
	"errors"
	"math"
	"strings"
	"testing"

	"headprof/scoring/stats"
)

func profile(perLayer, group int, scores ...float64) []Head {
	var out []Head
	for i, v := range scores {
		h := i % perLayer
		out = append(out, Head{Layer: i / perLayer, Head: h, KVHead: h / group, Mean: v})
	}
	return out
}

func TestCompare(t *testing.T) {
	a := profile(4, 2, 9, 8, 7, 6, 5, 4, 3, 2)
	b := profile(4, 2, 8, 9, 7, 1, 5, 4, 3, 6)
	c, err := Compare(a, b, 4, Options{})
	if err != nil {
		t.Fatal(err)
	}
	// scipy.stats.spearmanr and kendalltau (SciPy 1.17.1) of the two lists.
	near(t, "spearman", c.Spearman.Value, 0.5952380952380953, 1e-12)
	near(t, "kendall", c.Kendall.Value, 0.42857142857142855, 1e-12)
	// Top four by hand: 0 1 2 3 against 1 0 2 7.
	near(t, "overlap", c.Overlap.Value, .75, 1e-12)
	near(t, "jaccard", c.Jaccard.Value, .6, 1e-12)
	if c.Shared != 3 || c.TieA+c.TieB != "" {
		t.Errorf("%+v", c)
	}
	for name, e := range map[string]stats.Estimate{"spearman": c.Spearman, "kendall": c.Kendall, "overlap": c.Overlap, "jaccard": c.Jaccard} {
		if !(e.Low <= e.Value && e.Value <= e.High && e.Low < e.High) {
			t.Errorf("%s: %+v", name, e)
		}
	}
	again, _ := Compare(a, b, 4, Options{})
	if *again != *c {
		t.Error("two comparisons differ")
	}

	self, err := Compare(a, a, 0, Options{})
	if err != nil || self.K != 1 || self.Spearman != (stats.Estimate{Value: 1, Low: 1, High: 1}) || self.Overlap != (stats.Estimate{Value: 1, Low: 1, High: 1}) {
		t.Errorf("with itself: %+v, %v", self, err)
	}

	// KV heads against query heads: best of each group is 9 7 5 3.
	kv := profile(2, 1, 4, 3, 2, 1)
	for _, c := range []func() (*Comparison, error){
		func() (*Comparison, error) { return Compare(a, kv, 2, Options{}) },
		func() (*Comparison, error) { return Compare(kv, a, 2, Options{}) },
	} {
		got, err := c()
		if err != nil || !got.Reduced || got.Heads != 4 || got.Spearman.Value != 1 {
			t.Errorf("KV heads: %+v, %v", got, err)
		}
	}

	b[2].Mean = math.NaN()
	got, err := Compare(a, b, 3, Options{})
	if err != nil || got.Heads != 7 {
		t.Errorf("NaN: %+v, %v", got, err)
	}
	if _, err := Compare(a, a[:7], 3, Options{}); err == nil || !strings.Contains(err.Error(), "different heads") {
		t.Errorf("different shapes: %v", err)
	}
	if _, err := Compare(a, a[:5], 3, Options{}); err == nil || !strings.Contains(err.Error(), "2 layers, 8 heads in all against 2 layers, 5 heads in all") {
		t.Errorf("different shapes: %v", err)
	}
	if _, err := Compare(nil, a, 3, Options{}); err == nil || !strings.Contains(err.Error(), "none against 2 layers") {
		t.Errorf("no heads: %v", err)
	}
	// Where a table does not know its KV heads, that is said, if it could be the reason.
	for _, c := range []struct {
		a, b []Head
		want bool
	}{
		{unknownKV(profile(4, 2, 9, 8, 7, 6, 5, 4, 3, 2)), kv, true},
		{kv, unknownKV(profile(4, 2, 9, 8, 7, 6, 5, 4, 3, 2)), true},
		{unknownKV(profile(4, 2, 9, 8, 7, 6)), kv, false}, // one layer against two
		{unknownKV(profile(4, 2, 9, 8, 7, 6)), nil, false},
		{unknownKV(profile(2, 2, 9, 8, 7, 6)), nil, false},
		{a, profile(3, 1, 1, 2, 3, 4, 5, 6), false},
		{a, nil, false},
	} {
		if _, err := Compare(c.a, c.b, 2, Options{}); err == nil || errors.Is(err, ErrKVHeads) != c.want {
			t.Errorf("%d heads against %d: %v", len(c.a), len(c.b), err)
		}
	}
	if _, err := Compare(a[:1], a[:1], 3, Options{}); err == nil {
		t.Error("one head")
	}
	if two, err := Compare(a[:2], a[:2], 3, Options{}); err != nil || two.K != 2 || two.Spearman.Value != 1 {
		t.Errorf("two heads: %+v, %v", two, err)
	}
	constant := profile(4, 1, 1, 1, 1, 1)
	got, err = Compare(constant, constant, 2, Options{})
	if err != nil || !math.IsNaN(got.Spearman.Value) || !math.IsNaN(got.Spearman.Low) || got.Overlap.Value != 1 {
		t.Errorf("constant: %+v, %v", got, err)
	}
}

func TestTopOverlapOfNothing(t *testing.T) {
	for _, k := range []int{0, -1} {
		if share, jaccard := TopOverlap([]float64{1, 2}, []float64{1, 2}, k); !math.IsNaN(share) || !math.IsNaN(jaccard) {
			t.Errorf("top %d: %v, %v", k, share, jaccard)
		}
	}
}

func TestOutside(t *testing.T) {
	for e, want := range map[stats.Estimate]bool{
		{Value: 1, Low: 1, High: 2}: false, {Value: 2, Low: 1, High: 2}: false,
		{Value: .9, Low: 1, High: 2}: true, {Value: 2.1, Low: 1, High: 2}: true,
		{Value: 1, Low: math.NaN(), High: math.NaN()}: false,
	} {
		if Outside(e) != want {
			t.Errorf("%+v", e)
		}
	}
}
