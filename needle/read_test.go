package needle_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"headprof/needle"
)

func read(text string) (*needle.Set, error) {
	return needle.ReadSet("my.jsonl", strings.NewReader(text))
}

func TestThePublishedFormIsRead(t *testing.T) {
	set, err := read("\ufeff" + `{"needle": "Ada keeps her key under a red stone.", "question": "Where is it?", "answer": "under a red stone", "real_needle": "Ada keeps her key under a red stone.", "arg1": [1, {"x": 2}], "arg2": "Bea"}

{"id": "b", "kind": "reasoning", "needle": "x y. p q.", "question": "?", "answer": ["x y", "xy"], "evidence": "x y."}` + "\r\n" +
		`{"needle": "The bell is of brass.", "question": "?", "answer": ["made of tin", "of brass"]}`)
	if err != nil {
		t.Fatal(err)
	}
	want := []needle.Needle{
		{ID: "n1", Kind: needle.Retrieval, Text: "Ada keeps her key under a red stone.", Question: "Where is it?",
			Answers: []string{"under a red stone"}, Evidence: "Ada keeps her key under a red stone."},
		{ID: "b", Kind: needle.Reasoning, Text: "x y. p q.", Question: "?", Answers: []string{"x y", "xy"}, Evidence: "x y."},
		// No evidence named: the accepted answer that stands in the needle.
		{ID: "n4", Kind: needle.Retrieval, Text: "The bell is of brass.", Question: "?", Answers: []string{"made of tin", "of brass"}, Evidence: "of brass"},
	}
	if len(set.Needles) != len(want) {
		t.Fatalf("%d needles, want %d", len(set.Needles), len(want))
	}
	for i, n := range set.Needles {
		if fmt.Sprintf("%q", n) != fmt.Sprintf("%q", want[i]) {
			t.Errorf("\n got %+v\nwant %+v", n, want[i])
		}
	}
}

// The form of Retrieval_Head's needle file, which has no answers. Its third
// needle begins the real needle with a capital.
func TestRetrievalHeadsOwnFilesAreRead(t *testing.T) {
	set, err := read(`{"needle": "The best thing to do in Oslo is to walk by the fjord.", "question": "What is the best thing to do in Oslo ?", "real_needle": "walk by the fjord"}
{"question": "Why does nobody like the hill ?", "needle": "Nobody likes the hill because it is steep and windy.", "real_needle": "Because it is steep and windy."}
{"question": "Was ist es?", "needle": "ES IST EIN BÄR im Wald", "real_needle": "Es ist ein bär."}`)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][2]string{
		{"walk by the fjord", "walk by the fjord"},
		{"Because it is steep and windy.", "because it is steep and windy."},
		{"Es ist ein bär.", "ES IST EIN BÄR"},
	} {
		n := set.Needles[i]
		if len(n.Answers) != 1 || n.Answers[0] != want[0] || n.Evidence != want[1] {
			t.Errorf("%d: answers %q, evidence %q", i+1, n.Answers, n.Evidence)
		}
	}
}

func TestABadNeedleFileNamesFileAndLine(t *testing.T) {
	good := `{"needle": "a b c.", "question": "?", "answer": "b", "evidence": "b"}` + "\n"
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "\n \n", []string{"my.jsonl: no needles"}},
		{"not JSON", good + "needle: x\n", []string{"my.jsonl:2: not a needle object"}},
		{"cut off", good + `{"needle": "a`, []string{"my.jsonl:2: not a needle object"}},
		{"two objects on a line", strings.TrimSpace(good) + good, []string{"my.jsonl:1: not a needle object"}},
		{"an array", "[1]", []string{"my.jsonl:1:", "JSON array"}},
		{"no question", `{"needle": "a b", "answer": "b", "evidence": "b"}`, []string{"my.jsonl:1: the question is empty"}},
		{"no needle", `{"question": "a b", "answer": "b", "evidence": "b"}`, []string{"my.jsonl:1: the needle is empty"}},
		{"no answer", `{"needle": "a b", "question": "?"}`, []string{"my.jsonl:1: the answer is missing"}},
		{"null answer", `{"needle": "a b", "question": "?", "answer": null}`, []string{"my.jsonl:1: the answer is missing"}},
		{"no answers", `{"needle": "a b", "question": "?", "answer": [], "evidence": "b"}`, []string{"my.jsonl:1: the answer is missing"}},
		{"UTF-16", "\xff\xfe{\x00}\x00", []string{"my.jsonl is UTF-16LE text", "UTF-8"}},
		{"answer a number", `{"needle": "a b", "question": "?", "answer": 7, "evidence": "b"}`, []string{`my.jsonl:1: "answer" must be a string or a list`}},
		{"needle a list", `{"needle": ["a b"], "question": "?", "answer": "b"}`, []string{`my.jsonl:1: "needle" must be a string`, "array"}},
		{"evidence elsewhere", good + good[:1] + `"id":"z",` + strings.Replace(good[1:], `"evidence": "b"`, `"evidence": "d"`, 1), []string{`my.jsonl:2: the evidence "d" does not occur`}},
		{"no evidence and none found", `{"needle": "a b", "question": "?", "answer": "z"}`, []string{"my.jsonl:1: no \"real_needle\" or \"evidence\""}},
		{"two evidences", `{"needle": "a b", "question": "?", "answer": "z", "evidence": "a", "real_needle": "b"}`, []string{"differ"}},
		{"unknown kind", `{"kind": "riddle", "needle": "a b", "question": "?", "answer": "b"}`, []string{"my.jsonl:1:", `"riddle"`, "retrieval", "reasoning"}},
		{"id twice", strings.Repeat(`{"id":"q","needle": "a b", "question": "?", "answer": "b"}`+"\n", 2), []string{`my.jsonl:2: id "q"`, "line 1"}},
		{"long id", `{"id":"` + strings.Repeat("q", 201) + `","needle": "a b", "question": "?", "answer": "b"}`, []string{"my.jsonl:1: the id is longer"}},
		// The good line has 70 bytes with its newline; then 3 more come before \xff.
		{"invalid UTF-8", good + "{\"n\xff\":1}", []string{"my.jsonl:2: invalid UTF-8", fmt.Sprintf("byte %d ", len(good)+3)}},
		{"invalid from the first byte", "\xff{}", []string{"my.jsonl:1: invalid UTF-8 at byte 0 "}},
		{"endless line", good + strings.Repeat("x", needle.MaxLineBytes+1), []string{"my.jsonl:2: the line is longer than 1024 KiB"}},
		{"too long", strings.Repeat(strings.Repeat(" ", needle.MaxLineBytes-1)+"\n", 65), []string{"my.jsonl:65: the file is longer than 64 MiB"}},
		{"too many", strings.Repeat("{\"needle\":\"a b\",\"question\":\"?\",\"answer\":\"b\"}\n", needle.MaxNeedles+1), []string{fmt.Sprintf("my.jsonl:%d: more than 100000 needles", needle.MaxNeedles+1)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := read(c.text)
			wantError(t, err, c.want...)
		})
	}
}

func TestAnIDMayHaveTwoHundredBytes(t *testing.T) {
	if _, err := read(`{"id":"` + strings.Repeat("q", 200) + `","needle": "a b", "question": "?", "answer": "b"}`); err != nil {
		t.Error(err)
	}
}

func TestLoadSetNamesTheSetAfterItsFile(t *testing.T) {
	path := writeFile(t, "mine.jsonl", `{"needle": "a b", "question": "?", "answer": "b"}`)
	set, err := needle.LoadSet(path)
	if err != nil || set.Name != "mine.jsonl" || len(set.Needles) != 1 {
		t.Errorf("%+v, %v", set, err)
	}
	_, err = needle.LoadSet(path + "x")
	wantError(t, err, "mine.jsonlx")
}

// Whatever is read can be composed: the reader lets no needle through that
// composition would refuse for its own sake.
func FuzzReadSet(f *testing.F) {
	for _, s := range []string{
		`{"needle": "a b c.", "question": "?", "answer": "b", "evidence": "b"}`,
		`{"needle":"\ud800 b","question":"?","answer":["b","c"],"real_needle":"b"}`,
		"\ufeff{}\n\nnull\n[]",
		`{"needle":"東京","question":"何","answer":"京"}`,
	} {
		f.Add([]byte(s))
	}
	h, err := needle.NewHaystack("fuzz", strings.Repeat("aa bb cc. ", 40))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := needle.ReadSet("f", strings.NewReader(string(data)))
		if err != nil {
			return
		}
		for _, n := range set.Needles {
			if len(n.Text) > 60 { // else it may not fit
				continue
			}
			p, err := needle.Compose(&fakeTokenizer{}, h, n, needle.Options{Length: 100, Depth: 50})
			if err != nil {
				t.Fatalf("%+v: %v", n, err)
			}
			if p.Span.Start < 0 || p.Span.Start >= p.Span.End || p.Span.End > len(p.IDs) {
				t.Fatalf("span %v of %d", p.Span, len(p.IDs))
			}
			out := steps(n.Text)
			v := needle.Window{}.Judge(n, len(p.AnswerIDs), out)
			if v.From < 0 || v.From > v.To || v.To > len(out) {
				t.Fatalf("steps [%d, %d) of %d", v.From, v.To, len(out))
			}
		}
	})
}

func TestEmbeddedSetsHoldEnoughNeedlesOfTheirKind(t *testing.T) {
	for _, kind := range []needle.Kind{needle.Retrieval, needle.Reasoning} {
		set, err := needle.EmbeddedSet(kind)
		if err != nil {
			t.Fatal(err)
		}
		if len(set.Needles) < 16 {
			t.Errorf("%d %s needles, want 16 or more", len(set.Needles), kind)
		}
		for _, n := range set.Needles {
			if n.Kind != kind {
				t.Errorf("%s is of kind %s", n.ID, n.Kind)
			}
			checkNeedle(t, n)
		}
	}
	_, err := needle.EmbeddedSet("riddle")
	wantError(t, err, "riddle", "retrieval", "reasoning")
}

func TestEmbeddedSetsAreCopies(t *testing.T) {
	a, _ := needle.EmbeddedSet(needle.Retrieval)
	slices.Reverse(a.Needles)
	b, _ := needle.EmbeddedSet(needle.Retrieval)
	if b.Needles[0].ID == a.Needles[0].ID {
		t.Error("changing a set changed the embedded one")
	}
}

// checkNeedle asks what makes a needle fit to probe with: the evidence holds
// the answer, a sentence ends it, and no other sentence of it, the wrong
// candidate's above all, would pass for the answer under either rule.
func checkNeedle(t *testing.T, n needle.Needle) {
	t.Helper()
	answer := n.Answers[0]
	if !strings.Contains(n.Evidence, answer) {
		t.Errorf("%s: the evidence does not hold the answer", n.ID)
	}
	if !strings.HasSuffix(n.Text, ".") || !strings.HasSuffix(n.Question, "?") {
		t.Errorf("%s: no full stop or no question mark: %q %q", n.ID, n.Text, n.Question)
	}
	if words := len(strings.Fields(answer)); words < 6 || words > 14 {
		t.Errorf("%s: the answer has %d words: %q", n.ID, words, answer)
	}
	if v := (needle.Window{}).Judge(n, 0, steps(answer)); v.F1 != 1 || !v.Pass {
		t.Errorf("%s: its own answer gets %+v", n.ID, v)
	}
	if v := (needle.Window{}).Judge(n, 0, steps(n.Question)); v.Pass {
		t.Errorf("%s: its question passes for the answer: %+v", n.ID, v)
	}
	if n.Kind != needle.Reasoning {
		return
	}
	others := 0
	for _, s := range strings.SplitAfter(n.Text, ". ") {
		if s = strings.TrimSpace(s); s == answer {
			continue
		}
		others++
		if f := needle.F1(s, answer); f > 0.5 {
			t.Errorf("%s: %q has F1 %.2f against %q", n.ID, s, f, answer)
		}
		if v := (needle.Window{}).Judge(n, 0, steps(s)); v.Pass {
			t.Errorf("%s: %q passes for %q: %+v", n.ID, s, answer, v)
		}
	}
	if others < 2 {
		t.Errorf("%s: %d sentences beside the answer, want a wrong candidate and what tells them apart", n.ID, others)
	}
}
