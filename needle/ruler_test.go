package needle_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"headprof/needle"
)

var rulerTokenizer, rulerHaystack = &fakeTokenizer{}, needle.EmbeddedHaystack()

func rulerTask(t *testing.T, kind needle.RulerKind, length, index int) (*fakeTokenizer, *needle.RulerTask, string) {
	t.Helper()
	tok := rulerTokenizer // the embedded text is tokenised once
	set, err := needle.Generate(needle.Retrieval, 200, 7)
	if err != nil {
		t.Fatal(err)
	}
	o := needle.RulerOptions{Length: length, Haystack: rulerHaystack, Needles: set.Needles, Seed: 3, Index: index,
		Frame: needle.Frame{Prefix: idsOf(tok.Encode("BEGIN ")), Suffix: idsOf(tok.Encode(" MODEL"))}}
	task, err := needle.Ruler(tok, kind, o)
	if err != nil {
		t.Fatal(err)
	}
	again, err := needle.Ruler(tok, kind, o)
	if err != nil || !slices.Equal(again.IDs, task.IDs) || !slices.Equal(again.Answers, task.Answers) {
		t.Errorf("%s: a second task of the same options differs (%v)", kind, err)
	}
	text := tok.text(task.IDs)
	if !strings.HasPrefix(text, "BEGIN ") || strings.Count(text, " MODEL") != 1 {
		t.Errorf("%s: the frame is not around the prompt: %.40q", kind, text)
	}
	if got := tok.text(task.AnswerIDs); !task.Any && got != " "+strings.Join(task.Answers, ", ") || task.Any && got != " "+task.Answers[0] {
		t.Errorf("%s: the expected answer is %q", kind, got)
	}
	return tok, task, text
}

func idsOf(tokens []needle.Token) (ids []int32) {
	for _, t := range tokens {
		ids = append(ids, t.ID)
	}
	return ids
}

// RULER's table of configurations (arXiv 2404.06654, appendix B) and
// tokens_to_generate: how much each kind generates, and how long prompts are.
func TestRulerLengths(t *testing.T) {
	generated := map[needle.RulerKind]int{"niah-single": 128, "niah-multikey": 128, "niah-multivalue": 128, "niah-multiquery": 128, "vt": 30, "cwe": 120, "fwe": 50, "qa": 32}
	unit := map[needle.RulerKind]int{"vt": 7, "cwe": 40, "fwe": 60, "qa": 250} // most tokens that may be left over
	if len(generated) != len(needle.RulerKinds()) {
		t.Fatalf("kinds: %v", needle.RulerKinds())
	}
	for _, kind := range needle.RulerKinds() {
		for _, length := range []int{1024, 3000, 8192} {
			_, task, _ := rulerTask(t, kind, length, 1)
			if task.MaxTokens != generated[kind] {
				t.Errorf("%s generates %d tokens, want %d", kind, task.MaxTokens, generated[kind])
			}
			if left := length - task.MaxTokens - len(task.IDs); left < 0 || left > unit[kind] {
				t.Errorf("%s in %d tokens leaves %d", kind, length, left)
			}
		}
	}
}

var (
	code       = regexp.MustCompile(`One of the secret codes of ([a-z]+-[a-z]+) is: (\d{7})\.`)
	assignment = regexp.MustCompile(`VAR ([A-Z]{5}) = (VAR [A-Z]{5}|\d{5})\.`)
)

// Four keys, of which one or all are asked for; four values of one key; each in
// the text once, and what is asked for is what the text says.
func TestRulerNeedles(t *testing.T) {
	for kind, want := range map[needle.RulerKind]struct{ keys, values, answers int }{
		needle.NIAHSingle: {1, 1, 1}, needle.NIAHMultiKey: {4, 1, 1}, needle.NIAHMultiValue: {1, 4, 4}, needle.NIAHMultiQuery: {4, 1, 4},
	} {
		for index := range 5 {
			_, task, text := rulerTask(t, kind, 2000, index)
			values := map[string][]string{}
			for _, m := range code.FindAllStringSubmatch(text, -1) {
				values[m[1]] = append(values[m[1]], m[2])
			}
			if len(values) != want.keys || len(task.Answers) != want.answers || len(task.Depths) != want.keys*want.values || !slices.IsSorted(task.Depths) {
				t.Fatalf("%s: %v, answers %v, depths %v", kind, values, task.Answers, task.Depths)
			}
			question := text[strings.LastIndex(text, "\nWhat "):]
			asked := regexp.MustCompile(`[a-z]+-[a-z]+`).FindAllString(question[:strings.Index(question, "?")], -1)
			var told []string
			for _, key := range asked {
				told = append(told, values[key]...)
			}
			slices.Sort(told)
			if sorted := slices.Sorted(slices.Values(task.Answers)); !slices.Equal(told, sorted) {
				t.Errorf("%s: the text gives %v for %v, expected are %v", kind, told, asked, sorted)
			}
			for _, v := range values {
				if len(v) != want.values {
					t.Errorf("%s: %v", kind, values)
				}
			}
			if !strings.HasSuffix(text, map[bool]string{true: "is:", false: "are:"}[want.answers == 1]) {
				t.Errorf("%s ends in %q", kind, text[len(text)-20:])
			}
		}
	}
}

// Following the assignments from the value that the question names gives the
// five variables; the example before it has a chain of its own.
func TestRulerTrace(t *testing.T) {
	_, task, text := rulerTask(t, needle.VariableTrace, 1500, 2)
	question := regexp.MustCompile(`have the value (\d{5}) in the text above\?`).FindAllStringSubmatch(text, -1)
	if len(question) != 2 {
		t.Fatalf("%d questions, want the example's and the task's", len(question))
	}
	is := map[string]string{question[1][1]: ""}
	var got []string
	all := assignment.FindAllStringSubmatch(text, -1)
	if len(all) != 10 {
		t.Fatalf("%d assignments, want five of each chain", len(all))
	}
	for _, m := range all {
		source := strings.TrimPrefix(m[2], "VAR ")
		if _, ok := is[source]; ok {
			is[m[1]] = ""
			got = append(got, m[1])
		}
	}
	if !slices.Equal(got, task.Answers) || len(got) != 5 {
		t.Errorf("the text gives %v, expected are %v", got, task.Answers)
	}
	if !strings.HasSuffix(text, "5 variables have the value "+question[1][1]+":") {
		t.Errorf("it ends in %q", text[len(text)-60:])
	}
}

// RULER's frequencies: 30 and 3, and 6 and 1 in contexts below 4,096 tokens.
func TestRulerCommonWords(t *testing.T) {
	for length, often := range map[int][2]int{3000: {6, 1}, 4096: {30, 3}} {
		_, task, text := rulerTask(t, needle.CommonWords, length, 0)
		list := text[strings.LastIndex(text, "in mind.\n"):strings.LastIndex(text, "\nQuestion:")]
		counts, numbers := map[string]int{}, 0
		for _, m := range regexp.MustCompile(`(\d+)\. ([a-z]+)`).FindAllStringSubmatch(list, -1) {
			counts[m[2]]++
			numbers++
			if m[1] != strconv.Itoa(numbers) {
				t.Fatalf("entry %d has the number %s", numbers, m[1])
			}
		}
		if len(task.Answers) != 10 {
			t.Fatalf("answers %v", task.Answers)
		}
		for w, n := range counts {
			want := often[1]
			if slices.Contains(task.Answers, w) {
				want = often[0]
			}
			if n != want {
				t.Errorf("length %d: %s stands there %d times, want %d", length, w, n, want)
			}
		}
	}
}

// The counts of the first ranks are those of n·k⁻²/ζ(2) for one n, the dots are
// the first, and ranks two to four are the answer.
func TestRulerFrequentWords(t *testing.T) {
	_, task, text := rulerTask(t, needle.FrequentWords, 4096, 0)
	coded := text[strings.Index(text, "most frequent ones.\n")+len("most frequent ones.\n") : strings.LastIndex(text, "\nQuestion:")]
	counts := map[string]int{}
	total := 0
	for w := range strings.FieldsSeq(coded) {
		counts[w]++
		total++
	}
	var words []string
	for w := range counts {
		words = append(words, w)
	}
	slices.SortFunc(words, func(a, b string) int { return counts[b] - counts[a] })
	if words[0] != "..." || !slices.Equal(words[1:4], task.Answers) {
		t.Errorf("most frequent are %v, expected %v", words[:4], task.Answers)
	}
	for k, w := range words[:4] {
		// Rounding down takes at most one off a count, so ratios are bounded.
		want := float64(counts["..."]) / float64((k+1)*(k+1))
		if got := float64(counts[w]); got < want-1 || got > want+1 {
			t.Errorf("rank %d stands there %v times, want about %.1f", k+1, got, want)
		}
	}
}

// The document that holds the question's fact is there once, among others.
func TestRulerDocuments(t *testing.T) {
	places := map[int]bool{}
	for index := range 8 {
		_, task, text := rulerTask(t, needle.DocumentQA, 3000, index)
		documents := strings.Split(text, "Document ")[1:]
		gold := 0
		for k, d := range documents {
			if !strings.HasPrefix(d, strconv.Itoa(k+1)+":\n") {
				t.Errorf("document %d begins with %.10q", k+1, d)
			}
			if strings.Contains(d[:strings.Index(d, "\n\n")], task.Answers[0]) {
				places[k] = true
				gold++
			}
		}
		if gold != 1 || len(documents) < 5 || !task.Any {
			t.Errorf("%d of %d documents hold the answer", gold, len(documents))
		}
	}
	if len(places) < 3 {
		t.Errorf("the fact always stands in documents %v", places)
	}
}

func TestRulerErrors(t *testing.T) {
	tok := rulerTokenizer
	short, err := needle.NewHaystack("short", "Too little.")
	if err != nil {
		t.Fatal(err)
	}
	hay := rulerHaystack
	for want, c := range map[string]struct {
		kind needle.RulerKind
		o    needle.RulerOptions
	}{
		`unknown RULER task "niah"; known are niah-single, niah-multikey`: {"niah", needle.RulerOptions{Length: 1000, Haystack: hay}},
		`RULER's niah-single: haystack short has `:                        {"niah-single", needle.RulerOptions{Length: 1000, Haystack: short}},
		`RULER's cwe: the smallest task takes `:                           {"cwe", needle.RulerOptions{Length: 200, Haystack: hay}},
		`RULER's niah-multikey: the smallest task takes `:                 {"niah-multikey", needle.RulerOptions{Length: 150, Haystack: hay}},
		`two needles with different questions are needed`:                 {"qa", needle.RulerOptions{Length: 2000, Haystack: hay}},
	} {
		if _, err := needle.Ruler(tok, c.kind, c.o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", c.kind, err, want)
		}
	}
}
