package cases

import (
	"context"
	"errors"
	"slices"

	"headprof/runner/backend"
	"headprof/scoring"
)

// recital is a text, the request to repeat it, and the text again: kvzip.
type recital struct {
	ID      string  `json:"id"`
	Prefix  []int32 `json:"prefix_ids"`
	Context []int32 `json:"context_ids"`
	Request []int32 `json:"repeat_prompt_ids"`
}

func (c *recital) Name() string        { return c.ID }
func (c *recital) Kind() scoring.Probe { return scoring.Recital }
func (c *recital) longest() int        { return len(c.Prefix) + 2*len(c.Context) + len(c.Request) }
func (c *recital) Tokens() int         { return c.longest() }
func (c *recital) ids() [][]int32      { return [][]int32{c.Prefix, c.Context, c.Request} }

func (c *recital) check() error {
	if len(c.Context) == 0 {
		return errors.New(`"context_ids" is missing or empty; it holds the text to repeat`)
	}
	return nil
}

func (c *recital) run(ctx context.Context, r *pass, methods []scoring.Named) (map[string]Values, error) {
	first := slices.Concat(c.Prefix, c.Context)
	if err := r.extend(ctx, first, span{}, nil); err != nil {
		return nil, err
	}
	again := slices.Concat(c.Request, c.Context)
	start, end := len(c.Prefix), len(first)
	p := r.peaks()
	if err := r.extend(ctx, again, span{end, end + len(again)}, func(b backend.RowBlock) {
		from := min(max(start-b.First, 0), b.Width)
		to := min(max(end-b.First, from), b.Width)
		for i := range b.Positions {
			p.offer(b.Layer, b.Head, b.Row(i)[from:to])
		}
	}); err != nil {
		return nil, err
	}
	heads := r.each(p.value)
	out := map[string]Values{}
	for _, m := range methods {
		if _, ok := m.(*scoring.KVzip); ok {
			out[m.Name()] = r.grouped(heads, slices.Max[[]float64])
		}
	}
	return out, nil
}
