package kvcache

// SnapKV keeps, in every head alike, the entries that the observation window
// attends to most (arXiv 2404.14469, section 4).
type SnapKV struct {
	Selection
	Capacity int // entries per head, window included
}

// Name is "snapkv".
func (SnapKV) Name() string { return "snapkv" }

// Keep selects Capacity − α entries per head, and the window.
func (p SnapKV) Keep(l Layer) [][]int32 {
	return perHead(l, func(h int) []int32 { return p.selected(l, h, p.Capacity-p.Window) })
}
