package probe

import (
	"context"
	"fmt"
	"slices"
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
	steps    []needle.Step // of the answer as produced, the one that stopped included
	verdict  needle.Verdict
	top      []Candidate
	logProb  float64 // forced only
	scores   map[string][][]float64
	produced []int32                  // by every step
	single   []map[string][][]float64 // of each step, where they are kept
	thought  *Thought                 // nil: no thinking
	given    [2]int                   // steps that were fed and not computed as steps
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
	d := a.decoding(t, session, prefilled, out)
	learn := a.drafts(t, prompt, d)
	feed := prompt[session.Len():]
	if a.rules.Thinking != nil {
		if err := a.thinking(ctx, t, d, feed, out); err != nil {
			return nil, err
		}
	} else {
		d.Stop = func(steps []needle.Step) bool { return a.rules.Judge.Stop(t.Needle, len(t.AnswerIDs), steps) }
		steps, err := d.Greedy(ctx, feed)
		if err != nil {
			return nil, err
		}
		out.steps, out.produced = steps, idsOf(steps)
		out.verdict = a.rules.Judge.Judge(t.Needle, len(t.AnswerIDs), steps)
	}
	learn(out.produced)
	return out, a.score(out, prompt, 0)
}

// drafts makes d guess what the model says. learn takes what it said.
func (a *answerer) drafts(t *Trial, prompt []int32, d *Decoding) (learn func(produced []int32)) {
	openings := a.openings.of(t, a.model)
	guess := newLookup(t, prompt)
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
	return func(produced []int32) {
		a.openings.learn(openings, produced)
		a.recall.learn(t.Needle.ID, produced)
	}
}

// score scores the steps that count, and each one where that is asked for.
func (a *answerer) score(out *answered, prompt []int32, answerLen int) (err error) {
	if out.scores, err = a.observer.Score(out.verdict.From, out.verdict.To, prompt, out.produced, answerLen); err != nil {
		return err
	}
	if err = a.scoreThought(out, prompt); err != nil || !a.perStep {
		return err
	}
	out.single = make([]map[string][][]float64, len(out.produced))
	for s := range out.produced {
		if s >= out.given[0] && s < out.given[1] {
			continue
		}
		if out.single[s], err = a.observer.Score(s, s+1, prompt, out.produced, answerLen); err != nil {
			return err
		}
	}
	return nil
}

// forced decodes the expected answer by teacher forcing, behind a thought of the
// model's own where it may think.
func (a *answerer) forced(ctx context.Context, t *Trial, prompt []int32, session Session, prefilled func()) (*answered, error) {
	out := &answered{}
	feed := prompt[session.Len():]
	d := a.decoding(t, session, prefilled, out)
	if a.rules.Thinking != nil {
		learn := a.drafts(t, prompt, d)
		var err error
		if feed, err = a.think(ctx, d, prompt, session, out); err != nil {
			return nil, err
		}
		learn(out.produced)
	}
	n := len(t.AnswerIDs)
	atOnce := 1
	if a.draft {
		atOnce += maxDraft
	}
	err := d.Forced(ctx, feed, t.AnswerIDs, atOnce, func(step int, logits []float32) error {
		_, err := Argmax(logits)
		out.logProb += LogProbability(logits, t.AnswerIDs[step])
		return err
	})
	if err != nil {
		return nil, err
	}
	out.verdict = needle.Verdict{Pass: true, From: len(out.produced), To: len(out.produced) + n}
	out.produced = slices.Concat(out.produced, t.AnswerIDs)
	return out, a.score(out, prompt, n)
}
