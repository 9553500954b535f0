package kvcache

// DuoAttention keeps everything in retrieval heads and, in all others, only
// the first and the last tokens (arXiv 2410.10819, section 2.3).
type DuoAttention struct {
	Full          [][]bool // [layer][KV head] retrieval heads
	Sinks, Recent int      // of the streaming heads; the published models use 128 and 256
}

// Name is "duoattention".
func (DuoAttention) Name() string { return "duoattention" }

// Keep keeps all of a retrieval head, the two ends of a streaming head.
func (p DuoAttention) Keep(l Layer) [][]int32 {
	return perHead(l, func(h int) []int32 {
		if p.Full[l.Index][h] {
			return span(l.visible(), l.Entries)
		}
		return l.ends(p.Sinks, p.Recent)
	})
}
