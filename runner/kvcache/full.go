package kvcache

func init() {
	register(Declaration{
		Name: "full", Order: 10, Whole: true, Keeps: "everything",
		New: func() Preset { return new(Full) },
	})
}

// Full keeps everything that a later token can see.
type Full struct{}

// For implements Preset.
func (p Full) For(Prompt) (Policy, error) { return p, nil }

// Keep keeps all entries of every head. A layer with a sliding window loses
// those that lie outside it, in whole tiles, so that attention adds up in the
// same order as before and not a bit of what follows changes.
func (Full) Keep(l Layer) [][]int32 {
	return perHead(l, func(int) []int32 { return span(l.Visible()/Tile*Tile, l.Entries) })
}
