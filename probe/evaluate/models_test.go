package evaluate

import (
	"context"
	"slices"
	"testing"

	"headprof/fixtures/reference"
	"headprof/needle"
	"headprof/probe"
	"headprof/runner"
)

// model opens a real model from the folder that HEADPROF_MODELS names.
func model(t *testing.T, name string) *runner.Model {
	t.Helper()
	m, err := runner.Open(reference.Model(t, name), runner.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// Gemma 3's local layers see 512 tokens. A prompt beyond that loses their
// older entries under every policy, and full still generates, bit for bit,
// what an untouched cache does.
func TestSlidingWindowsOnGemma(t *testing.T) {
	m := model(t, "gemma3-270m.gguf")
	e, err := probe.ModelOf(m)
	if err != nil {
		t.Fatal(err)
	}
	bos, _ := m.Tokenizer().BOS()
	prompt := []int32{bos}
	for _, tok := range needle.EmbeddedHaystack().Tokens(e)[:600] {
		prompt = append(prompt, tok.ID)
	}
	const steps = 6
	it := &Item{ID: "x", Task: "x", Group: "x", Prompt: prompt, AnswerIDs: []int32{5}, MaxTokens: steps, Score: func([]needle.Step) (float64, string) { return 0, "" }}
	vs, err := Variants([]string{"full", "snapkv", "pyramidkv", "adasnapkv", "streaming"}, []int{1000})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Run(context.Background(), m, []*Item{it}, DefaultSetting(), vs, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := got[0]
	s, err := m.NewSession(0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	logits, err := s.Extend(context.Background(), prompt, runner.Watch{Logits: []int{len(prompt) - 1}})
	if err != nil {
		t.Fatal(err)
	}
	untouched := s.Bytes()
	if want := probe.Rounded(probe.LogProbability(logits[0], 5)); r.Results[0].LogProb != want {
		t.Errorf("log-probability %v with full, %v with the untouched cache", r.Results[0].LogProb, want)
	}
	var want []int32
	for {
		id, err := probe.Argmax(logits[0])
		if err != nil {
			t.Fatal(err)
		}
		if want = append(want, id); len(want) == steps || e.IsEnd(id) {
			break
		}
		if logits, err = s.Extend(context.Background(), []int32{id}, runner.Watch{Logits: []int{s.Len()}}); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(r.Results[0].IDs, want) {
		t.Errorf("full generates %v, the untouched cache %v", r.Results[0].IDs, want)
	}
	// 15 local layers of 512 entries, 3 global ones of 601; one KV head each.
	const entries = 15*512 + 3*601
	if r.Full.Entries != entries {
		t.Errorf("a whole cache has %d entries, want %d", r.Full.Entries, entries)
	}
	for i, v := range r.Results {
		tolerance := int64(0)
		if v.Policy == "adasnapkv" {
			tolerance = 18 // its published rounding
		}
		if v.Kept.Entries > entries || v.Kept.Entries < entries-tolerance {
			t.Errorf("%s at a capacity above the prompt keeps %d entries, want %d", v.Policy, v.Kept.Entries, entries)
		}
		if v.Allocated >= untouched {
			t.Errorf("%s allocates %d bytes, the untouched cache %d", v.Policy, v.Allocated, untouched)
		}
		if i > 0 && !slices.Equal(v.IDs[:1], want[:1]) {
			t.Errorf("%s at a capacity above the prompt begins with %v, full with %v", v.Policy, v.IDs[:1], want[:1])
		}
	}
}
