package kvcache

// Full keeps everything that a later token can see.
type Full struct{}

// Name is "full".
func (Full) Name() string { return "full" }

// Keep keeps all entries of every head. A layer with a sliding window loses
// those that lie outside it, in whole tiles, so that attention adds up in the
// same order as before and not a bit of what follows changes.
func (Full) Keep(l Layer) [][]int32 {
	return perHead(l, func(int) []int32 { return span(l.visible()/Tile*Tile, l.Entries) })
}
