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
	mean := max(0, p.Capacity-p.Window)
	earlier := max(0, l.Entries-p.Window)
	flat := make([]float32, 0, l.KVHeads*earlier)
	for _, a := range l.Attention {
		flat = append(flat, a...)
	}
	won := make([]int, l.KVHeads)
	for _, i := range top(flat, l.KVHeads*mean) {
		won[int(i)/max(1, earlier)]++
	}
	return perHead(l, func(h int) []int32 {
		budget := math.RoundToEven(float64(won[h])*(1-p.Floor) + math.Floor(float64(mean)*p.Floor))
		return p.selected(l, h, int(budget))
	})
}
