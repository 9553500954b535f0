package kvcache

import "headprof/scoring/allocate"

func init() {
	register(Declaration{
		Name: "pyramidkv", Order: 40, Source: "arXiv 2406.02069 and its code",
		Keeps: "select b_l, falling by layer from 2(c−α) − ⌊(c−α)/β⌋ in steps rounded down, β = `--slope`; prompts below 2(c−α) tokens: select c − α",
		New:   func() Preset { return new(PyramidKV) },
	})
}

// PyramidKV gives lower layers more entries than upper ones, falling linearly
// (arXiv 2406.02069, section 4.2), and selects as SnapKV does.
type PyramidKV struct {
	Selection
	allocate.Pyramid

	capacity int // mean entries per head, window included
}

// For implements Preset.
func (p PyramidKV) For(prompt Prompt) (Policy, error) {
	p.capacity = prompt.Capacity
	return p, nil
}

// Keep selects the layer's budget in each head, and the window.
func (p PyramidKV) Keep(l Layer) [][]int32 {
	b := p.Budget(l.Place, l.Places, max(0, p.capacity-p.Window), l.Entries+l.Pending, p.Window)
	return perHead(l, func(h int) []int32 { return p.selected(l, h, b) })
}
