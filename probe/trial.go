package probe

import (
	"fmt"

	"headprof/needle"
)

// Trial is one prompt to run once, and what is known about it.
type Trial struct {
	ID       string
	Index    int // place in the plan's canonical order: haystack, needle, length, depth
	Needle   needle.Needle
	Haystack string
	Length   int
	Depth    float64 // asked for, in percent
	// RealDepth is where the needle lies, in percent of the haystack's tokens;
	// nil where there is no haystack or where it is not known. Placement is what
	// stands before it, "" where that is not known.
	RealDepth *float64
	Placement needle.Placement

	Span           needle.Span // the evidence's place in the prompt
	AnswerIDs      []int32     // the first accepted answer
	QuestionTokens int
	PromptTokens   int
	// SharedPrefix is how many tokens at the prompt's beginning are the frame's and
	// the haystack's alone: what all trials of a haystack share.
	SharedPrefix int
	// Sink is set where the evidence lies on the sequence's first tokens,
	// which attract attention whatever they say.
	Sink bool
	// Also names further points of the plan with this very prompt, each
	// counted as a trial of its own (published preset).
	Also []Point
	// KeepSink says that a trial on the attention sink counts, as in the
	// published preset.
	KeepSink bool

	// composed is set where all the fields above are known, as of a plan's own
	// trials; others are known by their prompt, span and answer alone.
	composed bool
	prompt   []int32
	compose  func() (*needle.Prompt, error)
	digest   [32]byte // of prompt, span and answer
}

// Point is a place in the grid of needles, lengths and depths.
type Point struct {
	ID     string  `json:"id"`
	Length int     `json:"length"`
	Depth  float64 `json:"depth"`
}

// keptTokens is how many tokens of composed prompts a plan keeps in memory.
const keptTokens = 16 << 20

// Prompt gives the trial's token ids. Those of a large grid are composed anew
// at each call, so that a long plan needs little memory.
func (t *Trial) Prompt() ([]int32, error) {
	if t.compose == nil || t.prompt != nil {
		return t.prompt, nil
	}
	p, err := t.compose()
	if err != nil {
		return nil, err
	}
	return p.IDs, nil
}

// check says what is wrong with a trial for a model, if anything. steps is how
// many tokens may be decoded.
func (t *Trial) check(prompt []int32, m Model, steps int) error {
	if len(prompt) == 0 {
		return fmt.Errorf("the prompt is empty")
	}
	if t.Span.Start < 0 || t.Span.End <= t.Span.Start || t.Span.End > len(prompt) {
		return fmt.Errorf("span [%d, %d) is not a range within the prompt's %d tokens", t.Span.Start, t.Span.End, len(prompt))
	}
	if len(t.AnswerIDs) == 0 {
		return fmt.Errorf("the answer has no tokens")
	}
	for i, id := range prompt {
		if id < 0 || int(id) >= m.Vocabulary() {
			return fmt.Errorf("prompt token %d is %d, but the model's ids run from 0 to %d", i, id, m.Vocabulary()-1)
		}
	}
	for i, id := range t.AnswerIDs {
		if id < 0 || int(id) >= m.Vocabulary() {
			return fmt.Errorf("answer token %d is %d, but the model's ids run from 0 to %d", i, id, m.Vocabulary()-1)
		}
	}
	if need := len(prompt) + steps - 1; need > m.Context() {
		length := t.Length
		if t.compose == nil {
			length = 0 // no flag makes a given prompt shorter
		}
		return &ContextError{Trial: t.ID, Length: length, Need: need, Limit: m.Context()}
	}
	return nil
}

// ContextError says that a trial does not fit the model's context.
type ContextError struct {
	Trial       string
	Length      int // of a plan's own trial; 0 for a given one
	Need, Limit int // tokens
}

func (e *ContextError) Error() string {
	over := e.Need - e.Limit
	if e.Length > over {
		return fmt.Sprintf("needs %d tokens (prompt and answer) and the model's context holds %d; with --lengths up to %d it fits", e.Need, e.Limit, e.Length-over)
	}
	return fmt.Sprintf("needs %d tokens (prompt and answer) and the model's context holds %d; use shorter prompts", e.Need, e.Limit)
}
