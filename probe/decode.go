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
	perStep  bool // keep the scores of single steps
	openings openings
	recall   recall
}

// answered is what running a trial gave.
type answered struct {
	steps    []needle.Step // as produced, the one that stopped included
	verdict  needle.Verdict
	top      []Candidate
	logProb  float64 // forced only
	scores   map[string][][]float64
	produced []int32                  // with single
	single   []map[string][][]float64 // of each step, where they are kept
	decode   time.Duration            // spent after the first step
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
		Keep:   [2]int{a.observer.Evidence().Start, a.observer.Evidence().End},
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

// decoding prepares a trial's decoding. prefilled is called when the prompt is
// computed; the time of all later steps is added to out.
func (a *answerer) decoding(t *Trial, session Session, prefilled func(), out *answered) *Decoding {
	return &Decoding{
		Model: a.model, Limit: a.rules.steps(t),
		Extend: func(ctx context.Context, tokens []int32, steps int) ([][]float32, error) {
			start := time.Now()
			logits, err := a.extend(ctx, session, tokens, steps)
			if err != nil {
				return nil, err
			}
			if out.top == nil {
				prefilled()
				out.top = top(logits[0], 5)
			} else {
				out.decode += time.Since(start)
			}
			return logits, nil
		},
		Forget: func(n int) error { return session.Truncate(session.Len() - n) },
	}
}

// greedy decodes the model's own answer and judges it.
func (a *answerer) greedy(ctx context.Context, t *Trial, prompt []int32, session Session, prefilled func()) (*answered, error) {
	out := &answered{}
	openings := a.openings.of(t, a.model)
	guess := newLookup(t, prompt)
	d := a.decoding(t, session, prefilled, out)
	d.Stop = func(steps []needle.Step) bool { return a.rules.Judge.Stop(t.Needle, len(t.AnswerIDs), steps) }
	if a.draft {
		d.Draft = func(produced []int32, whole bool) []int32 {
			draft := a.recall.next(t.Needle.ID, produced)
			switch {
			case draft != nil:
			case produced == nil:
				draft = a.openings.choose(openings)
			case whole:
				draft = guess.next(produced, 2*draftLength)
			default:
				draft = guess.next(produced, draftLength)
			}
			return draft[:min(len(draft), maxDraft, d.Limit-len(produced)-1)]
		}
	}
	steps, err := d.Greedy(ctx, prompt[session.Len():])
	if err != nil {
		return nil, err
	}
	out.steps = steps
	produced := make([]int32, len(steps))
	for i, s := range steps {
		produced[i] = s.ID
	}
	a.openings.learn(openings, produced)
	a.recall.learn(t.Needle.ID, produced)
	out.verdict = a.rules.Judge.Judge(t.Needle, len(t.AnswerIDs), steps)
	return out, a.score(out, prompt, produced, 0)
}

// score scores the steps that count, and each one where that is asked for.
func (a *answerer) score(out *answered, prompt, produced []int32, answerLen int) (err error) {
	if out.scores, err = a.observer.Score(out.verdict.From, out.verdict.To, prompt, produced, answerLen); err != nil || !a.perStep {
		return err
	}
	out.produced = produced
	out.single = make([]map[string][][]float64, len(produced))
	for s := range produced {
		if out.single[s], err = a.observer.Score(s, s+1, prompt, produced, answerLen); err != nil {
			return err
		}
	}
	return nil
}

// forced decodes the expected answer by teacher forcing.
func (a *answerer) forced(ctx context.Context, t *Trial, prompt []int32, session Session, prefilled func()) (*answered, error) {
	out := &answered{}
	n := len(t.AnswerIDs)
	atOnce := 1
	if a.draft {
		atOnce += maxDraft
	}
	d := a.decoding(t, session, prefilled, out)
	err := d.Forced(ctx, prompt[session.Len():], t.AnswerIDs, atOnce, func(step int, logits []float32) error {
		_, err := Argmax(logits)
		out.logProb += LogProbability(logits, t.AnswerIDs[step])
		return err
	})
	if err != nil {
		return nil, err
	}
	out.verdict = needle.Verdict{Pass: true, To: n}
	return out, a.score(out, prompt, t.AnswerIDs, n)
}
