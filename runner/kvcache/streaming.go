package kvcache

func init() {
	register(Declaration{
		Name: "streaming", Order: 20, Source: "arXiv 2309.17453", Keeps: "the first `--sinks` and the last c − sinks tokens",
		New: func() Preset { return new(Streaming) },
	})
}

// Streaming keeps the first tokens, on which attention rests, and the last
// ones (StreamingLLM, arXiv 2309.17453).
type Streaming struct {
	Sinks int `param:"sinks" default:"4" min:"0" unit:"tokens" help:"first tokens kept; the rest of the capacity goes to the last ones"`

	capacity int // entries per head, sinks included
}

// For implements Preset.
func (p Streaming) For(prompt Prompt) (Policy, error) {
	p.capacity = prompt.Capacity
	return p, nil
}

// Keep keeps the two ends of every head.
func (p Streaming) Keep(l Layer) [][]int32 {
	sinks := min(p.Sinks, p.capacity)
	return perHead(l, func(int) []int32 { return l.firstAndLast(sinks, p.capacity-sinks) })
}
