package kvcache

// PyramidKV gives lower layers more entries than upper ones, falling linearly
// (arXiv 2406.02069, section 4.2). The published code's step between layers is
// rounded down, so its total is a little above SnapKV's.
type PyramidKV struct {
	Selection
	Capacity int // mean entries per head, window included
	Beta     int // the top layer's share is (Capacity − α)/Beta; the published runs use 20
}

// Name is "pyramidkv".
func (PyramidKV) Name() string { return "pyramidkv" }

// Budget is the number of selected entries of a layer for a prompt of n
// tokens. Prompts shorter than twice the mean get it in every layer.
func (p PyramidKV) Budget(layer, layers, n int) int {
	mean := max(0, p.Capacity-p.Window)
	if layers < 2 || n < 2*mean {
		return mean
	}
	least := mean / max(1, p.Beta)
	most := 2*mean - least
	if limit := n - p.Window; most >= limit {
		most = limit
		least = 2*mean - most
	}
	return most - layer*floorDiv(most-least, layers-1)
}

// floorDiv rounds down, as Python's // does.
func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Keep selects the layer's budget in each head, and the window.
func (p PyramidKV) Keep(l Layer) [][]int32 {
	b := p.Budget(l.Index, l.Layers, l.Entries+l.Pending)
	return perHead(l, func(h int) []int32 { return p.selected(l, h, b) })
}
