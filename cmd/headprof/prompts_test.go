package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"headprof/fixtures/haystack"
	"headprof/fixtures/reference"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// opticks cuts the reference haystacks out of Newton's Opticks: characters 9000
// to 60000 and 200000 to 251000.
func opticks(t *testing.T, dir string) map[string]string {
	t.Helper()
	text := []rune(haystack.Full())
	files := map[string]string{}
	for name, from := range map[string]int{"opticks-a": 9000, "opticks-b": 200000} {
		files[name] = filepath.Join(dir, name+".txt")
		if err := os.WriteFile(files[name], []byte(string(text[from:from+51000])), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// From the needles' texts, headprof prompts composes the prompts of the
// independent implementation, token for token, and the same evidence spans.
func TestPromptsEqualTheOracle(t *testing.T) {
	for _, m := range reference.Models {
		t.Run(m.Name, func(t *testing.T) {
			o := readOracle(t, m.Name)
			model, dir := reference.Model(t, m.File), t.TempDir()
			haystacks := opticks(t, dir)
			for _, x := range o.Trials {
				needle, err := json.Marshal(x.Needle)
				if err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(dir, x.ID+".jsonl")
				if err := os.WriteFile(file, append(needle, '\n'), 0o666); err != nil {
					t.Fatal(err)
				}
				root := newRoot()
				var out bytes.Buffer
				root.SetOut(&out)
				root.SetArgs([]string{"prompts", "--model", model, "--needles", file, "--haystack", haystacks[x.Haystack],
					"--lengths", fmt.Sprint(x.Length), "--depths", fmt.Sprintf("%v%%", x.Depth), "--chat", "off"})
				if err := root.Execute(); err != nil {
					t.Fatalf("%s: %v", x.ID, err)
				}
				// Unmarshal wants one JSON value: one trial and no more.
				var got struct {
					PromptIDs []int32 `json:"prompt_ids"`
					Span      [2]int  `json:"span"`
					AnswerIDs []int32 `json:"answer_ids"`
				}
				if err := json.Unmarshal(out.Bytes(), &got); err != nil {
					t.Fatalf("%s: %v in %.100q", x.ID, err, out.String())
				}
				if !slices.Equal(got.PromptIDs, x.PromptIDs) {
					t.Errorf("%s: prompt of %d tokens differs from the oracle's %d", x.ID, len(got.PromptIDs), len(x.PromptIDs))
				}
				if got.Span != x.Span {
					t.Errorf("%s: span %v, want %v", x.ID, got.Span, x.Span)
				}
				if !slices.Equal(got.AnswerIDs, x.AnswerIDs) {
					t.Errorf("%s: answer %v, want %v", x.ID, got.AnswerIDs, x.AnswerIDs)
				}
			}
		})
	}
}
