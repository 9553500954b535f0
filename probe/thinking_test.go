package probe

import (
	"slices"
	"strings"
	"testing"

	"headprof/needle"
	"headprof/runner/chat"
	"headprof/scoring"
)

// thinkingRules are rules for a fake that thinks up to n tokens.
func thinkingRules(m *fakeModel, n int, decode Decode) Rules {
	r := Rules{Decode: decode, Thinking: &Thinking{
		Thinking: chat.Thinking{Marks: chat.Marks{Open: []string{"<think>"}, Close: "</think>"}}, Tokens: n,
	}}
	for _, token := range m.Encode("</think>") {
		r.Thinking.Shut = append(r.Thinking.Shut, token.ID)
	}
	if decode == Greedy {
		r.Judge = needle.Window{}
	}
	return r
}

func thinkingFake() *fakeModel {
	m := newFake()
	m.thinks = true
	return m
}

// Thought and answer come apart at the closing mark; both are scored; what is
// cut off fails and is counted.
func TestThoughtAndAnswer(t *testing.T) {
	m := thinkingFake()
	p := testPlan(t, m, testGrid(t), PlanOptions{Rules: thinkingRules(m, 24, Greedy), Seed: 3})
	var last Progress
	r := mustRun(t, m, p, Options{Progress: func(p Progress) { last = p }})
	cut, ended, scored := 0, 0, 0
	for _, rec := range r.Records {
		th := rec.Thinking
		if th == nil || !strings.HasPrefix(th.Text, "<think>") {
			t.Fatalf("%s: thought %+v", rec.ID, th)
		}
		if n := strings.Count(th.Text, "</think>"); n > 1 || n == 0 != th.Cut {
			t.Errorf("%s: cut off %v, thought %q", rec.ID, th.Cut, th.Text)
		}
		if th.Cut != slices.Contains(rec.Flags, FlagCut) {
			t.Errorf("%s: flags %q, cut off: %v", rec.ID, rec.Flags, th.Cut)
		}
		if th.Cut {
			cut++
			if rec.Pass || len(rec.IDs) > 0 || rec.Steps != [2]int{} {
				t.Errorf("%s: cut off, and yet pass %v, answer %q, steps %v", rec.ID, rec.Pass, rec.Text, rec.Steps)
			}
			if n := len(th.IDs); n > 24 || n < 24 && !strings.HasSuffix(th.Text, "<end>") {
				t.Errorf("%s: cut off after %d tokens: %q", rec.ID, n, th.Text)
			}
			continue
		}
		ended++
		if !strings.HasSuffix(strings.TrimSpace(th.Text), "</think>") {
			t.Errorf("%s: the thought %q does not end in its mark", rec.ID, th.Text)
		}
		// "<", "think" and ">" open it; "<", "/", "think" and ">" end it.
		closing := strings.Count(th.Text[strings.LastIndex(th.Text, "</think>"):], "") - 1
		if want := len(th.IDs) - 4 - (closing - len("</think>")); th.Steps != [2]int{3, want} {
			t.Errorf("%s: the thought is of steps %v, want [3 %d]", rec.ID, th.Steps, want)
		}
		if rec.Pass && rec.Steps[0] < len(th.IDs) {
			t.Errorf("%s: steps %v are scored, the answer begins at %d", rec.ID, rec.Steps, len(th.IDs))
		}
		for _, method := range scoring.Methods() {
			table := rec.Scores[scoring.WhileThinking(method.Name())]
			if len(table) != fakeLayers {
				t.Fatalf("%s: no scores of %s while thinking", rec.ID, method.Name())
			}
			for _, layer := range table {
				for _, v := range layer {
					if v > 0 {
						scored++
					}
				}
			}
		}
	}
	if cut == 0 || ended == 0 || r.Passed == 0 || scored == 0 {
		t.Errorf("%d cut off, %d ended, %d passed, %d scores while thinking: the test shows little", cut, ended, r.Passed, scored)
	}
	if r.CutOff != cut || last.CutOff != cut || r.Manifest.Outcome.CutOff != cut || r.Manifest.Settings[ThinkSetting] != "24" {
		t.Errorf("%d cut off; result %d, progress %d, manifest %d, setting %q", cut, r.CutOff, last.CutOff, r.Manifest.Outcome.CutOff, r.Manifest.Settings[ThinkSetting])
	}
	if !slices.ContainsFunc(r.Warnings(), func(w Warning) bool { return w.Kind == ThinkingCut }) {
		t.Errorf("no warning about answers that were cut off: %v", r.Warnings())
	}
	table, err := scoring.Aggregate(r.Scores, scoring.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range scoring.Methods() {
		if n := len(table.Of(scoring.WhileThinking(method.Name()))); n != fakeLayers*fakeHeads {
			t.Errorf("%s while thinking: %d rows", method.Name(), n)
		}
	}
}

// The answer that is forced stands behind a thought that has ended, by itself or not.
func TestForcedAnswerBehindAThought(t *testing.T) {
	m := thinkingFake()
	p := testPlan(t, m, testGrid(t), PlanOptions{Rules: thinkingRules(m, 24, Forced), Seed: 3})
	var steps [][]Step
	r := mustRun(t, m, p, Options{Steps: func(_ *Record, s []Step) error {
		steps = append(steps, s)
		return nil
	}})
	cut := 0
	for _, rec := range r.Records {
		n := len(rec.Thinking.IDs)
		if rec.Thinking.Cut {
			cut++
			n += 4 // </think> is given
		}
		if want := [2]int{n, n + len(rec.AnswerIDs)}; rec.Steps != want || !rec.Pass || rec.LogProb == nil {
			t.Errorf("%s: steps %v, want %v; pass %v", rec.ID, rec.Steps, want, rec.Pass)
		}
	}
	if cut == 0 || cut == len(r.Records) {
		t.Errorf("%d of %d cut off: the test shows little", cut, len(r.Records))
	}
	for i, list := range steps {
		scored := 0
		for _, s := range list {
			if s.Scored {
				scored++
			}
		}
		if scored == 0 || len(list) <= scored {
			t.Errorf("trial %d: %d steps, %d of the answer", i, len(list), scored)
		}
	}
}

// A thought from a given text to a judge's hand, by hand.
func TestThoughtBegunByTheTemplate(t *testing.T) {
	m := newFake()
	rules := thinkingRules(m, 4, Greedy)
	rules.Thinking.Opened = true
	th := rules.Thinking.start()
	var all []needle.Step
	for i, text := range []string{" the", " key</think>\n", "\n", " under"} {
		all = append(all, needle.Step{Text: text})
		if answer, over := th.next(all); answer != (i == 3) || over {
			t.Errorf("step %d: answer %v, over %v", i, answer, over)
		}
	}
	if from, to := th.Steps(); from != 0 || to != 1 || th.from != 3 {
		t.Errorf("thought [%d, %d), answer from %d", from, to, th.from)
	}
}
