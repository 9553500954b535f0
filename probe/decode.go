package probe

import (
	"context"
	"fmt"
	"time"

	"headprof/needle"
	"headprof/runner/backend"
	"headprof/scoring"
)

// answerer runs one trial after another in prepared sessions.
type answerer struct {
	model    Model
	rules    Rules
	observer *scoring.Observer
	draft    bool
	openings openings
	recall   recall
}

// answered is what running a trial gave.
type answered struct {
	steps   []needle.Step // as produced, the one that stopped included
	verdict needle.Verdict
	top     []Candidate
	logProb float64 // forced only
	scores  map[string][][]float64
	decode  time.Duration // spent after the first step
}

// run answers a trial. session holds a beginning of prompt.
func (a *answerer) run(ctx context.Context, t *Trial, prompt []int32, session Session, s *sessions) (*answered, error) {
	a.observer.Reset(len(prompt)-1, scoring.Span{Start: t.Span.Start, End: t.Span.End})
	// All chunks but the last are plain; the last one carries the draft.
	rest := prompt[session.Len():]
	draft := min(a.rules.steps(t)-1, maxDraft)
	last := max(1, lastChunk(len(rest)+draft, s.chunk)-draft)
	if last < len(rest) {
		if err := s.prefill(ctx, session, rest[:len(rest)-last]); err != nil {
			return nil, err
		}
	}
	answer := a.greedy
	if a.rules.Decode == Forced {
		answer = a.forced
	}
	return answer(ctx, t, prompt, session, func() { s.computed(last) })
}

// lastChunk is the size of the last of the pieces that n tokens are cut into.
func lastChunk(n, chunk int) int {
	for n > chunk {
		n -= nextChunk(n, chunk)
	}
	return n
}

// extend computes tokens, the last steps of which are decode steps.
func (a *answerer) extend(ctx context.Context, session Session, tokens []int32, steps int) ([][]float32, error) {
	end := session.Len() + len(tokens)
	positions := make([]int, steps)
	for i := range positions {
		positions[i] = end - steps + i
	}
	logits, err := session.Extend(ctx, tokens, Watch{
		Attention: positions,
		Rows: func(r backend.Row) {
			a.observer.Observe(r.Layer, r.Head, r.Position, r.First, r.Weights)
		},
		Top:    a.observer.Top(),
		Logits: positions,
	})
	if err != nil {
		return nil, err
	}
	if len(logits) != steps {
		return nil, fmt.Errorf("the engine gave %d rows of logits for %d positions", len(logits), steps)
	}
	return logits, nil
}

// greedy decodes step by step. A draft of the coming tokens rides along with
// each step's token: where the model agrees, the next step is done already;
// where it departs, the rest of the draft is forgotten.
func (a *answerer) greedy(ctx context.Context, t *Trial, prompt []int32, session Session, prefilled func()) (*answered, error) {
	out := &answered{}
	limit := a.rules.steps(t)
	openings := a.openings.of(t, a.model)
	guess := newLookup(t, prompt)
	var produced []int32
	feed := prompt[session.Len():]
	draft := a.recall.next(t.Needle.ID, nil)
	if draft == nil {
		draft = a.openings.choose(openings)
	}
	var first time.Time // when the first step was done
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !a.draft {
			draft = nil
		}
		draft = draft[:min(len(draft), maxDraft, limit-len(produced)-1)]
		from := session.Len() + len(feed)
		tokens := append(append(make([]int32, 0, len(feed)+len(draft)), feed...), draft...)
		logits, err := a.extend(ctx, session, tokens, 1+len(draft))
		if err != nil {
			return nil, err
		}
		if first.IsZero() {
			prefilled()
			first = time.Now()
		}
		agreed := 0
		for j, row := range logits {
			id, err := argmax(row)
			if err != nil {
				return nil, err
			}
			if out.top == nil {
				out.top = top(row, 5)
			}
			produced = append(produced, id)
			out.steps = append(out.steps, needle.Step{ID: id, Text: a.model.Text(id), End: a.model.IsEnd(id)})
			if len(produced) >= limit || a.rules.Judge.Stop(t.Needle, len(t.AnswerIDs), out.steps) {
				out.decode = time.Since(first)
				a.openings.learn(openings, produced)
				a.recall.learn(t.Needle.ID, produced)
				return a.judged(t, prompt, produced, out)
			}
			if j == len(draft) || draft[j] != id {
				agreed = j
				break
			}
		}
		if agreed < len(draft) {
			if err := session.Truncate(from + agreed); err != nil {
				return nil, err
			}
		}
		reach := draftLength
		if agreed == len(draft) && agreed > 0 {
			reach *= 2
		}
		feed = produced[len(produced)-1:]
		if draft = a.recall.next(t.Needle.ID, produced); draft == nil {
			draft = guess.next(produced, reach)
		}
	}
}

// judged takes the verdict and scores the steps that it names.
func (a *answerer) judged(t *Trial, prompt, produced []int32, out *answered) (*answered, error) {
	out.verdict = a.rules.Judge.Judge(t.Needle, len(t.AnswerIDs), out.steps)
	var err error
	out.scores, err = a.observer.Score(out.verdict.From, out.verdict.To, prompt, produced, 0)
	return out, err
}

// forced feeds the expected answer.
func (a *answerer) forced(ctx context.Context, t *Trial, prompt []int32, session Session, prefilled func()) (*answered, error) {
	out := &answered{}
	n := len(t.AnswerIDs)
	feed := prompt[session.Len():]
	var first time.Time
	for done := 0; done < n; {
		steps := min(n-done, maxDraft+1)
		if !a.draft {
			steps = 1
		}
		tokens := append(append(make([]int32, 0, len(feed)+steps), feed...), t.AnswerIDs[done:done+steps-1]...)
		logits, err := a.extend(ctx, session, tokens, steps)
		if err != nil {
			return nil, err
		}
		if done == 0 {
			prefilled()
			first = time.Now()
		}
		for i, row := range logits {
			if err := out.force(t, done+i, row); err != nil {
				return nil, err
			}
		}
		done += steps
		feed = t.AnswerIDs[done-1 : done]
	}
	out.decode = time.Since(first)
	out.verdict = needle.Verdict{Pass: true, To: n}
	var err error
	out.scores, err = a.observer.Score(0, n, prompt, t.AnswerIDs, n)
	return out, err
}

func (out *answered) force(t *Trial, step int, logits []float32) error {
	if _, err := argmax(logits); err != nil {
		return err
	}
	if step == 0 {
		out.top = top(logits, 5)
	}
	out.logProb += logProbability(logits, t.AnswerIDs[step])
	return nil
}
