package cases

import (
	"context"
	"errors"
	"fmt"

	"headprof/scoring"
)

// fewShot is a prompt of demonstrations with shuffled labels and a query: icl.
type fewShot struct {
	group string // what it was made of

	ID     string  `json:"id"`
	IDs    []int32 `json:"ids"`
	Labels []span  `json:"label_spans"`
}

func (c *fewShot) Group() string       { return c.group }
func (c *fewShot) Name() string        { return c.ID }
func (c *fewShot) Kind() scoring.Probe { return scoring.FewShot }
func (c *fewShot) longest() int        { return len(c.IDs) }
func (c *fewShot) Tokens() int         { return len(c.IDs) }
func (c *fewShot) ids() [][]int32      { return [][]int32{c.IDs} }

func (c *fewShot) check() error {
	if len(c.Labels) == 0 {
		return errors.New(`"label_spans" names no label; give each demonstration's label as [start, end)`)
	}
	for i, s := range c.Labels {
		if err := s.within(len(c.IDs), fmt.Sprintf("label_spans[%d]", i)); err != nil {
			return err
		}
	}
	return nil
}

func (c *fewShot) run(ctx context.Context, r *pass, methods []scoring.Named) (map[string]Values, error) {
	last, err := r.lastRow(ctx, c.IDs)
	if err != nil {
		return nil, err
	}
	labels := spans(c.Labels)
	out := map[string]Values{}
	for _, m := range methods {
		if icl, ok := m.(*scoring.ICL); ok {
			out[m.Name()] = r.each(func(l, h int) float64 { return icl.Score(last[l][h], labels) })
		}
	}
	return out, nil
}

// injection is an instruction with data, clean and with another instruction
// injected into the data: tracker.
type injection struct {
	group string // what it was made of

	ID                  string  `json:"id"`
	IDs                 []int32 `json:"ids"`
	Instruction         span    `json:"instruction_span"`
	Data                span    `json:"data_span"`
	Injected            []int32 `json:"injected_ids"`
	InjectedInstruction span    `json:"injected_instruction_span"`
	InjectedData        span    `json:"injected_data_span"`
}

func (c *injection) Group() string       { return c.group }
func (c *injection) Name() string        { return c.ID }
func (c *injection) Kind() scoring.Probe { return scoring.Injection }
func (c *injection) longest() int        { return max(len(c.IDs), len(c.Injected)) }
func (c *injection) ids() [][]int32      { return [][]int32{c.IDs, c.Injected} }
func (c *injection) Tokens() int {
	return len(c.IDs) + len(c.Injected) - sharedPrefix(c.IDs, c.Injected)
}

func (c *injection) check() error {
	return errors.Join(
		c.Instruction.within(len(c.IDs), "instruction_span"),
		c.Data.within(len(c.IDs), "data_span"),
		c.InjectedInstruction.within(len(c.Injected), "injected_instruction_span"),
		c.InjectedData.within(len(c.Injected), "injected_data_span"),
	)
}

func (c *injection) run(ctx context.Context, r *pass, methods []scoring.Named) (map[string]Values, error) {
	clean, err := r.lastRow(ctx, c.IDs)
	if err != nil {
		return nil, err
	}
	shared, err := r.reuse(min(sharedPrefix(c.IDs, c.Injected), len(c.Injected)-1))
	if err != nil {
		return nil, err
	}
	n := len(c.Injected)
	injected, err := r.attended(ctx, c.Injected[shared:], span{n - 1, n})
	if err != nil {
		return nil, err
	}
	out := map[string]Values{}
	for _, m := range methods {
		if t, ok := m.(*scoring.Tracker); ok {
			out[m.Name()] = r.each(func(l, h int) float64 {
				return t.Score(clean[l][h], c.Instruction.scoring(), c.Data.scoring()) -
					t.Score(injected[l][h], c.InjectedInstruction.scoring(), c.InjectedData.scoring())
			})
		}
	}
	return out, nil
}

// lastRow extends an empty session and gives the last position's row.
func (r *pass) lastRow(ctx context.Context, ids []int32) ([][]scoring.Attended, error) {
	return r.attended(ctx, ids, span{len(ids) - 1, len(ids)})
}
