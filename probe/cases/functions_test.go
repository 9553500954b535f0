package cases

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"headprof/scoring"
)

// functionsFromPyTorch is testdata/functions.json; functions.py says how it came to be.
type functionsFromPyTorch struct {
	Case    functions
	Effects [][]float64 `json:"icl-causal"`
	Outputs [][][]float64
}

func readFunctions(t *testing.T) *functionsFromPyTorch {
	t.Helper()
	data, err := os.ReadFile("testdata/functions.json")
	if err != nil {
		t.Fatal(err)
	}
	p := new(functionsFromPyTorch)
	if err := json.Unmarshal(data, p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestICLCausalEqualsPyTorch(t *testing.T) {
	p := readFunctions(t)
	if err := p.Case.check(); err != nil {
		t.Fatal(err)
	}
	near(t, "icl-causal", run(t, &p.Case)["icl-causal"], p.Effects)
}

// With the prompts themselves as clean ones nothing is replaced by anything else.
func TestICLCausalOfTheSamePromptIsNothing(t *testing.T) {
	c := readFunctions(t).Case
	c.Clean, c.Shuffled, c.Answers = c.Shuffled[:1], c.Shuffled[:1], c.Answers[:1]
	for l, row := range run(t, &c)["icl-causal"] {
		for h, v := range row {
			if v > 1e-6 || v < -1e-6 {
				t.Errorf("L%d.H%d: %g", l, h, v)
			}
		}
	}
}

// A generated case: nine demonstrations and a word in every prompt; in clean
// ones each label is its word's, in shuffled ones none is, and the answer is
// the last word's.
func TestGeneratedFunctions(t *testing.T) {
	s := source(t, 128)
	text := func(ids []int32) string {
		var b strings.Builder
		for _, id := range ids {
			b.WriteString(s.Tokenizer.Text(id))
		}
		return b.String()
	}
	for i, c := range generated[*functions](t, s, scoring.Functions) {
		task := tasks[i%len(tasks)]
		label := map[string]string{}
		for _, p := range task.pairs {
			label[p[0]] = p[1]
		}
		if c.group != task.name || len(c.Clean) != 10 || len(c.Shuffled) != 5 {
			t.Fatalf("%s of %s: %d clean and %d shuffled prompts", c.ID, c.group, len(c.Clean), len(c.Shuffled))
		}
		for k, ids := range slices.Concat(c.Clean, c.Shuffled) {
			lines := strings.Split(text(ids[len(s.BOS):]), "\n")
			if len(lines) != 10 {
				t.Fatalf("%s, prompt %d: %q", c.ID, k, lines)
			}
			for _, line := range lines[:9] {
				word, shown, ok := strings.Cut(line, " -> ")
				if right := label[word] == shown; !ok || right != (k < 10) {
					t.Errorf("%s, prompt %d: %q", c.ID, k, line)
				}
			}
			asked := strings.TrimSuffix(lines[9], " ->")
			if k >= 10 && text(c.Answers[k-10]) != " "+label[asked] {
				t.Errorf("%s: %q is answered by %q", c.ID, lines[9], text(c.Answers[k-10]))
			}
		}
	}
}

func TestFunctionsThatMakeNoSense(t *testing.T) {
	for line, want := range map[string]string{
		`{"id": "a", "clean_ids": [[1]], "shuffled_ids": [[1], [2]], "answer_ids": [[1]]}`: `"shuffled_ids" holds 2 prompts and "answer_ids" 1 answers`,
		`{"id": "a", "shuffled_ids": [[1]], "answer_ids": [[1]]}`:                          `"clean_ids" is missing or empty`,
		`{"id": "a", "clean_ids": [[1]]}`:                                                  `"shuffled_ids" is missing or empty`,
		`{"id": "a", "clean_ids": [[1]], "shuffled_ids": [[1]], "answer_ids": [[]]}`:       `"answer_ids" is empty at index 0`,
	} {
		if _, err := Read("f", strings.NewReader(line), scoring.Functions); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}
