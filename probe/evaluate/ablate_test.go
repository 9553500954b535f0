package evaluate

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"headprof/probe"
	"headprof/runner"
	"headprof/scoring"
)

// heads makes rows of layers × heads whose score falls with their index.
func heads(layers, perLayer int) []scoring.Head {
	var rows []scoring.Head
	for l := range layers {
		for h := range perLayer {
			rows = append(rows, scoring.Head{Layer: l, Head: h, Mean: float64(100 - l*perLayer - h)})
		}
	}
	return rows
}

func TestMasksAreDisjointAndFromTheSameLayers(t *testing.T) {
	rows := heads(4, 6) // the best 4 are layer 0's first
	masks, err := Masks(rows, MaskPlan{Counts: []int{0, 4}, Seeds: 3, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(masks) != 6 || masks[0].Choice != None || masks[1].list() != "0-0 0-1 0-2 0-3" || masks[5].list() != "3-2 3-3 3-4 3-5" {
		t.Fatalf("masks %v", masks)
	}
	for _, m := range masks[2:5] {
		// Layer 0 has two heads beside the top ones; two more come from elsewhere.
		if m.Choice != Random || len(m.Heads) != 4 || m.Elsewhere != 2 {
			t.Errorf("mask %+v", m)
		}
		for i, h := range m.Heads {
			if slices.Contains(masks[1].Heads, h) || i > 0 && h == m.Heads[i-1] {
				t.Errorf("mask %s takes %v", m.Name(), h)
			}
		}
		if m.Heads[0] != (HeadID{0, 4}) || m.Heads[1] != (HeadID{0, 5}) {
			t.Errorf("mask %s does not take what layer 0 has left: %v", m.Name(), m.Heads)
		}
	}
	again, _ := Masks(rows, MaskPlan{Counts: []int{0, 4}, Seeds: 3, Seed: 1})
	for i := range masks {
		if masks[i].list() != again[i].list() {
			t.Error("the same seed draws other heads")
		}
	}
	if _, err := Masks(rows, MaskPlan{Counts: []int{13}, Seeds: 1, Seed: 1}); err == nil {
		t.Error("13 of 24 heads masked against as many others is no error")
	}
}

// Two prompts, two draws, by hand: changes −2 and −4 in one, −1 and −1 in the other.
func TestEffectsByHand(t *testing.T) {
	masks := []Mask{{Choice: None}, {Choice: Random, Seed: 1, Heads: []HeadID{{0, 1}}}, {Choice: Random, Seed: 2, Heads: []HeadID{{0, 2}}}}
	var rs []*Masked
	for m, probs := range [][]float64{{-1, -3}, {-3, -7}, {-2, -4}} {
		for i, p := range probs {
			rs = append(rs, &Masked{Mask: masks[m].Name(), Item: "ab"[i : i+1], Group: "ab"[i : i+1], LogProb: p, Score: float64(1 - i)})
		}
	}
	got, err := Effects(rs, masks, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 || got[0].LogProb.Value != -2 || got[0].Score.Value != 0.5 {
		t.Fatalf("%+v", got)
	}
	if both := got[1]; both.Seed != 0 || both.LogProbChange.Value != -2 || both.LogProb.Value != -4 || both.LogProbChange.Low < -4 || both.LogProbChange.High > -1 || math.IsNaN(both.LogProbChange.Low) {
		t.Errorf("both draws: %+v", both)
	}
	if got[2].Seed != 1 || got[2].LogProbChange.Value != -3 || got[3].LogProbChange.Value != -1 || got[3].Masked != "0-2" {
		t.Errorf("draws: %+v, %+v", got[2], got[3])
	}
	// A paper's table has the draws together.
	if table := AblationMarkdown(got); strings.Count(table, "| random |") != 1 || !strings.Contains(table, "| 1 | random | 50.0 [") || !strings.Contains(table, "| -4.00 [") {
		t.Errorf("%s", table)
	}
}

// Without a mask the ablation is what full evaluates; with all heads of all
// layers but the last masked nothing can be retrieved; a resumed run ends the same.
func TestAblate(t *testing.T) {
	m, its, _ := items(t, 4)
	c := m.Config()
	last := len(c.Layers) - 1
	most := Mask{Choice: Top}
	for l := range last {
		for h := range c.Layers[l].Heads {
			most.Heads = append(most.Heads, HeadID{l, h})
		}
	}
	masks := []Mask{{Choice: None}, most}
	got, err := Ablate(context.Background(), m, its, masks, Options{})
	if err != nil {
		t.Fatal(err)
	}
	full, err := Run(context.Background(), m, its, DefaultSetting(), []Variant{{"full", 0}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range full {
		if a := got[i]; a.LogProb != r.Results[0].LogProb || a.Score != r.Results[0].Score || a.Text != r.Results[0].Text {
			t.Errorf("%s without a mask: %+v, full: %+v", r.Item, a, r.Results[0])
		}
		if a := got[len(its)+i]; a.Score != 0 || a.LogProb > r.Results[0].LogProb-1 {
			t.Errorf("%s with %d heads masked: %+v", r.Item, len(most.Heads), a)
		}
	}
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	_, err = Ablate(ctx, m, its, masks, Options{Dir: dir, Progress: func(done, _, _ int, _ *Record) {
		if done == 6 {
			cancel()
		}
	}})
	if !errors.Is(err, probe.ErrInterrupted) {
		t.Fatalf("a cancelled ablation: %v", err)
	}
	again, err := Ablate(context.Background(), m, its, masks, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if *again[i] != *got[i] {
			t.Errorf("resumed: %+v, at once: %+v", again[i], got[i])
		}
	}
	effects, err := Effects(again, masks, 1)
	if err != nil {
		t.Fatal(err)
	}
	files, err := WriteEffects(dir, effects)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if st, err := os.Stat(f); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v", filepath.Base(f), err)
		}
	}
}

// Masking must reach both the prefill and the decode: an answer under a mask
// is what a session masked from its first token computes in one go.
func TestMasksHoldFromTheFirstToken(t *testing.T) {
	m, its, _ := items(t, 2)
	k := Mask{Choice: Top, Heads: []HeadID{{0, 0}, {1, 1}}}
	got, err := Ablate(context.Background(), m, its, []Mask{k}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	it := its[1]
	s, err := m.NewSession(0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	masked := make([][]bool, len(m.Config().Layers))
	for l, layer := range m.Config().Layers {
		masked[l] = make([]bool, layer.Heads)
	}
	masked[0][0], masked[1][1] = true, true
	s.Mask(masked)
	if _, err := s.Extend(context.Background(), it.Prompt[:len(it.Prompt)-1], runner.Watch{}); err != nil {
		t.Fatal(err)
	}
	want := 0.0
	last := it.Prompt[len(it.Prompt)-1]
	for _, id := range it.AnswerIDs {
		logits, err := s.Extend(context.Background(), []int32{last}, runner.Watch{Logits: []int{s.Len()}})
		if err != nil {
			t.Fatal(err)
		}
		want += probe.LogProbability(logits[0], id)
		last = id
	}
	if got[1].LogProb != probe.Rounded(want) {
		t.Errorf("log-probability %v, step by step %v", got[1].LogProb, probe.Rounded(want))
	}
}
