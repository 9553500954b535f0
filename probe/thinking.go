package probe

import (
	"context"
	"errors"
	"slices"

	"headprof/needle"
	"headprof/runner/chat"
	"headprof/scoring"
)

// ThinkSetting is how a manifest says how many tokens a model may think.
const ThinkSetting = "think"

// Thinking lets a model think before it answers: its judge sees the answer alone,
// and the steps of both are scored apart.
type Thinking struct {
	chat.Thinking
	Tokens int // most tokens of thinking, marks included
	// Shut are the tokens that end a thought, for teacher forcing behind one
	// that does not end by itself.
	Shut []int32
}

// Thought is what a trial's model thought before it answered.
type Thought struct {
	IDs   []int32 `json:"ids"` // all before the answer, marks included
	Text  string  `json:"text"`
	Steps [2]int  `json:"steps"` // the decode steps [from, to) of the thought itself
	Cut   bool    `json:"cut_off,omitempty"`
}

// Steps is the most decode steps that thinking adds to an answer's.
func (t *Thinking) Steps(forced bool) int {
	switch {
	case t == nil:
		return 0
	case forced:
		return t.Tokens + chat.GapSteps + 1 + len(t.Shut)
	}
	return t.Tokens + chat.GapSteps
}

// check says what is wrong with it for an answer mode, if anything.
func (t *Thinking) check(d Decode) error {
	switch {
	case t == nil:
		return nil
	case t.Tokens < 1:
		return errors.New("thinking takes at least one token")
	case d == Forced && len(t.Shut) == 0:
		return errors.New("teacher forcing behind a thought needs the tokens that end one")
	}
	return nil
}

// thinker splits the steps of one trial into thought and answer.
type thinker struct {
	*chat.Thought
	skip int // bytes of the answer's first token that belong to the thought
	from int // first step of the answer; -1: there is none
}

func (t *Thinking) start() *thinker { return &thinker{Thought: t.Read(t.Tokens), from: -1} }

// next takes the last of steps. over says that no answer comes.
func (t *thinker) next(steps []needle.Step) (answer, over bool) {
	if t.from >= 0 {
		return true, false
	}
	last := steps[len(steps)-1]
	answer, over = t.Next(last.Text, last.End)
	if answer {
		t.from, t.skip, _ = t.Answer()
	}
	return answer, over
}

// answer gives the steps of the answer.
func (t *thinker) answer(steps []needle.Step) []needle.Step {
	if t.from < 0 {
		return nil
	}
	steps = steps[t.from:]
	if t.skip > 0 && len(steps) > 0 {
		steps = slices.Clone(steps)
		steps[0].Text = steps[0].Text[t.skip:]
	}
	return steps
}

// thought describes what came before the answer.
func (t *thinker) thought(steps []needle.Step, m Model) *Thought {
	n := t.from
	if n < 0 {
		n = len(steps)
	}
	out := &Thought{IDs: []int32{}, Cut: t.from < 0}
	for _, s := range steps[:n] {
		out.IDs = append(out.IDs, s.ID)
	}
	out.Text = m.Decode(out.IDs)
	out.Steps[0], out.Steps[1] = t.Steps()
	return out
}

// thinking decodes a thought and the answer behind it, and judges the answer.
func (a *answerer) thinking(ctx context.Context, t *Trial, d *Decoding, feed []int32, out *answered) error {
	th := a.rules.Thinking.start()
	n := len(t.AnswerIDs)
	d.Stop = func(steps []needle.Step) bool {
		answer, over := th.next(steps)
		return over || answer && a.rules.Judge.Stop(t.Needle, n, th.answer(steps))
	}
	steps, err := d.Greedy(ctx, feed)
	if err != nil {
		return err
	}
	out.produced, out.thought = idsOf(steps), th.thought(steps, a.model)
	if out.steps = th.answer(steps); th.from >= 0 {
		out.verdict = a.rules.Judge.Judge(t.Needle, n, out.steps)
		out.verdict.From += th.from
		out.verdict.To += th.from
	}
	return nil
}

// think decodes a thought alone, and ends it where it does not end by itself.
// It gives what is to be fed before the answer.
func (a *answerer) think(ctx context.Context, d *Decoding, prompt []int32, session Session, out *answered) (feed []int32, err error) {
	th := a.rules.Thinking.start()
	d.Limit = a.rules.Thinking.Tokens + chat.GapSteps + 1
	d.Stop = func(steps []needle.Step) bool {
		answer, over := th.next(steps)
		return answer || over
	}
	steps, err := d.Greedy(ctx, prompt[session.Len():])
	if err != nil {
		return nil, err
	}
	if th.from >= 0 {
		steps = steps[:th.from] // the model's own answer is not forced
	}
	out.produced, out.thought = idsOf(steps), th.thought(steps, a.model)
	sequence := slices.Concat(prompt, out.produced)
	last := len(sequence) - 1
	if out.thought.Cut {
		sequence = append(sequence, a.rules.Thinking.Shut...)
		out.given = [2]int{len(out.produced), len(out.produced) + len(a.rules.Thinking.Shut)}
		out.produced = append(out.produced, a.rules.Thinking.Shut...)
	}
	return sequence[last:], session.Truncate(last)
}

// scoreThought adds the scores of a thought's steps to those of the answer.
func (a *answerer) scoreThought(out *answered, prompt []int32) error {
	if out.thought == nil {
		return nil
	}
	scores, err := a.observer.Score(out.thought.Steps[0], out.thought.Steps[1], prompt, out.produced, 0)
	for name, s := range scores {
		out.scores[scoring.WhileThinking(name)] = s
	}
	return err
}

func idsOf(steps []needle.Step) []int32 {
	ids := make([]int32, len(steps))
	for i, s := range steps {
		ids[i] = s.ID
	}
	return ids
}
