package evaluate

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// Expected values: testdata/layouts.py.
func TestLayouts(t *testing.T) {
	e := tinyEngine(t)
	data, err := os.ReadFile("testdata/layouts.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Layout                string
		Lines, Tasks, Outputs []string
		Scores                []float64
		Checksums             string
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) != 7 {
		t.Fatalf("%d layouts", len(cases))
	}
	// How much each generates: LongBench's dataset2maxlen and HeadKV's for LooGLE.
	generated := map[string]int{"narrativeqa": 128, "qasper": 128, "multifieldqa_en": 64, "hotpotqa": 32, "2wikimqa": 32, "musique": 32,
		"comprehension_and_reasoning": 64, "computation": 32, "multiple_information_retrieval": 64, "timeline_reorder": 32}
	for _, c := range cases {
		name, rest, _ := strings.Cut(c.Layout+":data.jsonl", ":")
		l, path, err := ParseLayout(name, rest)
		if err != nil || path != "data.jsonl" || l.Name != c.Layout {
			t.Fatalf("%s: %q, %q, %v", c.Layout, l.Name, path, err)
		}
		items, sums, err := ReadLayout(l, path, strings.NewReader(strings.Join(c.Lines, "\n")), e, TaskOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if sums != c.Checksums {
			t.Errorf("%s: checksums %s, want %s", c.Layout, sums, c.Checksums)
		}
		var tasks []string
		for i, it := range items {
			tasks = append(tasks, it.Task)
			if s, _ := it.Score(steps(c.Outputs[i])); math.Abs(s-c.Scores[i]) > 1e-12 {
				t.Errorf("%s, prompt %d: %q scores %v, want %v", c.Layout, i, c.Outputs[i], s, c.Scores[i])
			}
			if it.MaxTokens != generated[it.Task] {
				t.Errorf("%s generates %d tokens", it.Task, it.MaxTokens)
			}
			if err := it.check(e); err != nil {
				t.Error(err)
			}
		}
		if !slices.Equal(tasks, c.Tasks) {
			t.Errorf("%s: tasks %v, want %v", c.Layout, tasks, c.Tasks)
		}
		// The checksum is of the lines that are read.
		few, part, err := ReadLayout(l, path, strings.NewReader(strings.Join(c.Lines, "\n")), e, TaskOptions{Limit: 1})
		if err != nil || part == sums || len(few) >= len(items) {
			t.Errorf("%s, one line: %d prompts, %s, %v", c.Layout, len(few), part, err)
		}
	}
}

// LongBench: over the limit the first and the last half of the tokens remain.
func TestLayoutCutsTheMiddle(t *testing.T) {
	e := tinyEngine(t)
	l, _, err := ParseLayout("longbench", "musique:x")
	if err != nil {
		t.Fatal(err)
	}
	line, err := json.Marshal(map[string]any{"input": "who?", "context": strings.Repeat("the old mill of the village. ", 60), "answers": []string{"ben"}, "dataset": "musique"})
	if err != nil {
		t.Fatal(err)
	}
	read := func(limit int) []int32 {
		items, _, err := ReadLayout(l, "f", strings.NewReader(string(line)), e, TaskOptions{MaxLength: limit})
		if err != nil {
			t.Fatal(err)
		}
		return items[0].Prompt
	}
	whole, cut := read(0), read(101)
	if len(cut) != 100 || !slices.Equal(cut, slices.Concat(whole[:50], whole[len(whole)-50:])) {
		t.Errorf("%d of %d tokens remain", len(cut), len(whole))
	}
}

func TestOtherLayoutsAreRefused(t *testing.T) {
	e := tinyEngine(t)
	for _, c := range []struct{ name, rest, line, want string }{
		{"longbench", "hotpotqa:f", `{"question": "q", "context": "c", "answer": "a"}`, `f:1: the line has not the layout of longbench:hotpotqa: column "input" is missing (LongBench's columns are input, context, answers, length,`},
		{"longbench", "hotpotqa:f", `{"input": "q", "context": "c", "answers": "a", "dataset": "hotpotqa"}`, `column "answers" must be a list of texts`},
		{"longbench", "hotpotqa:f", `{"input": "q", "context": null, "answers": ["a"], "dataset": "hotpotqa"}`, `column "context" must be a text`},
		{"longbench", "hotpotqa:f", `{"input": "q", "context": "c", "answers": ["a"], "dataset": "musique"}`, `column "dataset" is "musique"`},
		{"longbench", "hotpotqa:f", `{"input": "q", "context": "c", "answers": [""], "dataset": "hotpotqa"}`, `there is no answer`},
		{"longbench", "hotpotqa:f", `[1]`, `it is no JSON object`},
		{"longbench", "trec:f", "", `"trec" is none of the sets narrativeqa, qasper`},
		{"longbench", "f.jsonl", "", `"f.jsonl" is none of the sets narrativeqa, qasper`},
		{"longbench", "qasper:", "", `the file is missing`},
		{"longbench", "qasper", "", `the file is missing`},
		{"loogle-long", "", "", `the file is missing`},
		{"loogle-long", "f", `{"input": "t", "qa_pairs": [{"Q": "q", "A": "a"}]}`, `f:1: the line has not the layout of loogle-long: question 1 of qa_pairs: the type is ""; long-dependency questions are of the types comprehension_and_reasoning,`},
		{"loogle-long", "f", `{"qa_pairs": [{"Q": "q", "A": "a", "type": "computation"}]}`, `column "input" is missing`},
		{"loogle-long", "f", `{"input": "t", "qa_pairs": "none"}`, `qa_pairs: `},
		{"loogle-long", "f", `{"input": "t"}`, `it has neither "qa_pairs"`},
		{"loogle-long", "f", `{"context": "t", "question": "q", "answer": "a"}`, `column "type" is missing`},
		{"loogle-long", "f", `{"context": "t", "question": "q", "answer": 4, "type": "computation"}`, `column "answer" must be a text`},
		{"loogle-long", "f", `{"input": "q", "context": "c", "answers": ["a"], "dataset": "hotpotqa"}`, `the type is "hotpotqa"`},
	} {
		l, path, err := ParseLayout(c.name, c.rest)
		if err == nil {
			_, _, err = ReadLayout(l, path, strings.NewReader(c.line), e, TaskOptions{})
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:%s %s: %v, want %q", c.name, c.rest, c.line, err, c.want)
		}
	}
}
