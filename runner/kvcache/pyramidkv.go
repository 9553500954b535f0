package kvcache

// PyramidKV gives lower layers more entries than upper ones, falling linearly,
// with the same total as SnapKV (arXiv 2406.02069, section 4.2).
type PyramidKV struct {
	Selection
	Capacity int // mean entries per head, window included
	Beta     int // the top layer's share is (Capacity − α)/Beta; the published runs use 20
}

// Name is "pyramidkv".
func (PyramidKV) Name() string { return "pyramidkv" }

// Budget is the number of selected entries of layer l for a prompt of n tokens.
func (p PyramidKV) Budget(layer, layers, n int) int {
	mean := max(0, p.Capacity-p.Window)
	least := mean / max(1, p.Beta)
	most := 2*mean - least
	if limit := n - p.Window; most > limit {
		most = max(0, limit)
		least = 2*mean - most
	}
	if layers < 2 || least > most { // the prompt fits anyway
		return mean
	}
	return most - layer*((most-least)/(layers-1))
}

// Keep selects the layer's budget in each head, and the window.
func (p PyramidKV) Keep(l Layer) [][]int32 {
	b := p.Budget(l.Index, l.Layers, l.Entries)
	return perHead(l, func(h int) []int32 { return p.selected(l, h, b) })
}
