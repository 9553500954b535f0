package scoring

import (
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
	if _, err := Compare(a[:1], a[:1], 3, Options{}); err == nil {
		t.Error("one head")
	}
	constant := profile(4, 1, 1, 1, 1, 1)
	got, err = Compare(constant, constant, 2, Options{})
	if err != nil || !math.IsNaN(got.Spearman.Value) || !math.IsNaN(got.Spearman.Low) || got.Overlap.Value != 1 {
		t.Errorf("constant: %+v, %v", got, err)
	}
}
