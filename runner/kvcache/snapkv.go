package kvcache

func init() {
	register(Declaration{
		Name: "snapkv", Order: 30, Source: "arXiv 2404.14469", Keeps: "select c − α",
		New: func() Preset { return new(SnapKV) },
	})
}

// SnapKV keeps, in every head alike, the entries that the observation window
// attends to most (arXiv 2404.14469, section 4).
type SnapKV struct {
	Selection

	capacity int // entries per head, window included
}

// For implements Preset.
func (p SnapKV) For(prompt Prompt) (Policy, error) {
	p.capacity = prompt.Capacity
	return p, nil
}

// Keep selects capacity − α entries per head, and the window.
func (p SnapKV) Keep(l Layer) [][]int32 {
	return perHead(l, func(h int) []int32 { return p.selected(l, h, p.capacity-p.Window) })
}
