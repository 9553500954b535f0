package cases

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"headprof/probe"
	"headprof/scoring"
)

// given reads trials.
func given(t *testing.T, lines ...string) []*probe.Trial {
	t.Helper()
	list, err := probe.ReadTrials("f", strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// fourTrials are of the needles x, x, y and z, with evidence of 2, 3, 2 and 4 tokens.
var fourTrials = []string{
	`{"id": "a", "needle": "x", "prompt_ids": [10, 11, 12, 13, 14], "span": [1, 3], "answer_ids": [11, 12]}`,
	`{"id": "b", "needle": "x", "prompt_ids": [20, 21, 22, 23, 24], "span": [2, 5], "answer_ids": [22]}`,
	`{"id": "c", "needle": "y", "prompt_ids": [30, 31, 32, 33, 34], "span": [3, 5], "answer_ids": [33]}`,
	`{"id": "d", "needle": "z", "prompt_ids": [40, 41, 42, 43, 44], "span": [0, 4], "answer_ids": [40]}`,
}

func TestAnswersOfTrials(t *testing.T) {
	list, err := FromTrials(scoring.Answers, given(t, fourTrials...))
	if err != nil {
		t.Fatal(err)
	}
	want := []Case{
		&answer{group: "x", ID: "a", Prompt: []int32{10, 11, 12, 13, 14}, Answer: []int32{11, 12}},
		&answer{group: "x", ID: "b", Prompt: []int32{20, 21, 22, 23, 24}, Answer: []int32{22}},
		&answer{group: "y", ID: "c", Prompt: []int32{30, 31, 32, 33, 34}, Answer: []int32{33}},
		&answer{group: "z", ID: "d", Prompt: []int32{40, 41, 42, 43, 44}, Answer: []int32{40}},
	}
	if !reflect.DeepEqual(list, want) {
		t.Errorf("%+v", list)
	}
}

// By hand, after docs/method.md: of the next trial with another needle, as many
// tokens from the evidence's first on as its own evidence has.
func TestSwapsOfTrials(t *testing.T) {
	list, err := FromTrials(scoring.Swaps, given(t, fourTrials...))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]int32{
		{10, 33, 34, 13, 14}, // b has a's needle, c another one
		{20, 21, 40, 41, 42}, // c has only two tokens left, d enough
		{30, 31, 32, 40, 41},
		{11, 12, 13, 14, 44}, // the last trial goes on with the first
	} {
		c := list[i].(*swap)
		clean, _ := given(t, fourTrials...)[i].Prompt()
		if !slices.Equal(c.Corrupted, want) || !slices.Equal(c.Clean, clean) || c.Group() != []string{"x", "x", "y", "z"}[i] || c.Name() != string("abcd"[i]) {
			t.Errorf("%s of %s: %v in place of %v, want %v", c.Name(), c.Group(), c.Corrupted, c.Clean, want)
		}
	}
	// Evidence at the end of a prompt, in place of evidence at the beginning.
	list, err = FromTrials(scoring.Swaps, given(t,
		`{"id": "a", "needle": "x", "prompt_ids": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], "span": [9, 11], "answer_ids": [1]}`,
		`{"id": "b", "needle": "y", "prompt_ids": [61, 62], "span": [0, 2], "answer_ids": [1]}`,
	))
	if err != nil || !slices.Equal(list[0].(*swap).Corrupted, []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 61, 62}) || !slices.Equal(list[1].(*swap).Corrupted, []int32{10, 11}) {
		t.Errorf("%+v, %v", list, err)
	}
	for name, lines := range map[string][]string{
		"one needle":      fourTrials[:2],
		"one trial":       fourTrials[3:],
		"nothing so long": {fourTrials[1], fourTrials[2]},
	} {
		if list, err := FromTrials(scoring.Swaps, given(t, lines...)); err == nil || list != nil || !strings.Contains(err.Error(), "give at least two needles") {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
}

// In a file a case's needle is an id, or an object that has one; a case
// without either stands for itself.
func TestGroupsOfAnswers(t *testing.T) {
	for needle, want := range map[string]string{
		`"n7"`: "n7", `{"id": "n8", "text": "x"}`: "n8", `{"text": "x"}`: "a", `7`: "a", `null`: "a", "": "a",
	} {
		field := ""
		if needle != "" {
			field = `"needle": ` + needle + ", "
		}
		list, err := Read("f", strings.NewReader(fmt.Sprintf(`{%s"id": "a", "prompt_ids": [1], "answer_ids": [2]}`, field)), scoring.Answers)
		if err != nil || groupOf(list[0]) != want {
			t.Errorf("%s: %v, %v, want %q", needle, list, err, want)
		}
	}
	if got := groupOf(&swap{ID: "s"}); got != "s" {
		t.Errorf("a swap of its own: %q", got)
	}
}
