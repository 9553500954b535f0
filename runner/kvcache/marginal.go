package kvcache

import (
	"fmt"

	"headprof/scoring/allocate"
)

func init() {
	register(Declaration{
		Name: "marginal", Order: 72, Method: "cache-cut", Curves: true, Source: "own; curves of `cache-cut`",
		Keeps: "select the head's budget: what `headprof budget --policy marginal` gives for `--capacity`, from the profile's curves",
		New:   func() Preset { return new(Marginal) },
	})
}

// Marginal gives each head the budget that its measured curve makes worth most
// (allocate.Marginal), and selects as SnapKV does.
type Marginal struct {
	Selection

	budgets [][]int // [layer][KV head] selected entries, window not included
}

// For implements Preset: it makes the budgets.
func (p Marginal) For(prompt Prompt) (Policy, error) {
	if prompt.Scores == nil {
		return nil, errNoProfile
	}
	curves, err := prompt.Scores.Curves()
	if err != nil {
		return nil, fmt.Errorf("the profile: %w", err)
	}
	r := allocate.DefaultParams()
	r.Capacity, r.Window, r.Context = prompt.Capacity, p.Window, &prompt.Tokens
	plan, err := allocate.Make(allocate.Marginal{Curves: curves}, nil, prompt.Model, r)
	if err != nil {
		return nil, err
	}
	p.budgets = grid(plan, func(b allocate.Budget) int { return b.Budget })
	return p, nil
}

// Keep selects each head's budget, and the window.
func (p Marginal) Keep(l Layer) [][]int32 {
	return perHead(l, func(h int) []int32 { return p.selected(l, h, p.budgets[l.Index][h]) })
}
