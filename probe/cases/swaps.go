package cases

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"headprof/probe"
	"headprof/runner"
	"headprof/runner/backend"
	"headprof/scoring"
)

// swap is a prompt, its corrupted twin, and the answer to the clean one: patch, atp.
type swap struct {
	group string // what it was made of

	ID        string  `json:"id"`
	Clean     []int32 `json:"clean_ids"`
	Corrupted []int32 `json:"corrupted_ids"`
	Answer    []int32 `json:"answer_ids"`
}

func (c *swap) Group() string       { return c.group }
func (c *swap) Name() string        { return c.ID }
func (c *swap) Kind() scoring.Probe { return scoring.Swaps }
func (c *swap) longest() int        { return max(len(c.Clean), len(c.Corrupted)+len(c.Answer)-1) }
func (c *swap) Tokens() int         { return len(c.Clean) + len(c.Corrupted) + len(c.Answer) - 1 }
func (c *swap) ids() [][]int32      { return [][]int32{c.Clean, c.Corrupted, c.Answer} }

func (c *swap) check() error {
	switch {
	case len(c.Clean) == 0:
		return errors.New(`"clean_ids" is missing or empty; it holds the prompt`)
	case len(c.Clean) != len(c.Corrupted):
		return fmt.Errorf(`"clean_ids" holds %d tokens and "corrupted_ids" %d; a head's output is moved from one to the other, so they must be equally long`, len(c.Clean), len(c.Corrupted))
	case len(c.Answer) == 0:
		return errors.New(`"answer_ids" is missing or empty; it holds the answer to the clean prompt`)
	}
	return nil
}

func (c *swap) run(ctx context.Context, r *pass, methods []scoring.Named) (map[string]Values, error) {
	out := map[string]Values{}
	var estimates []scoring.Named
	for _, m := range methods {
		if _, exact := m.(*scoring.Patch); !exact {
			estimates = append(estimates, m)
			continue
		}
		var err error
		if out[m.Name()], err = c.patch(ctx, r); err != nil {
			return nil, err
		}
	}
	if err := c.attribute(ctx, r, estimates, out); err != nil {
		return nil, err
	}
	return out, nil
}

// patch gives each head's effect at the prompts' last token.
func (c *swap) patch(ctx context.Context, r *pass) (Values, error) {
	last := len(c.Clean) - 1
	clean, err := r.outputs(ctx, c.Clean, last)
	if err != nil {
		return nil, err
	}
	if err := r.session.Truncate(min(sharedPrefix(c.Clean, c.Corrupted), last)); err != nil {
		return nil, err
	}
	if _, err := r.session.Extend(ctx, c.Corrupted[r.session.Len():last], probe.Watch{}); err != nil {
		return nil, err
	}
	var patches []runner.Branch
	for l, heads := range clean {
		for h, output := range heads {
			patches = append(patches, runner.Branch{Layer: l, Head: h, Output: output})
		}
	}
	out, corrupted := r.grid(), 0.0
	return out, r.branches(ctx, fed(c.Corrupted, c.Answer), patches, func(branch int, logits [][]float32) {
		if p := logProbability(logits, c.Answer); branch < 0 {
			corrupted = p
		} else {
			out[patches[branch].Layer][patches[branch].Head] = p - corrupted
		}
	})
}

// outputs computes tokens and gives every head's output at one position,
// [layer][head][ValueDim].
func (r *pass) outputs(ctx context.Context, tokens []int32, position int) ([][][]float32, error) {
	out := make([][][]float32, len(r.layers))
	if err := r.session.Truncate(0); err != nil {
		return nil, err
	}
	_, err := r.session.Extend(ctx, tokens, probe.Watch{
		Logits: []int{position},
		Outputs: func(o backend.Outputs) {
			i, ok := slices.BinarySearch(o.Positions, position)
			if !ok {
				return
			}
			d := o.Attention.ValueDim
			all := slices.Clone(o.Heads[i*o.Attention.Heads*d:][:o.Attention.Heads*d])
			for h := range o.Attention.Heads {
				out[o.Layer] = append(out[o.Layer], all[h*d:][:d])
			}
		},
	})
	return out, err
}
