package kvcache

// HeadKV gives each head its own budget, made beforehand from a profile of
// the model's heads (arXiv 2410.19258, section 3.3), and selects as SnapKV does.
type HeadKV struct {
	Selection
	Budgets [][]int // [layer][KV head] selected entries, window not included
	Label   string  // which scores made the budgets: "headkv-r2" or "headkv-r"
}

// Name tells which scores made the budgets.
func (p HeadKV) Name() string { return p.Label }

// Keep selects each head's budget, and the window.
func (p HeadKV) Keep(l Layer) [][]int32 {
	return perHead(l, func(h int) []int32 { return p.selected(l, h, p.Budgets[l.Index][h]) })
}
