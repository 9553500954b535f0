package probe

import (
	"context"
	"slices"

	"headprof/needle"
)

// Decoding is how an answer comes out of a session: greedily, or by teacher
// forcing. It is the one way in which every kind of run answers. Drafts and the
// cut into Extend calls change the time, never the answer.
type Decoding struct {
	Model Model
	// Extend computes tokens, the last so many steps of which are decode steps,
	// and gives the logits of these.
	Extend func(ctx context.Context, tokens []int32, steps int) ([][]float32, error)
	// Forget drops the last n tokens.
	Forget func(n int) error
	// Draft guesses the tokens that follow what was produced; whole tells that
	// all of the last draft was right. nil: no draft.
	Draft func(produced []int32, whole bool) []int32
	// Limit is the most tokens to generate.
	Limit int
	// Stop tells after each step whether the answer is over.
	Stop func(steps []needle.Step) bool
}

// Greedy feeds tokens that the session does not hold yet, the prompt's last
// one among them, and decodes. A draft rides along with each step's token:
// where the model agrees, the next step is done already; where it departs, the
// rest of the draft is forgotten. The step that ended the answer is included.
func (d *Decoding) Greedy(ctx context.Context, feed []int32) ([]needle.Step, error) {
	var steps []needle.Step
	var produced []int32
	whole := false
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var draft []int32
		if d.Draft != nil {
			draft = d.Draft(produced, whole)
		}
		logits, err := d.Extend(ctx, slices.Concat(feed, draft), 1+len(draft))
		if err != nil {
			return nil, err
		}
		agreed := 0
		for _, row := range logits {
			id, err := Argmax(row)
			if err != nil {
				return nil, err
			}
			produced = append(produced, id)
			steps = append(steps, needle.Step{ID: id, Text: d.Model.Text(id), End: d.Model.IsEnd(id)})
			if len(steps) >= d.Limit || d.Stop(steps) {
				return steps, nil
			}
			if agreed == len(draft) || draft[agreed] != id {
				break
			}
			agreed++
		}
		if agreed < len(draft) {
			if err := d.Forget(len(draft) - agreed); err != nil {
				return nil, err
			}
		}
		whole = agreed > 0 && agreed == len(draft)
		feed = produced[len(produced)-1:]
	}
}

// Forced feeds tokens as Greedy does and then the answer, so many of its tokens
// at once. each takes the logits of every answer token's step.
func (d *Decoding) Forced(ctx context.Context, feed, answer []int32, atOnce int, each func(step int, logits []float32) error) error {
	for done := 0; done < len(answer); {
		steps := min(len(answer)-done, atOnce)
		logits, err := d.Extend(ctx, slices.Concat(feed, answer[done:done+steps-1]), steps)
		if err != nil {
			return err
		}
		for i, row := range logits {
			if err := each(done+i, row); err != nil {
				return err
			}
		}
		done += steps
		feed = answer[done-1 : done]
	}
	return nil
}

// Prefix is a session that is kept from prompt to prompt, so that what a prompt
// shares with the one before is computed once.
type Prefix[S interface {
	Truncate(n int) error
	Close()
}] struct {
	Open    func(tokens int) (S, error) // for a prompt of so many tokens
	session S
	open    bool
	held    []int32
}

// Ready gives a session that holds the tokens that prompt shares with the one
// before, at most limit, and says how many. The caller computes the rest.
func (p *Prefix[S]) Ready(prompt []int32, limit int) (session S, shared int, err error) {
	if !p.open {
		if p.session, err = p.Open(len(prompt)); err != nil {
			return p.session, 0, err
		}
		p.open, p.held = true, nil
	}
	shared = min(commonPrefix(p.held, prompt), limit)
	if err := p.session.Truncate(shared); err != nil {
		p.Close()
		return session, 0, err
	}
	p.held = prompt
	return p.session, shared, nil
}

// Close frees the session: after an error what it holds is not known. Ready
// opens another one.
func (p *Prefix[S]) Close() {
	if p.open {
		p.session.Close()
		p.open = false
	}
}
