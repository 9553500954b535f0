package needle_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"headprof/needle"
)

func generate(t *testing.T, kind needle.Kind, n int, seed uint64) []needle.Needle {
	t.Helper()
	set, err := needle.Generate(kind, n, seed)
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Needles) != n {
		t.Fatalf("%d needles, want %d", len(set.Needles), n)
	}
	return set.Needles
}

func TestTenThousandGeneratedNeedlesAreDifferentAndSound(t *testing.T) {
	for _, kind := range []needle.Kind{needle.Retrieval, needle.Reasoning} {
		texts, ids := make(map[string]bool), make(map[string]bool)
		for i, n := range generate(t, kind, 10_000, 1) {
			if n.Kind != kind {
				t.Fatalf("%s is of kind %s", n.ID, n.Kind)
			}
			if texts[n.Text] || ids[n.ID] {
				t.Fatalf("%s repeats: %s", n.ID, n.Text)
			}
			texts[n.Text], ids[n.ID] = true, true
			if !strings.Contains(n.Text, n.Evidence) {
				t.Fatalf("%s: no evidence in it", n.ID)
			}
			if i < 250 {
				checkNeedle(t, n)
			}
		}
	}
}

func TestASeedDecidesTheNeedlesAndASetIsAPrefixOfALongerOne(t *testing.T) {
	for _, kind := range []needle.Kind{needle.Retrieval, needle.Reasoning} {
		ten := generate(t, kind, 10, 7)
		if !reflect.DeepEqual(ten, generate(t, kind, 40, 7)[:10]) {
			t.Errorf("%s: the first ten of seed 7 depend on how many are made", kind)
		}
		other := generate(t, kind, 10, 8)
		for i := range ten {
			if ten[i].Text == other[i].Text {
				t.Errorf("%s: seeds 7 and 8 give the same needle %d", kind, i)
			}
		}
	}
}

// What a generated reasoning needle says must lead to its answer: the facts
// are read back from its text and the question is answered from them alone.
func TestTheAnswersOfGeneratedComparisonsFollowFromTheirFacts(t *testing.T) {
	for _, n := range generate(t, needle.Reasoning, 500, 3) {
		byName := func(format string) map[string]int {
			facts := make(map[string]int)
			for _, s := range strings.SplitAfter(n.Text, ". ") {
				var name string
				var value int
				s = strings.TrimSuffix(strings.TrimSpace(s), ".")
				if k, _ := fmt.Sscanf(s, format, &name, &value); k == 2 {
					facts[name] = value
				}
			}
			return facts
		}
		var facts map[string]int
		var wantMore bool
		switch {
		case strings.Contains(n.Question, "younger"), strings.Contains(n.Question, "older"):
			facts, wantMore = byName("%s was born in %d"), strings.Contains(n.Question, "younger")
		case strings.Contains(n.Question, "taller"), strings.Contains(n.Question, "shorter"):
			facts, wantMore = byName("%s is %d centimetres tall"), strings.Contains(n.Question, "taller")
		case strings.Contains(n.Question, "the sea"):
			facts, wantMore = byName("%s lies %d miles from the sea"), strings.Contains(n.Question, "farther")
		case strings.Contains(n.Question, "inn serve"):
			// Two words name an inn; the first is unique.
			facts = make(map[string]int)
			for _, s := range strings.SplitAfter(n.Text, ". ") {
				var first, second string
				var cost int
				if k, _ := fmt.Sscanf(s, "A night at the %s %s costs %d crowns", &first, &second, &cost); k == 3 {
					facts["The "+first] = cost
				}
			}
			wantMore = strings.Contains(n.Question, "dearer")
		case strings.Contains(n.Question, "est one of"):
			var a, b, c, d string
			race := n.Text[strings.Index(n.Text, "In the race"):]
			if k, _ := fmt.Sscanf(strings.ReplaceAll(race, ",", ""), "In the race %s finished before %s and %s finished before %s", &a, &b, &c, &d); k != 4 || b != c {
				t.Fatalf("%s: %q", n.ID, race)
			}
			facts, wantMore = map[string]int{a: 2, b: 1, strings.Trim(d, "."): 0}, strings.Contains(n.Question, "fastest")
		default:
			t.Fatalf("%s: unknown question %q", n.ID, n.Question)
		}
		best := ""
		for name, v := range facts {
			if best == "" || v > facts[best] == wantMore {
				best = name
			}
		}
		if len(facts) < 2 || !strings.HasPrefix(n.Answers[0], best+" ") {
			t.Errorf("%s: %s %s\nfacts %v, yet the answer is %q", n.ID, n.Text, n.Question, facts, n.Answers[0])
		}
	}
}

func TestGenerateNamesItsMaximum(t *testing.T) {
	_, err := needle.Generate(needle.Retrieval, 1<<40, 1)
	wantError(t, err, "1099511627776 retrieval", "between 0 and 100000")
	if n := len(generate(t, needle.Retrieval, 0, 1)); n != 0 {
		t.Errorf("%d needles of none", n)
	}
	// All that can be made differ.
	texts := make(map[string]bool)
	for _, n := range generate(t, needle.Retrieval, 100_000, 1) {
		texts[n.Text+n.Question] = true
	}
	if len(texts) != 100_000 {
		t.Errorf("%d of 100,000 needles differ", len(texts))
	}
	_, err = needle.Generate(needle.Reasoning, -1, 1)
	wantError(t, err, "-1 reasoning")
	_, err = needle.Generate("riddle", 1, 1)
	wantError(t, err, "riddle")
}
