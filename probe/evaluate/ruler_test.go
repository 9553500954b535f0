package evaluate

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"headprof/fixtures"
	"headprof/needle"
)

// Expected values: testdata/ruler.py.
func TestRulerMetrics(t *testing.T) {
	data, err := os.ReadFile("testdata/ruler.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Output    string
		Answers   []string
		All, Part float64
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if got := matchAll(c.Output, c.Answers); math.Abs(got-c.All) > 1e-12 {
			t.Errorf("all of %q in %q: %v, want %v", c.Answers, c.Output, got, c.All)
		}
		if got := matchPart(c.Output, c.Answers); got != c.Part {
			t.Errorf("any of %q in %q: %v, want %v", c.Answers, c.Output, got, c.Part)
		}
	}
}

func TestRulerItems(t *testing.T) {
	e := tinyEngine(t)
	hay, err := needle.NewHaystack("tiny", fixtures.TinyHaystack())
	if err != nil {
		t.Fatal(err)
	}
	set, err := needle.ReadSet("held-out", strings.NewReader(string(fixtures.TinyHeldout())))
	if err != nil {
		t.Fatal(err)
	}
	o := RulerOptions{Kinds: []needle.RulerKind{needle.NIAHSingle, needle.DocumentQA}, Lengths: []int{600, 900}, Count: 3, Seed: 5, Haystack: hay, Needles: set.Needles}
	items, err := Ruler(e, o)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, it := range items {
		ids = append(ids, it.ID)
		if err := it.check(e); err != nil {
			t.Error(err)
		}
		if n := len(it.Prompt) + it.MaxTokens; n > it.Length || n < it.Length-250 {
			t.Errorf("%s has %d tokens", it.ID, n)
		}
		// The expected answer passes, what was not asked for does not.
		var text strings.Builder
		for _, id := range it.AnswerIDs {
			text.WriteString(e.Text(id))
		}
		if s, _ := it.Score(steps(text.String())); s != 1 {
			t.Errorf("%s: the expected answer %q scores %v", it.ID, text.String(), s)
		}
		if s, _ := it.Score(steps("I do not know")); s != 0 {
			t.Errorf("%s: no answer scores %v", it.ID, s)
		}
	}
	want := []string{"ruler-niah-single-600-000", "ruler-niah-single-600-002", "ruler-niah-single-900-001", "ruler-qa-600-000", "ruler-qa-600-002", "ruler-qa-900-001"}
	if !slices.Equal(ids, want) {
		t.Errorf("items %v, want %v", ids, want)
	}
	o.Kinds = []needle.RulerKind{needle.CommonWords}
	if _, err := Ruler(e, o); err == nil || !strings.Contains(err.Error(), "use a longer --lengths value") {
		t.Errorf("a list that does not fit: %v", err)
	}
}
