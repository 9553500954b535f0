package kvcache

// Streaming keeps the first tokens, on which attention rests, and the last
// ones (StreamingLLM, arXiv 2309.17453).
type Streaming struct {
	Sinks    int // first tokens kept; the paper uses 4
	Capacity int // entries per head, sinks included
}

// Name is "streaming".
func (Streaming) Name() string { return "streaming" }

// Keep keeps the two ends of every head.
func (p Streaming) Keep(l Layer) [][]int32 {
	sinks := min(p.Sinks, p.Capacity)
	return perHead(l, func(int) []int32 { return l.ends(sinks, p.Capacity-sinks) })
}
