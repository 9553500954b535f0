package audit

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"headprof/probe/evaluate"
	"headprof/scoring"
	"headprof/scoring/stats"
)

func agreement(value, low, high float64) Agreement {
	return Agreement{Method: "m", Of: 32, Comparison: &scoring.Comparison{Heads: 32, K: 3, Shared: 2, Spearman: stats.Estimate{Value: value, Low: low, High: high}}}
}

func list(shared int) Agreement {
	return Agreement{Method: "l", Of: 32, Comparison: &scoring.Comparison{Listed: true, K: 3, Shared: shared, Spearman: stats.Unknown(), Overlap: stats.Estimate{Value: float64(shared) / 3, Low: math.NaN(), High: math.NaN()}}}
}

// Of 32 heads, C(32, 3) = 4960 tops of 3: one shares all three with a given
// top, 3 · 29 share two, 3 · C(29, 2) one.
func TestChanceByHand(t *testing.T) {
	for shared, want := range []float64{1, (1 + 87 + 3*406) / 4960.0, 88 / 4960.0, 1 / 4960.0} {
		if got := list(shared).chance(); math.Abs(got-want) > 1e-12 {
			t.Errorf("%d shared: %v, want %v", shared, got, want)
		}
	}
}

func TestScores(t *testing.T) {
	for _, c := range []struct {
		all     []Agreement
		want    Verdict
		because string
	}{
		{[]Agreement{agreement(0.8, 0.6, 0.9)}, Yes, "rank correlation with m is 0.80 [0.60, 0.90]"},
		{[]Agreement{agreement(0.8, 0.5, 0.9)}, Partly, "2 of the 3 best"},
		{[]Agreement{agreement(0.1, -0.1, 0.3)}, No, "0.10"},
		{[]Agreement{agreement(0.1, -0.1, 0.3), agreement(0.9, 0.8, 1)}, Yes, "0.90"}, // the best counts
		{[]Agreement{agreement(0.1, -0.1, 0.3), agreement(-0.2, -0.4, 0.1)}, No, "0.10"},
		{[]Agreement{list(3)}, Yes, "3 of its 3 best"},
		{[]Agreement{list(2)}, Partly, "0.018"},
		{[]Agreement{list(1)}, No, "1 of its 3"},
	} {
		q := Scores(c.all, nil)
		if q.Verdict != c.want || !strings.Contains(q.Because, c.because) {
			t.Errorf("%s, want %s: %s", q.Verdict, c.want, q.Because)
		}
	}
}

func TestCauseAndPatchBack(t *testing.T) {
	e := func(low, high float64) stats.Estimate {
		return stats.Estimate{Value: (low + high) / 2, Low: low, High: high}
	}
	top := func(a evaluate.Ablation, heads int, against stats.Estimate) evaluate.Effect {
		return evaluate.Effect{Choice: evaluate.Top, Ablation: a, Heads: heads, AgainstRandom: against}
	}
	few := top(evaluate.Zero, 1, e(1, 2)) // only the most heads count
	for _, c := range []struct {
		zero, mean stats.Estimate
		want       Verdict
	}{
		{e(-9, -8), e(-2, -1), Yes},
		{e(-9, -8), e(-2, 1), Partly},
		{e(-1, 1), e(-2, 1), NotShown},
		{e(-1, 1), e(1, 2), No},
	} {
		if q := Cause([]evaluate.Effect{few, top(evaluate.Zero, 4, c.zero), top(evaluate.Mean, 4, c.mean)}, nil); q.Verdict != c.want || len(q.Numbers) != 4 {
			t.Errorf("%v, %v: %s with %d numbers, want %s", c.zero, c.mean, q.Verdict, len(q.Numbers), c.want)
		}
	}
	for against, want := range map[stats.Estimate]Verdict{e(1, 2): Yes, e(-2, -1): No, e(-1, 1): NotShown} {
		q := PatchBack([]evaluate.Effect{top(evaluate.Zero, 4, e(0, 1)), {Choice: evaluate.Restored, Heads: 4, Restored: 2, AgainstRandom: against}}, nil)
		if q.Verdict != want {
			t.Errorf("%v: %s, want %s", against, q.Verdict, want)
		}
	}
	if q := PatchBack([]evaluate.Effect{few}, nil); q.Verdict != NotAsked {
		t.Errorf("nothing restored: %s", q.Verdict)
	}
}

// run makes a run of two prompts with one policy's log-probabilities.
func run(policy string, capacity int, probs ...float64) evaluate.Cached {
	c := evaluate.Cached{Variant: evaluate.Variant{Policy: policy, Capacity: capacity}}
	for i, p := range probs {
		name := string(rune('a' + i))
		c.Records = append(c.Records, &evaluate.Record{Item: name, Group: name, Full: evaluate.Size{Bytes: 100},
			Results: []evaluate.Result{{Policy: policy, Capacity: capacity, LogProb: p, Kept: evaluate.Size{Bytes: 25}}}})
	}
	return c
}

// By hand: −3 and −5 against −1 and −1 of a full cache, −9 and −9 of an even
// spread, −5 and −9 of shuffles, −2 and −5 of ours.
func TestBudget(t *testing.T) {
	c := Caches{Full: run("full", 0, -1, -1), Even: run("snapkv", 8, -9, -9), File: run("headkv-r2", 8, -3, -5),
		Permuted: []evaluate.Cached{run("headkv-permuted", 8, -5, -9), run("headkv-permuted", 8, -7, -7)}, Ours: run("headkv-r2", 8, -2, -5)}
	q, err := Budget(c, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []float64
	for _, n := range q.Numbers {
		got = append(got, n.Estimate.Value)
	}
	want := []float64{0.25, 25, -3, 5, 3, -0.5}
	for i := range want {
		if len(got) != len(want) || math.Abs(got[i]-want[i]) > 1e-12 {
			t.Fatalf("numbers %v, want %v", got, want)
		}
	}
	if q.Verdict != Yes || !strings.Contains(q.Because, "25.0 % of a full cache") {
		t.Errorf("%s: %s", q.Verdict, q.Because)
	}
	c.Permuted = nil
	if q, _ = Budget(c, 1, nil); q.Verdict != Partly || !strings.Contains(q.Because, "nothing to permute") {
		t.Errorf("%s: %s", q.Verdict, q.Because)
	}
	c.Even = run("snapkv", 8, -2, -4)
	if q, _ = Budget(c, 1, nil); q.Verdict != No {
		t.Errorf("%s: %s", q.Verdict, q.Because)
	}
	c.Even = run("snapkv", 8, -2, -9)
	if q, _ = Budget(c, 1, nil); q.Verdict != NotShown {
		t.Errorf("%s: %s", q.Verdict, q.Because)
	}
	c.Ours = run("headkv-r2", 8, -2)
	if _, err = Budget(c, 1, nil); err == nil {
		t.Error("runs of other prompts are compared")
	}
}

func TestPage(t *testing.T) {
	p := &Page{File: "f.json", Model: "m", Method: "published", Command: "headprof audit f.json",
		Questions: []Question{Shape("It scores 4 heads.", errors.New("the scores are of 3 layers, the model has 2"), []string{"headprof compare f.json f.json"}), Scores([]Agreement{list(3)}, nil), NoPatchBack("No CPU.")}}
	text := p.Markdown()
	for _, want := range []string{"| Does its shape fit the model? | **no** | the scores are of 3 layers, the model has 2. |", "    headprof compare f.json f.json\n", "**not asked** | No CPU.", "    headprof audit f.json\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	data, err := json.Marshal(p.Questions[1].Numbers[0])
	if err != nil || !strings.Contains(string(data), `"low":null`) {
		t.Errorf("%s, %v", data, err)
	}
}
