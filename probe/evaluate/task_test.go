package evaluate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"headprof/needle"
	"headprof/probe"
)

func tinyEngine(t *testing.T) probe.Model {
	t.Helper()
	m, err := tiny()
	if err != nil {
		t.Fatal(err)
	}
	e, err := probe.ModelOf(m)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func promptText(e probe.Model, ids []int32) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(e.Text(id))
	}
	return b.String()
}

// steps makes an output of one step a character.
func steps(text string) []needle.Step {
	var out []needle.Step
	for _, r := range text {
		out = append(out, needle.Step{Text: string(r)})
	}
	return append(out, needle.Step{End: true, Text: "<end>"})
}

func TestTaskFilesOfAllForms(t *testing.T) {
	e := tinyEngine(t)
	file := strings.Join([]string{
		`{"input": "who?", "context": "the text", "answers": ["old man", "ben"], "length": 2, "dataset": "hotpotqa", "language": "en", "all_classes": null, "_id": "x"}`,
		`{"input": "Q", "context": "c", "answers": ["Food"], "dataset": "trec", "all_classes": ["Food", "Date"], "_id": "y"}`,
		``,
		`{"question": "who?", "context": "the text", "answers": "ben"}`,
		`{"question": "谁", "context": "文字", "answer": "北京"}`,
		`{"title": "T", "input": "long text", "qa_pairs": "[{'Q': 'who\\'s it?', 'A': \"ben's\", 'S': ['x', \"y\"], 'type': 'short', 'n': 3}, {'Q': 'b', 'A': 'c'}]", "output": "none"}`,
		`{"context": "long text", "question": "q", "answer": "a", "evidence": ["e"], "title": "T"}`,
		`{"input": "long text", "qa_pairs": [{"Q": "q", "A": "a"}]}`,
	}, "\n")
	got, err := ReadTask("dir/mine.jsonl", strings.NewReader(file), e, TaskOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, it := range got {
		names = append(names, it.ID+" "+it.Task)
		if err := it.check(e); err != nil {
			t.Error(err)
		}
	}
	want := []string{"mine:1 hotpotqa", "mine:2 trec", "mine:4 mine", "mine:5 mine", "mine:6.1 mine", "mine:6.2 mine", "mine:7 mine", "mine:8.1 mine"}
	if !slices.Equal(names, want) {
		t.Fatalf("items %q, want %q", names, want)
	}
	// Several accepted answers: the best counts.
	if s, _ := got[0].Score(steps("Ben")); s != 1 {
		t.Errorf("the second accepted answer scores %v", s)
	}
	// Classification looks at the first line and stops after it.
	if s, text := got[1].Score(steps("\nFood\nDate")); s != 1 || text != "Food" {
		t.Errorf("a classification scores %v of %q", s, text)
	}
	out := steps("\nFood\nDate")
	if got[1].Stop(out[:5]) || !got[1].Stop(out[:6]) {
		t.Error("classification must stop at the newline after its first line")
	}
	if s, _ := got[3].Score(steps("北京。")); s != 1 {
		t.Errorf("a Chinese answer scores %v", s)
	}
	if !strings.Contains(promptText(e, got[4].Prompt), "who's it?") || got[4].Group != got[5].Group || got[4].Group == got[0].Group {
		t.Errorf("LooGLE's questions: prompt %q, groups %s %s", promptText(e, got[4].Prompt), got[4].Group, got[5].Group)
	}
}

// Prompts over the limit lose their middle; the frame stays whole.
func TestLongPromptsLoseTheirMiddle(t *testing.T) {
	e := tinyEngine(t)
	context := strings.Repeat("one two three. ", 300)
	line, _ := json.Marshal(map[string]any{"context": "BEGIN " + context, "question": "who is last?", "answers": []string{"ben"}})
	f := needle.Frame{Prefix: []int32{1, 2}, Suffix: []int32{3}}
	got, err := ReadTask("f", strings.NewReader(string(line)), e, TaskOptions{Frame: f, MaxLength: 103})
	if err != nil {
		t.Fatal(err)
	}
	p := got[0].Prompt
	if len(p) != 103 || !slices.Equal(p[:2], f.Prefix) || p[102] != 3 {
		t.Fatalf("%d tokens, %v … %v", len(p), p[:2], p[102])
	}
	whole := ids32(e.Encode(question.fill("BEGIN "+context, "who is last?")))
	if !slices.Equal(p[2:52], whole[:50]) || !slices.Equal(p[52:102], whole[len(whole)-50:]) {
		t.Error("the prompt is not its two ends")
	}
}

func TestEveryDatasetMakesAPrompt(t *testing.T) {
	e := tinyEngine(t)
	if len(datasets) != 21+4 {
		t.Errorf("LongBench has 21 tasks and LooGLE four types of long-dependency questions, not %d", len(datasets))
	}
	for _, d := range datasets {
		for _, name := range []string{d.name, d.name + "_e"} {
			line := fmt.Sprintf(`{"input": "III", "context": "CCC", "answers": ["Paragraph 1"], "dataset": %q, "all_classes": ["a"]}`, name)
			got, err := ReadTask("f", strings.NewReader(line), e, TaskOptions{Frame: needle.Frame{Suffix: []int32{7}}})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			n := len(got[0].Prompt)
			if framed := got[0].Prompt[n-1] == 7; framed == d.plain {
				t.Errorf("%s: chat template %v, plain %v", name, framed, d.plain)
			}
			if !strings.Contains(d.prompt, "{context}") {
				t.Errorf("%s shows no context", name)
			}
			if s, _ := got[0].Score(steps("Paragraph 1")); s <= 0 && d.name != "trec" && d.name != "lsht" && d.name != "passage_count" {
				t.Errorf("%s: the right answer scores %v", name, s)
			}
		}
	}
}

func TestBadTaskFilesAreRefused(t *testing.T) {
	e := tinyEngine(t)
	for _, tc := range []struct{ line, want string }{
		{``, "holds no prompt"},
		{`{"question": "q"}`, `"context" is missing`},
		{`{"context": "c", "answers": ["a"]}`, `"question" is missing`},
		{`{"context": "c", "question": "q"}`, `"answers" is missing`},
		{`{"context": "c", "question": "q", "answers": [""]}`, "only empty ones"},
		{`{"context": "c", "question": "q", "answers": 3}`, "a text or a list"},
		{`{"context": "c", "input": "q", "answers": ["a"], "dataset": "nosuch"}`, `dataset "nosuch"`},
		{`{"context": `, "f:1: "},
		{`[1]`, "no JSON object"},
		{"{\"context\": \"\xff\"}", "not valid UTF-8"},
		{`{"input": "c", "qa_pairs": "[{'Q': 'a"}`, "no closing quote"},
		{`{"input": "c", "qa_pairs": "[{'Q': 'a'}]"}`, "question 1 lacks"},
		{`{"input": "c", "qa_pairs": "` + strings.Repeat("[", 100) + `"}`, "nested deeper"},
		{`{"input": "c", "qa_pairs": "[{'Q' 'a'}]"}`, "a colon"},
		{`{"input": "c", "qa_pairs": 3}`, "a list of objects"},
		{`{"qa_pairs": [{"Q": "q", "A": "a"}]}`, `"input" is missing`},
	} {
		_, err := ReadTask("f", strings.NewReader(tc.line), e, TaskOptions{})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want one with %q", tc.line, err, tc.want)
		}
	}
}

func TestTasksAreLimitedByLines(t *testing.T) {
	e := tinyEngine(t)
	line := `{"input": "c", "qa_pairs": [{"Q": "q", "A": "a"}, {"Q": "r", "A": "b"}]}` + "\n"
	for limit, want := range map[int]int{0: 6, 1: 2, 2: 4, 3: 6, 9: 6} {
		got, err := ReadTask("f", strings.NewReader(strings.Repeat(line, 3)), e, TaskOptions{Limit: limit})
		if err != nil || len(got) != want {
			t.Errorf("limit %d: %d items, %v", limit, len(got), err)
		}
	}
	// A line is counted whether it is empty or not.
	if _, err := ReadTask("f", strings.NewReader(line+"\n[1]\n"), e, TaskOptions{}); err == nil || !strings.HasPrefix(err.Error(), "f:3: ") {
		t.Errorf("%v", err)
	}
	if _, err := ReadTask("f", strings.NewReader(line), e, TaskOptions{MaxLength: 31}); err == nil || !strings.HasPrefix(err.Error(), "f:1: question 1: a prompt of at most 31 tokens") {
		t.Errorf("no room: %v", err)
	}
	if _, err := ReadTask("f", strings.NewReader(line), e, TaskOptions{MaxLength: 32}); err != nil {
		t.Error(err)
	}
}

// An answer goes on after "Answer:", with a space where the language has
// spaces and no chat template stands between.
func TestExpectedAnswersBeginAsTheModelWouldGoOn(t *testing.T) {
	e := tinyEngine(t)
	for _, c := range []struct {
		line   string
		suffix []int32
		want   string
	}{
		{`{"question": "q", "context": "c", "answer": "ben"}`, nil, " ben"},
		{`{"question": "q", "context": "c", "answer": "ben"}`, []int32{7}, "ben"},
		{`{"question": "q", "context": "c", "answer": "北京"}`, nil, "北京"},
		{`{"input": "q", "context": "c", "answers": ["x = 1"], "dataset": "lcc"}`, nil, "x = 1"},
	} {
		got, err := ReadTask("f", strings.NewReader(c.line), e, TaskOptions{Frame: needle.Frame{Suffix: c.suffix}})
		if err != nil || promptText(e, got[0].AnswerIDs) != promptText(e, ids32(e.Encode(c.want))) {
			t.Errorf("%s, suffix %v: %q, %v", c.line, c.suffix, promptText(e, got[0].AnswerIDs), err)
		}
	}
}

// A prompt takes what the context leaves beside what is generated, and is not
// cut where it fits to the token.
func TestPromptsFillTheContext(t *testing.T) {
	e := tinyEngine(t)
	task := func(words int) string {
		line, _ := json.Marshal(map[string]any{"context": strings.Repeat("one ", words), "question": "who?", "answers": []string{"ben"}})
		return string(line)
	}
	got, err := ReadTask("f", strings.NewReader(task(4*e.Context())), e, TaskOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// 64 tokens are generated; two halves of one length make an even number.
	if want := (e.Context() - 64) / 2 * 2; got[0].Length != want {
		t.Errorf("%d tokens, want %d", got[0].Length, want)
	}
	for words := 60; words < 64; words++ {
		got, err := ReadTask("f", strings.NewReader(task(words)), e, TaskOptions{})
		if err != nil {
			t.Fatal(err)
		}
		exact, err := ReadTask("f", strings.NewReader(task(words)), e, TaskOptions{MaxLength: got[0].Length})
		if err != nil || !slices.Equal(exact[0].Prompt, got[0].Prompt) {
			t.Errorf("%d tokens that fit were cut to %d, %v", got[0].Length, exact[0].Length, err)
		}
	}
}

// Texts as Python's repr writes them; expected values are Python's own.
func TestPythonTexts(t *testing.T) {
	for text, want := range map[string]string{
		`'a\x41b'`: "aAb", `'\u00e9'`: "é", `'\U0001F600'`: "😀", `"it's"`: "it's", `'\n\t\\'`: "\n\t\\",
		`'\q'`: `\q`, `'\x4'`: `\x4`, `'\xZZ'`: `\xZZ`, `'\u12'`: `\u12`, `'\U00110000'`: `\U00110000`, `'\U0010FFFF'`: "\U0010ffff", `'\x4a'`: "J", `'\x00'`: "\x00",
	} {
		pairs, err := pythonPairs("[{'Q': " + text + ", 'A': 'a'}]")
		if err != nil || len(pairs) != 1 || pairs[0].Q != want {
			t.Errorf("%s: %q, %v", text, pairs, err)
		}
	}
	for text, want := range map[string]string{
		`[{'Q': 'q', 'A': 'a'}, 3]`: "entry 2 is no object",
		`[{'Q': 'q' 'A': 'a'}]`:     "character 12 of the list: a comma or } is missing",
		`[{'Q': 'q'}] x`:            "character 14 of the list: something follows",
		`[{'Q': }]`:                 "character 8 of the list: a value is missing",
		`[{'Q': 1`:                  "character 9 of the list: a comma or } is missing",
		`{'Q': 'q'}`:                "must be a list of objects",
		`[[] []]`:                   "character 5 of the list: a comma or ] is missing",
		`[`:                         "a value is missing",
		`[3`:                        "a comma or ] is missing",
	} {
		if _, err := pythonPairs(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	// A list in a dictionary in a list: 14 more within are 16 deep.
	deep := func(n int) string {
		return "[{'Q': 'q', 'A': 'a', 'S': " + strings.Repeat("[", n) + strings.Repeat("]", n) + "}]"
	}
	if _, err := pythonPairs(deep(15)); err != nil {
		t.Error(err)
	}
	if _, err := pythonPairs(deep(16)); err == nil || !strings.Contains(err.Error(), "nested deeper than 16") {
		t.Errorf("%v", err)
	}
	braces := strings.Repeat("{'S': ", 15) + "3" + strings.Repeat("}", 15)
	if _, err := pythonPairs("[" + braces + "]"); err != nil {
		t.Error(err)
	}
	if _, err := pythonPairs("[[" + braces + "]]"); err == nil || !strings.Contains(err.Error(), "nested deeper") {
		t.Errorf("%v", err)
	}
	if _, err := pythonPairs("[" + strings.Repeat("{{", 9) + "]"); err == nil || !strings.Contains(err.Error(), "nested deeper") {
		t.Errorf("keys within keys: %v", err)
	}
}

func FuzzPythonPairs(f *testing.F) {
	f.Add(`[{'Q': 'a', "A": "b\x41\u00e9", 'S': ['x', None, 3.5]}, {}]`)
	f.Add(`[{'Q`)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := pythonPairs(text); err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
	})
}
