package probe

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"headprof/needle"
)

// made is a trial whose prompt is the first n tokens of a haystack and three of its own.
func made(haystack string, n int, own int32) *Trial {
	t := &Trial{ID: haystack, Haystack: haystack, SharedPrefix: n, AnswerIDs: []int32{1, 2}, Span: needle.Span{Start: n, End: n + 1}}
	for i := range int32(n) {
		t.prompt = append(t.prompt, int32(len(haystack))*200+i)
	}
	t.prompt = append(t.prompt, own, own, own)
	t.PromptTokens = len(t.prompt)
	return t
}

// Counted by hand: what a trial keeps of the session before it, or takes from
// its haystack's base, and what is left to compute.
func TestMovesByHand(t *testing.T) {
	l := ledger{reuse: true, bases: map[string]int{"h": 0}}
	for i, c := range []struct {
		prompt   []int32
		shared   int
		haystack string
		want     move
	}{
		{[]int32{1, 2, 3, 9, 9}, 3, "h", move{keep: 3, base: true, growTo: 3, cost: 5}},    // the base's 3, and 2
		{[]int32{1, 2, 3, 4, 8}, 4, "h", move{keep: 4, base: true, growTo: 4, cost: 2}},    // one more of the base, and 1
		{[]int32{1, 2, 3, 4, 7, 7}, 4, "h", move{keep: 4, cost: 2}},                        // the session has as much
		{[]int32{1, 2, 6}, 2, "h", move{keep: 2, cost: 1}},                                 //
		{[]int32{1, 2, 3, 4, 5, 0}, 3, "h", move{keep: 3, base: true, growTo: 4, cost: 3}}, // the base holds more
		{[]int32{1, 2, 3, 4, 5, 0}, 6, "h", move{keep: 5, cost: 1}},                        // the last token is computed always
		{[]int32{1, 2, 9, 9, 9}, 4, "other", move{keep: 2, cost: 3}},                       // no base is kept
	} {
		if got := l.next(&Trial{Haystack: c.haystack, SharedPrefix: c.shared}, c.prompt); got != c.want {
			t.Errorf("%d: %+v, want %+v", i, got, c.want)
		}
	}
	plain := ledger{}
	if got := plain.next(&Trial{Also: make([]Point, 2)}, []int32{1, 2, 3, 4, 5}); got != (move{cost: 15}) {
		t.Errorf("without reuse, with two further points: %+v, want three times 5 tokens", got)
	}
}

// A base is kept where at least 64 tokens would be computed again, until the
// last trial that they would be computed for.
func TestBasesThatPay(t *testing.T) {
	plan := func(n ...int) (p Plan) {
		for i, n := range n {
			p.Trials = append(p.Trials, made("h", n, int32(900+i)))
		}
		return p
	}
	for name, c := range map[string]struct {
		p    Plan
		last int // −1: no base
	}{
		"64 tokens again":         {plan(74, 10, 74), 2},
		"63 tokens again":         {plan(73, 10, 73), -1},
		"twice 32":                {plan(42, 10, 42, 10, 42), 4},
		"what follows needs none": {plan(74, 10, 74, 74), 2},
		"the first time":          {plan(10, 90), -1},
		"never shorter":           {plan(90, 90, 90), -1},
	} {
		uses, err := c.p.chooseBases(c.p.Trials, true)
		want := map[string]baseUse{"h": {c.last}}
		if c.last < 0 {
			want = map[string]baseUse{}
		}
		if err != nil || !maps.Equal(uses, want) {
			t.Errorf("%s: %v, %v, want %v", name, uses, err, want)
		}
		one := c.p
		one.OneCache = true
		if uses, err := one.chooseBases(one.Trials, true); err != nil || len(uses) > 0 {
			t.Errorf("%s, one cache: %v, %v", name, uses, err)
		}
		if uses, err := c.p.chooseBases(c.p.Trials, false); err != nil || len(uses) > 0 {
			t.Errorf("%s, no reuse: %v, %v", name, uses, err)
		}
	}
}

// fourPrompts are of 77, 13, 77 and 155 tokens; the third has 74 in common with
// the first, which 64 more than with the second, and the fourth nothing with any.
func fourPrompts() *Plan {
	return &Plan{Rules: Rules{Decode: Forced}, Trials: []*Trial{made("h", 74, 900), made("h", 10, 901), made("h", 74, 902), made("ab", 152, 903)}}
}

func TestCostByHand(t *testing.T) {
	p := fourPrompts()
	p.Trials[1].Also = make([]Point, 1)
	// 74 of the base and 3; 3; 3; 155. Without reuse 77 + twice 13 + 77 + 155.
	// At most the fourth prompt and its answer of 2 are held: the base is gone by then.
	want := Cost{Naive: 335, Planned: 238, Peak: 157, PerTrial: []int{77, 3, 3, 155}}
	if c, err := p.EstimateCost(true); err != nil || c.Naive != want.Naive || c.Planned != want.Planned || c.Peak != want.Peak || !slices.Equal(c.PerTrial, want.PerTrial) {
		t.Errorf("%+v, %v, want %+v", c, err, want)
	}
	if c, err := p.EstimateCost(false); err != nil || c.Planned != 335 || c.Naive != 335 || !slices.Equal(c.PerTrial, []int{77, 26, 77, 155}) {
		t.Errorf("without reuse: %+v, %v", c, err)
	}
	// While the base is there: 77, the answer of 2, and the base of 74.
	p.Trials = p.Trials[:3]
	if c, err := p.EstimateCost(true); err != nil || c.Peak != 153 {
		t.Errorf("with a base: %+v, %v, want a peak of 153", c, err)
	}
	// One cache: 77 again for the third, less the 10 of the second.
	p.OneCache = true
	if c, err := p.EstimateCost(true); err != nil || c.Peak != 79 || !slices.Equal(c.PerTrial, []int{77, 3, 67}) {
		t.Errorf("one cache: %+v, %v", c, err)
	}
}

// The sessions do what the ledger says: each holds the prompt's kept tokens,
// the base is closed after the last trial that needs it, and every session has
// room for the longest prompt and its answer.
func TestSessionsOfFourPrompts(t *testing.T) {
	m, p := newFake(), fourPrompts()
	computed := 0
	s, err := newSessions(m, p, p.Trials, true, 30, func(n int) { computed += n })
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct{ held, open, computed int }{{74, 2, 74}, {10, 2, 74}, {74, 1, 74}, {0, 1, 74}} {
		prompt := p.Trials[i].prompt
		session, err := s.ready(t.Context(), p.Trials[i], prompt)
		if err != nil {
			t.Fatal(err)
		}
		if held := session.(*fakeSession).tokens; len(held) != want.held || !slices.Equal(held, prompt[:want.held]) {
			t.Errorf("trial %d: the session holds %d tokens, want the prompt's first %d", i, len(held), want.held)
		}
		if _, err := session.Extend(t.Context(), prompt[session.Len():], Watch{}); err != nil {
			t.Fatal(err)
		}
		s.done(i)
		if m.open != want.open || computed != want.computed {
			t.Errorf("after trial %d: %d sessions open, %d tokens of bases computed, want %+v", i, m.open, computed, want)
		}
	}
	if !slices.Equal(m.rooms, []int{157}) || slices.Max(m.sizes[:3]) != 25 {
		t.Errorf("room for %v tokens, want 157; the base in pieces of %v, want 25, 25 and 24", m.rooms, m.sizes[:3])
	}
	s.close()
	if m.open != 0 {
		t.Errorf("%d sessions left open", m.open)
	}

	m = newFake()
	s, err = newSessions(m, p, p.Trials, false, 30, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for i := range p.Trials {
		if session, err := s.ready(t.Context(), p.Trials[i], p.Trials[i].prompt); err != nil || session.Len() != 0 || m.open != 1 || len(m.rooms) != i+1 {
			t.Errorf("without reuse, trial %d: %v, %d sessions made, %d open", i, err, len(m.rooms), m.open)
		}
	}
}

func TestPrefillStops(t *testing.T) {
	m, p := newFake(), fourPrompts()
	s, err := newSessions(m, p, p.Trials, true, 30, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	m.fail, m.failAt = errors.New("device lost"), 2
	if _, err := s.ready(t.Context(), p.Trials[0], p.Trials[0].prompt); err != m.fail {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.prefill(ctx, nil, []int32{1}); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}

func TestPiecesOfAPrompt(t *testing.T) {
	for _, c := range []struct{ n, chunk, first, last int }{
		{1, 4, 1, 1}, {4, 4, 4, 4}, {5, 4, 3, 2}, {8, 4, 4, 4}, {9, 4, 3, 3}, {10, 4, 4, 3}, {7, 1, 1, 1}, {3, 100, 3, 3},
	} {
		if first, last := nextChunk(c.n, c.chunk), lastChunk(c.n, c.chunk); first != c.first || last != c.last {
			t.Errorf("%d by %d: first %d, last %d, want %d and %d", c.n, c.chunk, first, last, c.first, c.last)
		}
	}
}

// A prompt goes in with its answer's draft in as few pieces as the chunk
// allows, of equal size; what was computed is what was planned.
func TestPromptAndDraftInEqualPieces(t *testing.T) {
	g := testGrid(t)
	g.Needles, g.Lengths, g.Depths = g.Needles[:1], g.Lengths[:1], []float64{33}
	for _, decode := range []Decode{Forced, Greedy} {
		for chunk := 30; chunk < 160; chunk++ {
			m := newFake()
			p := testPlan(t, m, g, PlanOptions{Rules: Rules{Decode: decode, Judge: needle.Published{}}})
			var last Progress
			r := mustRun(t, m, p, Options{Chunk: chunk, Progress: func(p Progress) { last = p }})
			prompt, answer := p.Trials[0].PromptTokens, len(p.Trials[0].AnswerIDs)
			all := prompt + answer - 1
			want := (all + chunk - 1) / chunk
			sizes := m.sizes[:want]
			if decode == Forced && len(m.sizes) != want || slices.Max(sizes) > chunk || slices.Max(sizes)-slices.Min(sizes) > 1 {
				t.Errorf("%s, %d and %d tokens by %d: pieces of %v", decode, prompt, answer-1, chunk, m.sizes)
			}
			if last.TokensDone != int64(prompt) || last.TokensTotal != int64(prompt) {
				t.Errorf("%s, by %d: %d of %d tokens done, the prompt has %d", decode, chunk, last.TokensDone, last.TokensTotal, prompt)
			}
			session, _ := m.NewSession(0)
			logits, _ := session.Extend(t.Context(), p.Trials[0].prompt, Watch{Logits: []int{prompt - 1}})
			if got := r.Records[0].Top; len(got) != 5 || got[0].Logit != slices.Max(logits[0]) {
				t.Errorf("%s, by %d: most likely first %v", decode, chunk, got)
			}
		}
	}
}

// A trial that fits the model's context to the token runs, whatever is drafted,
// and gives what it gives without drafts.
func TestDraftsStayInTheContext(t *testing.T) {
	for name, rule := range rules() {
		m := newFake()
		trials, err := testGrid(t).Trials(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, tr := range trials {
			m.context = 4096
			p, err := NewPlan(m, []*Trial{tr}, PlanOptions{Rules: rule})
			if err != nil {
				t.Fatal(err)
			}
			want := mustRun(t, m, p, Options{NoDraft: true}).Records[0]
			m.context = tr.PromptTokens + rule.steps(tr) - 1
			got := mustRun(t, m, p, Options{}).Records[0]
			if got.Text != want.Text || got.Pass != want.Pass {
				t.Errorf("%s, %s: %q, want %q", name, tr.ID, got.Text, want.Text)
			}
		}
	}
}

// A run with bases, continued after some trials: progress counts what was there
// and ends at the planned tokens, and no base outlives its use.
func TestContinuedRunPlansWhatIsLeft(t *testing.T) {
	g := testGrid(t)
	g.Haystacks = append(g.Haystacks, testHaystack(t, "other", 700))
	g.Needles, g.Lengths = g.Needles[:2], g.Lengths[:2]
	m := newFake()
	p := testPlan(t, m, g, PlanOptions{Block: 8, Seed: 3})
	whole := mustRun(t, m, p, Options{})
	passes := map[string]bool{}
	for _, r := range whole.Records {
		passes[r.ID] = r.Pass
	}
	for _, after := range []int{1, 9, 16, 31} {
		dir := filepath.Join(t.TempDir(), "run")
		ctx, cancel := context.WithCancel(t.Context())
		_, err := Run(ctx, m, p, Options{Dir: dir, Progress: func(p Progress) {
			if p.Done == after {
				cancel()
			}
		}})
		cancel()
		if !errors.Is(err, ErrInterrupted) {
			t.Fatalf("cancelled after %d trials: %v", after, err)
		}
		passed := 0
		for _, tr := range p.Trials[:after] {
			if passes[tr.ID] {
				passed++
			}
		}
		var seen []Progress
		var open int
		mustRun(t, m, p, Options{Dir: dir, Progress: func(p Progress) { seen, open = append(seen, p), m.open }})
		begin, end := seen[0], seen[len(seen)-1]
		if begin.Done != after || begin.Resumed != after || begin.Passed != passed || end.Done != 32 || end.Passed != whole.Passed {
			t.Errorf("after %d: from %+v to %+v, %d of these had passed, %d of all", after, begin, end, passed, whole.Passed)
		}
		if end.TokensDone != end.TokensTotal || open != 1 {
			t.Errorf("after %d: %d of %d tokens at the end, %d sessions open", after, end.TokensDone, end.TokensTotal, open)
		}
	}
}
