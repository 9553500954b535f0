package probe

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"headprof/needle"
	"headprof/scoring"
)

// given reads n trials of prompts that share nothing, each of two tokens.
func given(t testing.TB, n int) []*Trial {
	t.Helper()
	var lines []string
	for i := range n {
		lines = append(lines, fmt.Sprintf(`{"id": "%c", "prompt_ids": [%d, %d], "span": [0, 1], "answer_ids": [3]}`, 'a'+i, 10+2*i, 11+2*i))
	}
	trials, err := ReadTrials("f", strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return trials
}

func names(trials []*Trial) (out string) {
	for _, t := range trials {
		out += t.ID
	}
	return out
}

// Of a plan of one block shards are neighbours of about equal cost; of a plan
// of several, every so many blocks.
func TestShardsByHand(t *testing.T) {
	plan := func(n, block int) *Plan {
		p, err := NewPlan(newFake(), given(t, n), PlanOptions{Rules: Rules{Decode: Forced}, Block: block, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, block := range []int{0, 6, 7} { // one block all the same
		p := plan(6, block)
		var parts []string
		for i := range 3 {
			s, err := p.Shard(i+1, 3)
			if err != nil || s.shardName() != fmt.Sprintf("%d/3", i+1) || s.Hash != p.Hash || !slices.Equal(s.blockStarts, []int{0}) {
				t.Fatalf("%+v, %v", s, err)
			}
			parts = append(parts, names(s.Trials))
		}
		if got := strings.Join(parts, " "); got != "ab cd ef" || names(p.Trials) != "abcdef" || p.Block != 6 || p.shardName() != "" {
			t.Errorf("blocks of %d: shards %s of %s", block, got, names(p.Trials))
		}
	}
	p := plan(7, 2) // four blocks, the last of one trial
	all := names(p.Trials)
	for shard, want := range map[int]string{1: all[0:2] + all[4:6], 2: all[2:4] + all[6:7]} {
		s, err := p.Shard(shard, 2)
		if err != nil || names(s.Trials) != want || !slices.Equal(s.blockStarts, []int{0, 2}) {
			t.Errorf("shard %d of %s: %s, want %s, %v", shard, all, names(s.Trials), want, err)
		}
	}
	if s, err := p.Shard(4, 4); err != nil || names(s.Trials) != all[6:] {
		t.Errorf("the last block: %v", err)
	}

	s, err := p.Shard(1, 1)
	if err != nil || names(s.Trials) != all {
		t.Fatalf("one shard: %v", err)
	}
	// One shard sees all trials, so that it may stop early.
	if _, err := Run(t.Context(), newFake(), s, Options{Stop: func([]scoring.TrialScore) (bool, string) { return false, "" }}); err != nil {
		t.Errorf("one shard that may stop: %v", err)
	}
	for want, c := range map[string][2]int{
		"the first number must be within 1 to the second": {0, 2}, "shard 3/2": {3, 2}, "shard 1/0": {1, 0}, "the plan has only 7 trials": {8, 8},
	} {
		if _, err := p.Shard(c[0], c[1]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", c, err, want)
		}
	}
	if _, err := p.Shard(7, 7); err != nil {
		t.Errorf("as many shards as trials: %v", err)
	}
	if _, err := s.Shard(1, 1); err == nil || err.Error() != "the plan is a shard already" {
		t.Errorf("a shard of a shard: %v", err)
	}
}

// A count takes so many trials; all of them stay in their order.
func TestCountOfTrials(t *testing.T) {
	for count, want := range map[int]int{0: 6, 1: 1, 4: 4, 6: 6, 9: 6} {
		p, err := NewPlan(newFake(), given(t, 6), PlanOptions{Rules: Rules{Decode: Forced}, Count: count, Seed: 1})
		if err != nil || len(p.Trials) != want || want == 6 && names(p.Listed()) != "abcdef" {
			t.Errorf("%d: %d trials, listed %s, %v", count, len(p.Trials), names(p.Listed()), err)
		}
	}
}

// The walk through the tree of prompts: haystack by haystack, the deepest needle
// first, needle by needle, the longest prompt first.
func TestOrderForReuse(t *testing.T) {
	trial := func(id, haystack string, prefix int, text string, tokens int) *Trial {
		return &Trial{ID: id, Haystack: haystack, SharedPrefix: prefix, Needle: needle.Needle{Text: text}, PromptTokens: tokens, composed: true}
	}
	list := []*Trial{
		trial("f", "h2", 90, "a", 100), trial("d", "h1", 50, "b", 99), trial("b", "h1", 50, "a", 80),
		trial("e", "h1", 20, "a", 500), trial("a", "h1", 50, "a", 100), trial("c", "h1", 50, "a", 70),
	}
	sortForReuse(list)
	if got := names(list); got != "abcdef" {
		t.Errorf("%s", got)
	}
	same := []*Trial{trial("b", "h", 1, "a", 5), trial("a", "h", 1, "a", 5)}
	same[0].Index = 1
	if sortForReuse(same); names(same) != "ab" {
		t.Errorf("of equal ones the first of the plan: %s", names(same))
	}
}

// What is written of a needle's answer in a file of trials is the answer's
// text, unless the file says which.
func TestAnswersOfGivenTrials(t *testing.T) {
	m := newFake()
	word := m.Encode(" plums")[0].ID
	trials, err := ReadTrials("f", strings.NewReader(fmt.Sprintf(`{"id": "a", "prompt_ids": [1, 2], "span": [0, 1], "answer_ids": [%d]}
{"id": "b", "prompt_ids": [1, 3], "span": [0, 1], "answer_ids": [%d], "needle": {"id": "n", "answers": ["pears"]}}`, word, word)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPlan(m, trials, PlanOptions{Rules: Rules{Decode: Forced}})
	if err != nil || !slices.Equal(p.Trials[0].Needle.Answers, []string{"plums"}) || !slices.Equal(p.Trials[1].Needle.Answers, []string{"pears"}) {
		t.Errorf("%+v, %v", p.Trials, err)
	}
}

func TestPromptsAreKeptOrMadeAgain(t *testing.T) {
	made := 0
	compose := func() (*needle.Prompt, error) {
		made++
		if made > 1 {
			return nil, context.Canceled
		}
		return &needle.Prompt{IDs: []int32{7}}, nil
	}
	kept := &Trial{prompt: []int32{8}, compose: compose}
	if ids, err := kept.Prompt(); err != nil || made != 0 || ids[0] != 8 {
		t.Errorf("kept: %v, %v", ids, err)
	}
	if ids, err := (&Trial{prompt: []int32{9}}).Prompt(); err != nil || ids[0] != 9 {
		t.Errorf("given: %v, %v", ids, err)
	}
	again := &Trial{compose: compose}
	if ids, err := again.Prompt(); err != nil || ids[0] != 7 {
		t.Errorf("made again: %v, %v", ids, err)
	}
	if _, err := again.Prompt(); err != context.Canceled {
		t.Errorf("cannot be made: %v", err)
	}
}

// A grid's prompt begins with the frame's prefix and SharedPrefix−prefix tokens
// of its haystack; then comes the needle. Small plans keep their prompts.
func TestSharedPrefixOfAGrid(t *testing.T) {
	m := newFake()
	g := testGrid(t)
	g.Haystacks = append(g.Haystacks, testHaystack(t, "other", 700))
	g.Needles, g.Lengths, g.Frame.Prefix = g.Needles[:1], g.Lengths[:1], []int32{5, 6}
	trials, err := g.Trials(m)
	if err != nil || len(trials) != 8 {
		t.Fatalf("%d trials, %v", len(trials), err)
	}
	hays := map[string]int{}
	for _, tr := range trials {
		hays[tr.Haystack]++
		prompt, _ := tr.Prompt()
		again, _ := tr.Prompt()
		hay := g.Haystacks[0]
		if tr.Haystack == "other" {
			hay = g.Haystacks[1]
		}
		want := []int32{5, 6}
		for _, token := range hay.Tokens(m)[:tr.SharedPrefix-2] {
			want = append(want, token.ID)
		}
		for _, token := range m.Encode(" " + g.Needles[0].Text) {
			want = append(want, token.ID)
		}
		if !slices.Equal(prompt[:len(want)], want) || &prompt[0] != &again[0] {
			t.Errorf("%s does not begin with its prefix of %d and the needle", tr.ID, tr.SharedPrefix)
		}
	}
	if hays["h"] != 4 || hays["other"] != 4 {
		t.Errorf("trials by haystack: %v", hays)
	}
	if KeepBefore(g.Frame) != 0 || KeepBefore(needle.Frame{}) != 8 {
		t.Error("8 tokens stand before a needle where no prefix does")
	}
	// Points with one prompt count up to the asked number.
	g.Lengths, g.Haystacks, g.Duplicates, g.Count = []int{0}, g.Haystacks[:1], true, 3
	if trials, err := g.Trials(m); err != nil || len(trials) != 1 || len(trials[0].Also) != 2 {
		t.Errorf("three of four points with one prompt: %d trials, %v", len(trials), err)
	}
}

// Points with one prompt cost one run; without reuse each its own.
func TestPointsWithOnePrompt(t *testing.T) {
	g := testGrid(t)
	g.Needles, g.Lengths, g.Duplicates = g.Needles[:1], []int{0}, true
	m := newFake()
	p := testPlan(t, m, g, PlanOptions{Rules: Rules{Decode: Forced}})
	if len(p.Trials) != 1 || len(p.Trials[0].Also) != 3 {
		t.Fatalf("%d trials", len(p.Trials))
	}
	r := mustRun(t, m, p, Options{})
	once := m.computed
	m.computed = 0
	if again := mustRun(t, m, p, Options{NoReuse: true}); m.computed != 4*once || again.Done != 4 || r.Done != 4 || again.Records[0].Text != r.Records[0].Text {
		t.Errorf("%d tokens once, %d for four points; %d and %d points", once, m.computed, r.Done, again.Done)
	}
	m.calls, m.fail, m.failAt = 0, context.DeadlineExceeded, 2
	if _, err := Run(t.Context(), m, p, Options{NoReuse: true}); err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("the second of them fails: %v", err)
	}
}

// Trials listed needle by needle: in a plan of blocks each block holds every
// needle once.
func TestBlocksAreBalanced(t *testing.T) {
	var lines []string
	for needle := range 4 {
		for length := range 3 {
			lines = append(lines, fmt.Sprintf(`{"id": "%c%d", "prompt_ids": [%d, %d], "span": [0, 1], "answer_ids": [3], "needle": "n%d", "length": %d}`, 'a'+needle, length, 10+needle, length, needle, length))
		}
	}
	trials, err := ReadTrials("f", strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPlan(newFake(), trials, PlanOptions{Rules: Rules{Decode: Forced}, Block: 4, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	for block := range slices.Chunk(p.Trials, 4) {
		needles := map[string]bool{}
		for _, tr := range block {
			needles[tr.Needle.ID] = true
		}
		if len(needles) != 4 {
			t.Errorf("a block holds %s", names(block))
		}
	}
}

// A written line holds a trial's needle where one is known, and nothing else
// that is not.
func TestNeedlesOfWrittenTrials(t *testing.T) {
	trials, err := ReadTrials("f", strings.NewReader(`{"id": "a", "prompt_ids": [5, 6], "span": [0, 1], "answer_ids": [3]}
{"id": "b", "prompt_ids": [5, 7], "span": [0, 1], "answer_ids": [3], "needle": "n"}
{"id": "c", "prompt_ids": [5, 8], "span": [0, 1], "answer_ids": [3], "needle": {"answers": ["x"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := WriteTrials(&b, trials); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if want := `{"id":"a","prompt_ids":[5,6],"span":[0,1],"answer_ids":[3],"length":2,"depth":0,"sink":true}`; lines[0] != want {
		t.Errorf("%s, want %s", lines[0], want)
	}
	again, err := ReadTrials("f", strings.NewReader(b.String()))
	if err != nil || again[1].Needle.ID != "n" || !slices.Equal(again[2].Needle.Answers, []string{"x"}) {
		t.Errorf("read back: %+v, %v", again, err)
	}
}
