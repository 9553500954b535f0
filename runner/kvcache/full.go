package kvcache

// Full keeps everything.
type Full struct{}

// Name is "full".
func (Full) Name() string { return "full" }

// Keep keeps all entries of every head.
func (Full) Keep(l Layer) [][]int32 {
	return perHead(l, func(int) []int32 { return all(l.Entries) })
}
