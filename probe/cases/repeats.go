package cases

import (
	"context"
	"fmt"

	"headprof/runner/backend"
	"headprof/scoring"
)

// repeats is a sequence of random tokens, several times: echo and induction.
type repeats struct {
	ID      string  `json:"id"`
	IDs     []int32 `json:"ids"`
	First   int     `json:"first"`  // tokens before the sequence (BOS)
	Period  int     `json:"period"` // tokens of the sequence
	Repeats int     `json:"repeats"`
}

func (p *repeats) Name() string        { return p.ID }
func (p *repeats) Kind() scoring.Probe { return scoring.Repeats }
func (p *repeats) Tokens() int         { return len(p.IDs) }
func (p *repeats) longest() int        { return len(p.IDs) }
func (p *repeats) ids() [][]int32      { return [][]int32{p.IDs} }

func (p *repeats) check() error {
	if p.First < 0 || p.Period < 1 {
		return fmt.Errorf(`"first" is %d and "period" %d; first is the number of tokens before the sequence, period its length, at least 1`, p.First, p.Period)
	}
	if len(p.IDs) <= p.First+p.Period {
		return fmt.Errorf(`"ids" holds %d tokens, and the first copy ends at %d: there is no second one`, len(p.IDs), p.First+p.Period)
	}
	return nil
}

func (p *repeats) run(ctx context.Context, r *pass, methods []scoring.Named) (map[string]Values, error) {
	copies := scoring.NewCopies(p.IDs, p.First)
	rows := span{p.First + p.Period, len(p.IDs)}
	echo, induction := r.totals(), r.totals()
	if err := r.extend(ctx, p.IDs, rows, func(b backend.RowBlock) {
		for i, position := range b.Positions {
			echo.add(b.Layer, b.Head, copies.Echo(position, b.Row(i), b.First))
			induction.add(b.Layer, b.Head, copies.Induction(position, b.Row(i), b.First))
		}
	}); err != nil {
		return nil, err
	}
	n := rows[1] - rows[0]
	out := map[string]Values{}
	for _, m := range methods {
		switch m.(type) {
		case *scoring.Echo:
			out[m.Name()] = r.each(func(l, h int) float64 { return echo.mean(l, h, n) })
		case *scoring.Induction:
			out[m.Name()] = r.each(func(l, h int) float64 { return induction.mean(l, h, n) })
		}
	}
	return out, nil
}
