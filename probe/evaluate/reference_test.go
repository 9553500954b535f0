package evaluate

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"headprof/needle"
	"headprof/runner"
)

// alphabet is a tokenizer.json for the tiny models: three special tokens, then
// one per character.
func alphabet(t *testing.T) []byte {
	vocab := map[string]int{"<unk>": 0, "<s>": 1, "</s>": 2}
	for i := range 64 {
		vocab[string(rune('?'+i))] = 3 + i
	}
	data, err := json.Marshal(map[string]any{
		"added_tokens": []map[string]any{{"id": 2, "content": "</s>", "special": true}},
		"model":        map[string]any{"type": "BPE", "vocab": vocab, "merges": []string{}, "unk_token": "<unk>"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Zero, mean and resample ablation and patch-back give the answers the
// log-probabilities that transformers gives them with hooks on its output
// projections (testdata/ablations.py), the last layer's heads among them.
func TestAblationsEqualTransformers(t *testing.T) {
	data, err := os.ReadFile("testdata/ablations.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Model string
		Items []struct{ Prompt, Answer []int32 }
		Heads [][2]int
		Clean []float64
		Masks []struct {
			Ablation Ablation
			Restored [][2]int
			LogProb  []float64
		}
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	heads := func(list [][2]int) (out []HeadID) {
		for _, h := range list {
			out = append(out, HeadID{h[0], h[1]})
		}
		return out
	}
	for _, c := range cases {
		dir := t.TempDir()
		for _, name := range []string{"config.json", "model.safetensors"} {
			data, err := os.ReadFile(filepath.Join("../../runner/arch/testdata", c.Model, name))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name), data, 0o666)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), alphabet(t), 0o666); err != nil {
			t.Fatal(err)
		}
		masks := []Mask{{Choice: None}}
		want := [][]float64{c.Clean}
		for _, m := range c.Masks {
			k := Mask{Choice: Top, Ablation: m.Ablation, Heads: heads(c.Heads), Restored: heads(m.Restored)}
			if k.Restored != nil {
				k.Choice = Restored
			}
			masks, want = append(masks, k), append(want, m.LogProb)
		}
		var first []*Masked
		for _, o := range []runner.Options{{Threads: 2}, {Threads: 1, Chunk: 5}} {
			m, err := runner.Open(dir, o)
			if err != nil {
				t.Fatal(err)
			}
			var items []*Item
			for i, it := range c.Items {
				name := string(rune('a' + i))
				items = append(items, &Item{ID: name, Task: "t", Group: name, Prompt: it.Prompt, AnswerIDs: it.Answer, MaxTokens: 5,
					Score: func([]needle.Step) (float64, string) { return 0, "" }})
			}
			got, err := Ablate(context.Background(), m, items, masks, Options{Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range got {
				if w := want[i/2][i%2]; math.Abs(r.LogProb-w) > 2e-5 {
					t.Errorf("%s, %s: log-probability %.6f, transformers %.6f", c.Model, AblationKind.ID(r), r.LogProb, w)
				}
				if first != nil && *first[i] != *r {
					t.Errorf("%s: %+v with chunks of 5 tokens, %+v without", c.Model, *r, *first[i])
				}
			}
			first = got
			m.Close()
		}
	}
}
