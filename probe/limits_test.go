package probe

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"headprof/needle"
	"headprof/probe/journal"
	"headprof/scoring"
)

func TestLargestLogits(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		logits []float32
		best   int32 // -1: an error
		top    []int32
	}{
		{[]float32{1, 3, 2}, 1, []int32{1, 2}},
		{[]float32{3, 3, 3}, 0, []int32{0, 1}}, // the lowest of equal ones
		{[]float32{1, 2, 2, 3, 2}, 3, []int32{3, 1}},
		{[]float32{-5, nan, -4}, 2, []int32{2, 0}},
		{[]float32{nan, nan}, -1, nil},
		{[]float32{inf, 1}, -1, []int32{0, 1}},
		{[]float32{-inf, -inf}, -1, []int32{0, 1}},
		{[]float32{1, 2, 3}, 2, []int32{2, 1}},
		{[]float32{3, 2, 1}, 0, []int32{0, 1}},
	} {
		if got, err := Argmax(c.logits); c.best < 0 != (err != nil) || err == nil && got != c.best {
			t.Errorf("%v: %d, %v", c.logits, got, err)
		}
		var ids []int32
		for _, x := range top(c.logits, 2) {
			ids = append(ids, x.ID)
			if x.Logit != c.logits[x.ID] {
				t.Errorf("%v: %+v", c.logits, x)
			}
		}
		if !slices.Equal(ids, c.top) {
			t.Errorf("%v: the two largest %v, want %v", c.logits, ids, c.top)
		}
	}
	if got := top(nil, 3); got != nil {
		t.Errorf("of nothing: %v", got)
	}
	// log softmax: of (0, log 3), ¼ and ¾; far from 0 as well.
	for _, shift := range []float32{0, 1000, -1000} {
		logits := []float32{shift, shift + float32(math.Log(3))}
		if a, b := LogProbability(logits, 0), LogProbability(logits, 1); !(math.Abs(a-math.Log(.25)) <= 1e-4 && math.Abs(b-math.Log(.75)) <= 1e-4) {
			t.Errorf("shifted by %v: %v, %v", shift, a, b)
		}
	}
	if Rounded(1.23456789) != 1.234568 || Rounded(-2) != -2 || Rounded(math.Inf(-1)) != -math.MaxFloat64 || Rounded(math.NaN()) != -math.MaxFloat64 {
		t.Errorf("%v, %v", Rounded(1.23456789), Rounded(math.Inf(-1)))
	}
}

// 100 tokens in a second, of which half went into two answers: 200 tokens a
// second of prompts, and a quarter of a second for each of eight answers.
func TestTimeLeftByHand(t *testing.T) {
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	var got []Progress
	c := &clock{start: at, now: func() time.Time { return at }, report: func(p Progress) { got = append(got, p) }}
	c.current = Progress{Total: 10, TokensTotal: 500}
	c.computed(0) // no time has passed
	if p := got[0]; p.Left != -1 || p.TokensPerSecond != 0 || p.Trial != nil {
		t.Errorf("%+v", p)
	}
	at = at.Add(time.Second)
	c.computed(0) // and no tokens
	if p := got[1]; p.Left != -1 || p.TokensPerSecond != 0 {
		t.Errorf("%+v", p)
	}
	at = at.Add(-time.Second)
	c.computed(100) // tokens, and no time
	if p := got[2]; p.Left != -1 || p.TokensPerSecond != 0 || p.TokensDone != 100 {
		t.Errorf("%+v", p)
	}
	at = at.Add(time.Second)
	c.ended(&Record{Pass: true}, 250*time.Millisecond)
	c.ended(&Record{}, 250*time.Millisecond)
	p := got[len(got)-1]
	if p.Done != 2 || p.Passed != 1 || p.TokensPerSecond != 200 || p.Left != 4*time.Second || p.Trial == nil {
		t.Errorf("%+v, want 400 tokens at 200/s and 8 answers of a quarter of a second", p)
	}
	(&clock{now: time.Now}).computed(1) // nobody asks
}

// Every warning at its border.
func TestWarningsAtTheirBorders(t *testing.T) {
	kinds := func(r *Result) string {
		var out []string
		for _, w := range r.Warnings() {
			out = append(out, fmt.Sprint(w.Kind))
		}
		return strings.Join(out, " ")
	}
	text := func(r *Result) string {
		var out []string
		for _, w := range r.Warnings() {
			out = append(out, w.Text)
		}
		return strings.Join(out, "\n")
	}
	with := func(manifest *journal.Manifest, r Result) *Result { r.Manifest = manifest; return &r }
	forced := &journal.Manifest{Settings: map[string]string{"decode": "forced"}}
	given := &journal.Manifest{Plan: journal.Plan{Params: map[string]string{"trials": "mine.jsonl"}}}
	for _, c := range []struct {
		name string
		r    *Result
		want string // part of the text; "": no warning
	}{
		{"enough", with(nil, Result{Done: 40, Passed: 20, Counted: 20}), ""},
		{"nothing done", with(nil, Result{}), ""},
		{"one too few", with(nil, Result{Done: 40, Passed: 20, Counted: 19}), "only 19 trials count; under 20"},
		{"one", with(nil, Result{Done: 1, Passed: 1, Counted: 1}), "only 1 trial counts"},
		{"few passed", with(nil, Result{Done: 400, Passed: 60, Counted: 60}), "only 60 of 400 trials passed (15 %)"},
		{"none passed", with(nil, Result{Done: 12}), "none of 12 trials passed"},
		{"the one failed", with(nil, Result{Done: 1}), "the one trial did not pass"},
		{"all on the sink", with(nil, Result{Done: 4, Passed: 4, Sink: 4}), "the evidence tokens of all 4 trials lie on the attention sink"},
		{"all that passed on the sink", with(nil, Result{Done: 4, Passed: 3, Sink: 3}), "the evidence tokens of all passing trials (3 of 4)"},
		{"one on the sink", with(nil, Result{Done: 40, Passed: 21, Counted: 20, Sink: 1}), "1 passing trial is left out"},
		{"two on the sink", with(nil, Result{Done: 40, Passed: 22, Counted: 20, Sink: 2}), "2 passing trials are left out"},
		{"forced", with(forced, Result{Done: 20, Passed: 20, Counted: 20}), "the answers were teacher-forced"},
		{"the one forced on the sink", with(forced, Result{Done: 1, Passed: 1, Sink: 1}), "the one trial's evidence tokens lie"},
	} {
		got := text(c.r)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	// Where none counts it is one warning, not two.
	if got := kinds(with(nil, Result{Done: 4, Passed: 4, Sink: 4})); got != string(NothingPassed) {
		t.Errorf("all on the sink: %q", got)
	}
	// Half of the answers empty is not most of them.
	rec := func(n int) *Record { return &Record{IDs: make([]int32, n)} }
	half := &Result{Done: 2, Passed: 2, Counted: 20, Records: []*Record{rec(0), rec(3)}}
	most := &Result{Done: 3, Passed: 3, Counted: 20, Records: []*Record{rec(0), rec(0), rec(3)}}
	if kinds(half) != "" || !strings.Contains(text(most), "2 of 3 answers are empty") {
		t.Errorf("half: %q; most: %q", kinds(half), text(most))
	}
	// What is advised fits how the trials were given.
	if w := with(given, Result{Done: 3}).Warnings(); !strings.Contains(strings.Join(w[0].Remedies, " "), "shorter prompts in the trials file") {
		t.Errorf("%+v", w)
	}
	if w := with(nil, Result{Done: 3}).Warnings(); !strings.Contains(strings.Join(w[0].Remedies, " "), "shorter --lengths") {
		t.Errorf("%+v", w)
	}
}

// Needles more than five points from their depth are counted, the farthest is named.
func TestDepthsThatWereMissed(t *testing.T) {
	r := &Result{}
	for i, d := range []struct{ asked, real float64 }{{50, 45}, {50, 55}, {50, 44.9}, {10, 30}, {90, 75}, {60, 80}} {
		r.Records = append(r.Records, &Record{ID: fmt.Sprint("t", i), Depth: d.asked, RealDepth: &d.real})
	}
	r.Records = append(r.Records, &Record{ID: "unknown", Depth: 50})
	w := r.DepthWarnings()
	if len(w) != 1 || !strings.Contains(w[0].Text, "in 4 of 6 trials") || !strings.Contains(w[0].Text, "the farthest, t3, lies at 30 %") {
		t.Errorf("%+v", w)
	}
	r.Records = r.Records[:2]
	if w := r.DepthWarnings(); w != nil {
		t.Errorf("five points: %+v", w)
	}
}

// Twenty equal trials of as many needles as the bound asks for are stable; one
// fewer, or needles that are too few unless the plan has no more, are not.
func TestUntilStableAtItsBorders(t *testing.T) {
	trials := func(n, needles int) (out []scoring.TrialScore) {
		for i := range n {
			out = append(out, scoring.TrialScore{ID: fmt.Sprint(i), Needle: fmt.Sprint(i % needles), Pass: true, Scores: map[string][][]float64{"m": {{4, 3, 2, 1}}}})
		}
		return out
	}
	for _, c := range []struct {
		needles, n, of int
		want           string // "": not stable
	}{
		{4, 20, 4, "the top 1 heads by m are stable: resampled needles and trials keep 100 % of them (bound 90 %), and their rank intervals span 0.0 % of all heads (bound 10 %)"},
		{4, 19, 4, ""},
		{4, 20, 3, ""},
		{9, 20, 4, "resampled needles and trials"},
		{2, 20, 2, "for the plan's 2 needles, resampled trials keep"},
		{2, 20, 1, ""},
		{1, 20, 1, "for the plan's one needle, resampled trials keep"},
	} {
		stop, why := UntilStable("m", 0, scoring.DefaultBound, c.needles, 1)(trials(c.n, c.of))
		if stop != (c.want != "") || !strings.Contains(why, c.want) {
			t.Errorf("%+v: %v, %q", c, stop, why)
		}
	}
	// Unlike trials keep a part of their top; how large, Assess says.
	unlike := trials(24, 6)
	for i := range unlike {
		unlike[i].Scores = map[string][][]float64{"m": {{float64(i % 5), float64(i % 3), float64(i % 4), 1}}}
	}
	assessed, err := scoring.Assess(unlike, 2, scoring.Options{Seed: 1})
	if err != nil || !(assessed[0].Overlap > 0 && assessed[0].Overlap < 1) {
		t.Fatalf("%+v, %v", assessed, err)
	}
	want := fmt.Sprintf("the top 2 heads by m are stable: resampled needles and trials keep %.0f %% of them (bound 10 %%), and their rank intervals span %.1f %% of all heads (bound 100 %%)", assessed[0].Overlap*100, assessed[0].RankWidth*100)
	if stop, why := UntilStable("m", 2, scoring.Bound{Overlap: .1, RankWidth: 1}, 6, 1)(unlike); !stop || why != want {
		t.Errorf("%v, %q, want %q", stop, why, want)
	}
	if stop, _ := UntilStable("other", 0, scoring.DefaultBound, 4, 1)(trials(20, 4)); stop {
		t.Error("a method that was not asked about")
	}
	bad := trials(20, 4)
	bad[3].Scores = nil
	if stop, why := UntilStable("m", 0, scoring.DefaultBound, 4, 1)(bad); stop || why != "" {
		t.Errorf("trials that cannot be assessed: %v, %q", stop, why)
	}
}

func TestTrialsThatDoNotFitTheModel(t *testing.T) {
	m := newFake()
	m.context = 12
	for _, c := range []struct {
		name   string
		span   needle.Span
		answer []int32
		prompt []int32
		steps  int
		want   string
	}{
		{"all of the prompt", needle.Span{Start: 0, End: 4}, []int32{0}, []int32{0, 1, 2, fakeVocabulary - 1}, 9, ""},
		{"no prompt", needle.Span{}, []int32{0}, nil, 1, "the prompt is empty"},
		{"an empty span", needle.Span{Start: 2, End: 2}, []int32{0}, make([]int32, 4), 1, "span [2, 2)"},
		{"a span before it", needle.Span{Start: -1, End: 2}, []int32{0}, make([]int32, 4), 1, "span [-1, 2)"},
		{"a span beyond it", needle.Span{Start: 2, End: 5}, []int32{0}, make([]int32, 4), 1, "span [2, 5)"},
		{"no answer", needle.Span{Start: 0, End: 1}, nil, make([]int32, 4), 1, "the answer has no tokens"},
		{"a token beyond the vocabulary", needle.Span{Start: 0, End: 1}, []int32{0}, []int32{0, fakeVocabulary}, 1, "prompt token 1 is 1024, but the model's ids run from 0 to 1023"},
		{"a negative token", needle.Span{Start: 0, End: 1}, []int32{0}, []int32{-1}, 1, "prompt token 0 is -1"},
		{"an answer beyond the vocabulary", needle.Span{Start: 0, End: 1}, []int32{3, fakeVocabulary}, make([]int32, 4), 1, "answer token 1 is 1024, but the model's ids run from 0 to 1023"},
		{"a negative answer", needle.Span{Start: 0, End: 1}, []int32{-7}, make([]int32, 4), 1, "answer token 0 is -7"},
		{"the last of the vocabulary", needle.Span{Start: 0, End: 1}, []int32{fakeVocabulary - 1}, make([]int32, 4), 1, ""},
		{"one token more than the context", needle.Span{Start: 0, End: 1}, []int32{0}, make([]int32, 4), 10, "needs 13 tokens (prompt and answer) and the model's context holds 12; use shorter prompts"},
	} {
		err := (&Trial{ID: "t", Span: c.span, AnswerIDs: c.answer}).check(c.prompt, m, c.steps)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	for length, want := range map[int]string{8: "--lengths up to 5", 4: "--lengths up to 1", 3: "use shorter prompts", 0: "use shorter prompts"} {
		if got := (&ContextError{Length: length, Need: 15, Limit: 12}).Error(); !strings.Contains(got, want) {
			t.Errorf("length %d: %s", length, got)
		}
	}
}

// Fields of a given trial at the ends of what makes sense; what does not is
// taken as not known, or refused where results would depend on it.
func TestGivenTrialsAtTheirLimits(t *testing.T) {
	given := func(fields string) (*Trial, error) {
		list, err := ReadTrials("f", strings.NewReader(`{"id": "a", "prompt_ids": [5, 6, 7, 8], "span": [1, 3], "answer_ids": [2]`+fields+`}`))
		if err != nil {
			return nil, err
		}
		return list[0], nil
	}
	for _, c := range []struct {
		fields string
		want   func(t *Trial) bool
	}{
		{"", func(t *Trial) bool {
			return t.Length == 4 && !t.Sink && t.Depth == 0 && t.Needle.ID == "" && t.PromptTokens == 4
		}},
		{`, "length": 0`, func(t *Trial) bool { return t.Length == 0 }},
		{`, "length": 9`, func(t *Trial) bool { return t.Length == 9 }},
		{`, "length": -1`, func(t *Trial) bool { return t.Length == 4 }},
		{`, "length": "x"`, func(t *Trial) bool { return t.Length == 4 }},
		{`, "length": 99999999999`, func(t *Trial) bool { return t.Length == 4 }},
		{`, "length": 16777216`, func(t *Trial) bool { return t.Length == 16777216 }},
		{`, "length": 16777217`, func(t *Trial) bool { return t.Length == 4 }},
		{`, "also": [{"id": "` + strings.Repeat("x", 512) + `", "length": 1, "depth": 0}]`, func(t *Trial) bool { return len(t.Also) == 1 }},
		{`, "also": [{"id": "b", "length": 16777216, "depth": 0}]`, func(t *Trial) bool { return len(t.Also) == 1 }},
		{`, "depth": 100`, func(t *Trial) bool { return t.Depth == 100 }},
		{`, "depth": 37.5`, func(t *Trial) bool { return t.Depth == 37.5 }},
		{`, "depth": 100.5`, func(t *Trial) bool { return t.Depth == 0 }},
		{`, "depth": -1`, func(t *Trial) bool { return t.Depth == 0 }},
		{`, "real_depth": 0`, func(t *Trial) bool { return t.RealDepth != nil && *t.RealDepth == 0 }},
		{`, "real_depth": 100`, func(t *Trial) bool { return t.RealDepth != nil && *t.RealDepth == 100 }},
		{`, "real_depth": 101`, func(t *Trial) bool { return t.RealDepth == nil }},
		{`, "real_depth": -1`, func(t *Trial) bool { return t.RealDepth == nil }},
		{`, "real_depth": null`, func(t *Trial) bool { return t.RealDepth == nil }},
		{`, "sink": true`, func(t *Trial) bool { return t.Sink }},
		{`, "question_tokens": -3`, func(t *Trial) bool { return t.QuestionTokens == 0 }},
		{`, "question_tokens": 5000`, func(t *Trial) bool { return t.QuestionTokens == 1024 }},
		{`, "needle": "n"`, func(t *Trial) bool { return t.Needle.ID == "n" }},
		{`, "needle": {"id": "n", "answer": "x"}`, func(t *Trial) bool { return t.Needle.ID == "n" && len(t.Needle.Answers) == 1 }},
		{`, "also": [{"id": "b", "length": 0, "depth": 0}, {"id": "c", "length": 7, "depth": 100}]`, func(t *Trial) bool { return len(t.Also) == 2 }},
	} {
		got, err := given(c.fields)
		if err != nil || !c.want(got) {
			t.Errorf("%s: %+v, %v", c.fields, got, err)
		}
	}
	for fields, want := range map[string]string{
		`, "also": [{"id": "", "length": 1, "depth": 1}]`:                                 `"also" must be`,
		`, "also": [{"id": "` + strings.Repeat("x", 513) + `", "length": 1, "depth": 1}]`: `"also" must be`,
		`, "also": [{"id": "b", "length": -1, "depth": 1}]`:                               `"also" must be`,
		`, "also": [{"id": "b", "length": 99999999999, "depth": 1}]`:                      `"also" must be`,
		`, "also": [{"id": "b", "length": 16777217, "depth": 1}]`:                         `"also" must be`,
		`, "also": [{"id": "b", "length": 1, "depth": -1}]`:                               `"also" must be`,
		`, "also": [{"id": "b", "length": 1, "depth": 101}]`:                              `"also" must be`,
	} {
		if _, err := given(fields); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v", fields, err)
		}
	}
	if at, err := ReadTrials("f", strings.NewReader(`{"id": "a", "prompt_ids": [5], "span": [0, 1], "answer_ids": [2]}`)); err != nil || !at[0].Sink {
		t.Errorf("evidence at the very start: %+v, %v", at, err)
	}
	// A line is known wholly, so that its trial may share prefixes and keep its
	// index, where length, sink, index, prefix and the needle's text are there
	// and make sense: the prefix ends where the evidence begins at the latest.
	known := func(index, prefix string) string {
		return `, "length": 9, "sink": false, "needle": {"id": "n", "needle": "x"}, "index": ` + index + `, "shared_prefix": ` + prefix
	}
	for fields, want := range map[string]bool{
		known("0", "0"): true, known("7", "1"): true, known("999999", "0"): true,
		known("-1", "0"): false, known("1000000", "0"): false, known("null", "0"): false,
		known("0", "-1"): false, known("0", "2"): false, known("0", "null"): false,
		strings.Replace(known("0", "0"), `"length": 9`, `"length": -9`, 1):      false,
		strings.Replace(known("0", "0"), `"sink": false`, `"sink": "no"`, 1):    false,
		strings.Replace(known("0", "0"), `"needle": "x"`, `"question": "x"`, 1): false,
	} {
		if got, err := given(fields); err != nil || got.composed != want || !want && got.Index != 0 {
			t.Errorf("%s: known wholly %v, index %d, %v", fields, got.composed, got.Index, err)
		}
	}
	for fields, want := range map[string]int{known("0", "1"): 1, known("0", "2"): 0, known("0", "-1"): 0} {
		if got, err := given(fields); err != nil || got.SharedPrefix != want {
			t.Errorf("%s: shared prefix %d, %v", fields, got.SharedPrefix, err)
		}
	}
	line := func(id string, answer int, token int) string {
		ids, _ := json.Marshal(make([]int32, answer))
		return fmt.Sprintf(`{"id": %q, "prompt_ids": [%d], "span": [0, 1], "answer_ids": %s}`, id, token, ids)
	}
	for text, want := range map[string]string{
		line(strings.Repeat("x", 512), 1, 0): "", line(strings.Repeat("x", 513), 1, 0): "longer than 512 bytes",
		line("a", 1024, 0): "", line("a", 1025, 0): "more than 1024 tokens", line("a", 1, -1): "token id -1 is negative",
	} {
		if _, err := ReadTrials("f", strings.NewReader(text)); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.40s: %v, want %q", text, err, want)
		}
	}
}
