package plots

import (
	"math"
	"strings"
	"testing"
)

func TestRanking(t *testing.T) {
	// 0.4 + 0.3 of a total of 1: the first two heads hold half and more.
	h := Heads{Meta: Meta{Model: "m", Trials: 40, Passed: 40}, Layers: 2, Heads: 2, Top: 3, Score: [][]float64{{0.1, 0.4}, {0.3, 0.2}}}
	f, err := Ranking(h)
	if err != nil {
		t.Fatal(err)
	}
	has(t, f, "Ranking of 4 attention heads", "top 3", "L0.H1", "L1.H0", "L1.H1", "2 heads (50 %) hold half of all score")
}

func TestLayers(t *testing.T) {
	h := Heads{Layers: 2, Heads: 2, Window: []int{512, 0}, Score: [][]float64{{0.1, math.NaN()}, {0.2, 0.1}}}
	f, err := Layers(h)
	if err != nil {
		t.Fatal(err)
	}
	has(t, f, "layer 1 holds 75 %", "share of total score, %", "sliding-window layer, 512 tokens") // 0.3 of 0.4
	if n := slidingMarks(t, f); n != 1 {
		t.Errorf("%d of 1 sliding-window layers marked", n)
	}
	h.Score = [][]float64{{0, 0}, {0, 0}}
	if _, err := Layers(h); err == nil || !strings.Contains(err.Error(), "above 0") {
		t.Errorf("all zero: %v", err)
	}
}

func TestCompare(t *testing.T) {
	// Ranks of a: 1.5 1.5 3 4, of b: 1 3 2 4. Their deviations from 2.5 are
	// -1 -1 0.5 1.5 and -1.5 0.5 -0.5 1.5, so the Pearson correlation of the
	// ranks is (1.5 - 0.5 - 0.25 + 2.25) / sqrt(4.5 · 5) = 0.632.
	a := Heads{Meta: Meta{Model: "one", Method: "retrieval"}, Layers: 1, Heads: 4, Top: 2, Score: [][]float64{{0.1, 0.1, 0.2, 0.9}}}
	b := Heads{Meta: Meta{Model: "two", Method: "retrieval"}, Layers: 1, Heads: 4, Score: [][]float64{{0.0, 0.5, 0.3, 0.7}}}
	f, err := Compare(a, b)
	if err != nil {
		t.Fatal(err)
	}
	has(t, f, "Spearman 0.63", "1 of the top 2 heads shared", "A: one", "B: two", "A: score", "B: score", "equal scores", "L0.H1", "L0.H2")
	// Scores of different methods, or of unknown ones, share no scale.
	b.Method = ""
	if f, err = Compare(a, b); err != nil {
		t.Fatal(err)
	}
	has(t, f, "share of the profile's best score", "each on its own scale")
	for _, l := range labels(t, f) {
		if l.text == "equal scores" {
			t.Error("a diagonal joins unlike scales")
		}
	}
	b.Heads, b.Score = 3, [][]float64{{0, 1, 2}}
	if _, err := Compare(a, b); err == nil || !strings.Contains(err.Error(), "1 × 4 and 1 × 3") {
		t.Errorf("different shapes: %v", err)
	}
	b = a
	b.Score = [][]float64{{math.NaN(), math.NaN(), math.NaN(), 1}}
	a.Score = [][]float64{{1, 2, 3, math.NaN()}}
	if _, err := Compare(a, b); err == nil || !strings.Contains(err.Error(), "no head in common") {
		t.Errorf("nothing in common: %v", err)
	}
	// A constant profile has no order, which is said by silence, not by NaN.
	b.Score = [][]float64{{1, 1, 1, 1}}
	if f, err = Compare(a, b); err != nil {
		t.Fatal(err)
	}
	for _, l := range labels(t, f) {
		if strings.Contains(l.text, "NaN") || strings.Contains(l.text, "Spearman") {
			t.Errorf("constant profile: %q", l.text)
		}
	}
}

func TestNeedle(t *testing.T) {
	n := NeedleGrid{Meta: Meta{Model: "m", Decode: "greedy", Trials: 9, Passed: 4},
		Lengths: []int{1000, 2000}, Depths: []float64{0, 50, 100},
		Trials: [][]int{{2, 2}, {2, 0}, {2, 1}}, Passed: [][]int{{2, 1}, {1, 0}, {0, 0}}}
	f, err := Needle(n)
	if err != nil {
		t.Fatal(err)
	}
	has(t, f, "2/2", "1/2", "0/2", "0/1", "no trial at this depth and length", "needle depth, %", "context length, tokens", "2,000", "4 of 9 trials passed (44 %)")
	for _, l := range labels(t, f) {
		if l.text == "0/0" {
			t.Error("a cell without trials shows a rate")
		}
	}
	for says, spoil := range map[string]func(*NeedleGrid){
		"nothing to draw": func(n *NeedleGrid) { n.Depths = nil },
		"trials for 1":    func(n *NeedleGrid) { n.Trials = n.Trials[:1] },
		"2 passed of 1":   func(n *NeedleGrid) { n.Passed = [][]int{{0, 0}, {0, 0}, {0, 2}} },
		"must ascend":     func(n *NeedleGrid) { n.Lengths = []int{2, 1} },
		"no trial has run": func(n *NeedleGrid) {
			n.Trials = make([][]int, 3)
			n.Passed = make([][]int, 3)
			for i := range 3 {
				n.Trials[i], n.Passed[i] = []int{0, 0}, []int{0, 0}
			}
		},
		"passes for 1 leng": func(n *NeedleGrid) { n.Passed = [][]int{{0, 0}, {0}, {0, 0}} },
	} {
		m := n
		spoil(&m)
		if _, err := Needle(m); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v does not say %q", err, says)
		}
	}
}

func TestBudget(t *testing.T) {
	b := Budget{Meta: Meta{Model: "m", Method: "HeadKV"}, Layers: 2, Heads: 2, PerKV: true, Window: []int{100, 0},
		Entries: [][]int{{50, 50}, {50, 150}}, Capacity: 64, Context: 1000, Bytes: 3 << 20}
	f, err := BudgetMap(b)
	if err != nil {
		t.Fatal(err)
	}
	// 300 entries of 2·100 + 2·1000: sliding-window layers never hold more than
	// their window. 300/2200 = 13.6 %.
	has(t, f, "300 entries", "capacity 64 requested, 75.0 on average", "4 caches, one per KV head", "3.00 MiB", "14 % of the full cache at 1,000 tokens",
		"KV head", "50 entries: 75 % of heads", "150 entries: 25 % of heads", "sliding-window layer, 100 tokens")
	// Query heads of a group that share a cache count once; copies count each.
	g := Budget{Layers: 1, Heads: 4, KVGroup: 2, Entries: [][]int{{10, 10, 30, 30}}, Policy: "headkv", Level: "kv-head", Beta: 1.2, Shared: true}
	if f, err = BudgetMap(g); err != nil {
		t.Fatal(err)
	}
	has(t, f, "KV-cache budget: 40 entries", "2 caches, one per KV head", "policy headkv", "level kv-head", "β 1.2", "query head")
	g.Shared, g.Level = false, "head"
	if f, err = BudgetMap(g); err != nil {
		t.Fatal(err)
	}
	has(t, f, "KV-cache budget: 80 entries", "4 caches, one per query head")
	// A head without a cache is absent: not counted, not a zero.
	g.Entries = [][]int{{10, 10, Absent, Absent}}
	if f, err = BudgetMap(g); err != nil {
		t.Fatal(err)
	}
	has(t, f, "KV-cache budget: 20 entries", "2 caches", "no cache", "10 entries: 100 % of heads")
	g.Shared, g.Entries = true, [][]int{{10, 20, 30, 30}}
	if _, err = BudgetMap(g); err == nil || !strings.Contains(err.Error(), "shares") {
		t.Errorf("one cache of two sizes: %v", err)
	}
	for says, spoil := range map[string]func(*Budget){
		"nothing to draw":       func(b *Budget) { b.Layers = 0 },
		"entries for 1 layers":  func(b *Budget) { b.Entries = b.Entries[:1] },
		"budget of -2":          func(b *Budget) { b.Entries = [][]int{{1, 1}, {1, -2}} },
		"no head has a budget":  func(b *Budget) { b.Entries = [][]int{{Absent, Absent}, {Absent, Absent}} },
		"negative capacity":     func(b *Budget) { b.Bytes = -1 },
		"windows for 1 layers,": func(b *Budget) { b.Window = []int{1} },
	} {
		c := b
		spoil(&c)
		if _, err := BudgetMap(c); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v does not say %q", err, says)
		}
	}
}

func TestEvalAndAblate(t *testing.T) {
	nan := math.NaN()
	e := Evaluation{Meta: Meta{Model: "m"}, Task: "short questions", Label: "F1", Full: Point{Y: 0.5},
		Lines: []Line{{"headkv-r2", []Point{{0.1, 0.4, 0.3, 0.5}, {0.2, nan, nan, nan}, {0.4, 0.45, 0.4, 0.5}}}, {"snapkv", []Point{{0.1, 0.2, nan, nan}}}}}
	f, err := Eval(e)
	if err != nil {
		t.Fatal(err)
	}
	has(t, f, "Short questions", "share of the full cache kept, %", "F1", "headkv-r2", "snapkv", "full cache", "95 % bootstrap interval")
	a := Ablation{PassRate: []Line{{"top", []Point{{0, 1, 1, 1}, {4, 0.2, 0.1, 0.3}}}}, LogProb: []Line{{"random", []Point{{0, 0, 0, 0}, {4, -1, -2, -0.5}}}}}
	if f, err = Ablate(a); err != nil {
		t.Fatal(err)
	}
	has(t, f, "masked heads", "pass rate, %", "change of the answer's log-probability, nats", "top", "random", "over seeds")

	refused := func(err error, says string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v does not say %q", err, says)
		}
	}
	with := func(p ...Point) Evaluation { return Evaluation{Lines: []Line{{"x", p}}} }
	_, err = Eval(Evaluation{})
	refused(err, "nothing to draw")
	_, err = Eval(with(Point{0.1, nan, nan, nan}))
	refused(err, "NaN")
	_, err = Eval(with(Point{0, 1, 1, 1}))
	refused(err, "share of 0")
	_, err = Eval(with(Point{0.5, 1, 1, 1}, Point{0.2, 1, 1, 1}))
	refused(err, "ascend")
	_, err = Eval(with(Point{0.5, math.Inf(1), 1, 1}))
	refused(err, "infinite")
	_, err = Eval(Evaluation{Lines: make([]Line, 9)})
	refused(err, "at most 8")
	_, err = Ablate(Ablation{})
	refused(err, "nothing to draw")
	_, err = Ablate(Ablation{PassRate: []Line{{"x", []Point{{0, 94, 94, 94}}}}})
	refused(err, "pass rate of 94")
	_, err = Ablate(Ablation{LogProb: []Line{{"x", []Point{{-1, 0, 0, 0}}}}})
	refused(err, "-1 masked heads")
}

func TestCacheCurves(t *testing.T) {
	line := func(layer, head int, y ...float64) CurveHead {
		h := CurveHead{Layer: layer, KVHead: head}
		for i, v := range y {
			h.Points = append(h.Points, Point{X: []float64{8, 32, 119}[i], Y: v, Low: v - 0.1, High: v + 0.1})
		}
		return h
	}
	c := Curves{Meta: Meta{Model: "m", Method: "cache-cut", Cases: 40}, Top: 2, Heads: []CurveHead{
		line(0, 0, 0.1, 0, 0), line(0, 1, 3, 1, 0), line(1, 0, 0.2, 0.1, 0), line(1, 1, 5, 0.5, 0),
	}}
	f, err := CacheCurves(c)
	if err != nil {
		t.Fatal(err)
	}
	has(t, f, "What a KV head's cache is worth", "L1.KV1", "L0.KV1", "2 other KV heads", "nats that the answer loses", "8", "32", "119", "40 cases", "95 % bootstrap interval")
	for _, l := range labels(t, f) {
		if l.text == "L1.KV0" {
			t.Error("a head that is not among the top is named")
		}
	}
	for _, bad := range []Curves{{}, {Heads: []CurveHead{{}}}, {Heads: []CurveHead{{Points: []Point{{X: 0, Y: 1}}}}}, {Heads: []CurveHead{line(0, 0, math.Inf(1))}}} {
		if _, err := CacheCurves(bad); err == nil {
			t.Errorf("%+v was drawn", bad)
		}
	}
}
