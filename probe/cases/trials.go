package cases

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"headprof/probe"
	"headprof/scoring"
)

// FromTrials makes cases of needle trials: of the kind Answers the prompt and
// the expected answer; of the kind Swaps the prompt, and as its corrupted twin
// the same prompt in which another needle's evidence stands in place of its
// own: of the next trial with another needle, as many tokens from the
// evidence's first on as the trial's own evidence has.
func FromTrials(kind scoring.Probe, trials []*probe.Trial) ([]Case, error) {
	var list []Case
	for i, t := range trials {
		prompt, err := t.Prompt()
		if err != nil {
			return nil, fmt.Errorf("trial %s: %w", t.ID, err)
		}
		if kind == scoring.Answers {
			list = append(list, &answer{group: t.Needle.ID, ID: t.ID, Prompt: prompt, Answer: t.AnswerIDs})
			continue
		}
		other, err := swapped(trials, i)
		if err != nil {
			return nil, err
		}
		corrupted := slices.Clone(prompt)
		copy(corrupted[t.Span.Start:t.Span.End], other)
		list = append(list, &swap{group: t.Needle.ID, ID: t.ID, Clean: prompt, Corrupted: corrupted, Answer: t.AnswerIDs})
	}
	return list, nil
}

// swapped are the tokens that stand in place of trial i's evidence.
func swapped(trials []*probe.Trial, i int) ([]int32, error) {
	t := trials[i]
	for k := range trials {
		other := trials[(i+1+k)%len(trials)]
		if other.Needle.ID == t.Needle.ID {
			continue
		}
		prompt, err := other.Prompt()
		if err != nil {
			return nil, fmt.Errorf("trial %s: %w", other.ID, err)
		}
		if from := prompt[other.Span.Start:]; len(from) >= t.Span.End-t.Span.Start {
			return from[:t.Span.End-t.Span.Start], nil
		}
	}
	return nil, errors.New("patch puts another needle's evidence in place of a trial's own, and all trials have one needle; give at least two needles")
}

// needleName is a trial's needle in a file of trials: its id, or an object that has one.
type needleName json.RawMessage

func (n needleName) MarshalJSON() ([]byte, error)  { return json.RawMessage(n), nil }
func (n *needleName) UnmarshalJSON(b []byte) error { *n = slices.Clone(b); return nil }

func (n needleName) id() string {
	var name string
	if json.Unmarshal(n, &name) == nil {
		return name
	}
	var needle struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(n, &needle) != nil {
		return ""
	}
	return needle.ID
}
