package kvcache

import (
	"headprof/scoring"
	"headprof/scoring/allocate"
)

func init() {
	const keeps = "select the head's budget: what `headprof budget` gives for `--capacity`, `--beta`, `--temp`, `--level`, from the scores "
	const source = "arXiv 2410.19258"
	register(Declaration{
		Name: "headkv-r2", Order: 60, PerHead: true, Method: "headkv-r2", Source: source, Keeps: keeps + "`headkv-r2`",
		New: func() Preset { return &HeadKV{method: "headkv-r2"} },
	})
	register(Declaration{
		Name: "headkv-r", Order: 70, PerHead: true, Method: "retrieval", Source: source, Keeps: keeps + "`retrieval`",
		New: func() Preset { return &HeadKV{method: "retrieval"} },
	})
}

// HeadKV gives each head its own budget, made beforehand from a profile of
// the model's heads (arXiv 2410.19258, section 3.3), and selects as SnapKV does.
type HeadKV struct {
	Selection
	allocate.HeadKV
	Level allocate.Level `param:"level" default:"kv-head" oneof:"kv-head layer" help:"what shares a budget; a cache belongs to a KV head's group, so not a query head"`
	Fit   bool           `param:"fit" default:"false" help:"make the total equal capacity × caches to the entry"`

	method  string  // whose scores make the budgets
	budgets [][]int // [layer][KV head] selected entries, window not included
}

// For implements Preset: it makes the budgets.
func (p HeadKV) For(prompt Prompt) (Policy, error) {
	rows, err := prompt.rows(p.method)
	if err != nil {
		return nil, err
	}
	return p.by(rows, prompt)
}

// by makes the budgets from one method's rows.
func (p HeadKV) by(rows []scoring.Head, prompt Prompt) (Policy, error) {
	r := allocate.DefaultParams()
	r.Capacity, r.Window, r.Level, r.Fit = prompt.Capacity, p.Window, p.Level, p.Fit
	if p.Fit {
		r.Context = &prompt.Tokens
	}
	plan, err := allocate.Make(p.HeadKV, rows, prompt.Model, r)
	if err != nil {
		return nil, err
	}
	p.budgets = grid(plan, func(b allocate.Budget) int { return b.Budget })
	return p, nil
}

// Keep selects each head's budget, and the window.
func (p HeadKV) Keep(l Layer) [][]int32 {
	return perHead(l, func(h int) []int32 { return p.selected(l, h, p.budgets[l.Index][h]) })
}
