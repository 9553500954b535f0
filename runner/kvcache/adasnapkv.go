package kvcache

import "math"

// AdaSnapKV lets the heads of a layer compete for the layer's entries: each
// head is sure of Floor of the mean, the rest goes where attention is largest
// (Ada-KV, arXiv 2407.11550, algorithm 1).
type AdaSnapKV struct {
	Selection
	Capacity int     // mean entries per head, window included
	Floor    float64 // share of the mean that every head is sure of; the published runs use 0.2
}

// Name is "adasnapkv".
func (AdaSnapKV) Name() string { return "adasnapkv" }

// Keep spreads KVHeads × (Capacity − α) entries over the layer's heads.
func (p AdaSnapKV) Keep(l Layer) [][]int32 {
	budgets := p.Budgets(l)
	return perHead(l, func(h int) []int32 { return p.selected(l, h, budgets[h]) })
}

// Budgets gives each KV head's number of selected entries: of the layer's
// KVHeads × (Capacity − α) largest attention values, the head's share, mixed
// with the floor and rounded half to even as the published code does.
func (p AdaSnapKV) Budgets(l Layer) []int {
	mean := max(0, p.Capacity-p.Window)
	if l.Window > 0 {
		mean = min(mean, max(0, l.Window-p.Window))
	}
	first, flat, starts := l.visible(), []float32(nil), []int{0}
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
