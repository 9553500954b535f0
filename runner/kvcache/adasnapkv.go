package kvcache

import "math"

func init() {
	register(Declaration{
		Name: "adasnapkv", Order: 50, PerHead: true, Source: "arXiv 2407.11550 and its code",
		Keeps: "of a layer's KV heads × (c−α) largest observed values, w fell to the head: select round((1−f)·w + ⌊f·(c−α)⌋), f = `--floor`",
		New:   func() Preset { return new(AdaSnapKV) },
	})
}

// AdaSnapKV lets the heads of a layer compete for the layer's entries: each
// head is sure of Floor of the mean, the rest goes where attention is largest
// (Ada-KV, arXiv 2407.11550, algorithm 1).
type AdaSnapKV struct {
	Selection
	Floor float64 `param:"floor" default:"0.2" min:"0" max:"1" unit:"share" help:"share of the mean that every head is sure of"`

	capacity int // mean entries per head, window included
}

// For implements Preset.
func (p AdaSnapKV) For(prompt Prompt) (Policy, error) {
	p.capacity = prompt.Capacity
	return p, nil
}

// Keep spreads KVHeads × (capacity − α) entries over the layer's heads.
func (p AdaSnapKV) Keep(l Layer) [][]int32 {
	budgets := p.Budgets(l)
	return perHead(l, func(h int) []int32 { return p.selected(l, h, budgets[h]) })
}

// Budgets gives each KV head's number of selected entries: of the layer's
// KVHeads × (capacity − α) largest attention values, the head's share, mixed
// with the floor and rounded half to even as the published code does.
func (p AdaSnapKV) Budgets(l Layer) []int {
	mean := max(0, p.capacity-p.Window)
	if l.Window > 0 {
		mean = min(mean, max(0, l.Window-p.Window))
	}
	first, flat, starts := l.Visible(), []float32(nil), []int{0}
	for _, a := range l.Attention {
		flat = append(flat, a[min(first, len(a)):]...)
		starts = append(starts, len(flat))
	}
	budgets := make([]int, l.KVHeads)
	h := 0
	for _, i := range top(flat, l.KVHeads*mean) {
		for int(i) >= starts[h+1] {
			h++
		}
		budgets[h]++
	}
	floor := math.Floor(float64(mean) * p.Floor)
	for h, won := range budgets {
		budgets[h] = int(math.RoundToEven(float64(won)*(1-p.Floor) + floor))
	}
	return budgets
}
