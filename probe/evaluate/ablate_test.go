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

// The controls of two layers of three heads, best 0-0, 0-1, 1-0, counted by hand.
func TestMasksOfAllControls(t *testing.T) {
	var rows []scoring.Head
	for i, mean := range []float64{9, 8, 1, 7, 2, 3} {
		rows = append(rows, scoring.Head{Layer: i / 3, Head: i % 3, Mean: mean})
	}
	masks, err := Masks(rows, MaskPlan{Counts: []int{0, 1, 3}, Seeds: 2, Seed: 5, Ablations: Ablations(), Controls: Controls()})
	if err != nil {
		t.Fatal(err)
	}
	// No mask; three ablations of two counts of top, two random, two permuted and
	// bottom; one head restored of three, and two draws of that.
	if len(masks) != 1+3*2*6+3 {
		t.Fatalf("%d masks", len(masks))
	}
	names := map[string]bool{}
	for _, m := range masks {
		if names[m.Name()] {
			t.Errorf("two masks are named %s", m.Name())
		}
		names[m.Name()] = true
		got, err := parseMask(m.Name(), m.list())
		if m.Elsewhere = 0; err != nil || got.Name() != m.Name() || got.list() != m.list() || got.Choice != m.Choice {
			t.Errorf("%s %q is read back as %+v, %v", m.Name(), m.list(), got, err)
		}
		if m.Choice == RestoredRandom && strings.Contains(m.list(), "+0-0") {
			t.Errorf("%s restores the best head: %s", m.Name(), m.list())
		}
		perLayer := map[int]int{}
		for _, h := range m.Heads {
			perLayer[h.Layer]++
		}
		if m.Choice == Permuted && len(m.Heads) == 3 && (perLayer[0] != 2 || perLayer[1] != 1) {
			t.Errorf("%s takes %s: other layers than the top heads' two and one", m.Name(), m.list())
		}
	}
	for _, name := range []string{"top-3", "mean:top-1", "resample:bottom-3", "mean:random-1-2", "resample:permuted-3-1", "restored-1-of-3", "restored-random-1-of-3-2"} {
		if !names[name] {
			t.Errorf("no mask is named %s", name)
		}
	}
	if last := masks[len(masks)-3]; last.list() != "+0-0 0-1 1-0" {
		t.Errorf("patch-back %s", last.list())
	}
	for _, name := range []string{"top", "top-x", "half:top-1", "restored-1-of-3-2-4", "top-2"} {
		if _, err := parseMask(name, "0-0"); err == nil {
			t.Errorf("%s is a mask of one head", name)
		}
	}
}

// Two prompts and two draws by hand: the top heads lose 5 and 9; random ones 2
// and 4, or 1 and 1: the difference is −5.
func TestAgainstRandomByHand(t *testing.T) {
	one := []HeadID{{0, 1}}
	masks := []Mask{{Choice: None}, {Choice: Top, Ablation: Mean, Heads: one}, {Choice: Random, Ablation: Mean, Seed: 1, Heads: one}, {Choice: Random, Ablation: Mean, Seed: 2, Heads: one},
		{Choice: Permuted, Ablation: Mean, Seed: 1, Heads: one}, {Choice: Random, Ablation: Zero, Seed: 1, Heads: one}}
	var rs []*Masked
	for m, probs := range [][]float64{{-1, -3}, {-6, -12}, {-3, -7}, {-2, -4}, {-1, -3}, {-9, -9}} {
		for i, p := range probs {
			rs = append(rs, &Masked{Mask: masks[m].Name(), Item: "ab"[i : i+1], Group: "ab"[i : i+1], LogProb: p})
		}
	}
	got, err := Effects(rs, masks, 1)
	if err != nil {
		t.Fatal(err)
	}
	// None, top, random and its draws, permuted and its draw, random under zero and its draw.
	if len(got) != 9 {
		t.Fatalf("%d rows: %+v", len(got), got)
	}
	if a := got[1].AgainstRandom; a.Value != -5 || a.Low < -9 || a.High > -2 || a.Low > -5 || a.High < -5 {
		t.Errorf("against random: %+v", a)
	}
	for i, e := range got {
		if i != 1 && e.compared() {
			t.Errorf("row %d is compared: %+v", i, e)
		}
	}
	table := AblationMarkdown(got)
	for _, want := range []string{"| masked heads | choice | mean | zero |", "| 1 | top | -7.00 [", "| 1 | top | -5.00 ["} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
}
