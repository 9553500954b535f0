package kvcache

import "headprof/scoring/allocate"

func init() {
	register(Declaration{
		Name: "duoattention", Order: 80, PerHead: true, Method: "headkv-r2", Source: "arXiv 2410.10819",
		Keeps: "the best heads everything; all others sinks and recent tokens",
		New:   func() Preset { return new(DuoAttention) },
	})
}

// DuoAttention keeps everything in retrieval heads and, in all others, only
// the first and the last tokens (arXiv 2410.10819, section 2.3; the published
// models use 128 and 256).
//
// Without sizes, half of the entries go to whole heads, best first, as far as
// whole ones go, and the rest is divided evenly over the streaming heads: a
// quarter sinks, the others recent tokens. Given sizes are kept instead, and
// as many heads are whole as the capacity then pays for.
type DuoAttention struct {
	Sinks  *int `param:"duo-sinks" min:"0" absent:"by capacity" unit:"tokens" help:"first tokens that a streaming head keeps"`
	Recent *int `param:"recent" min:"0" absent:"by capacity" unit:"tokens" help:"last tokens that a streaming head keeps"`

	full          [][]bool // [layer][KV head] retrieval heads
	sinks, recent int      // of the streaming heads
}

// For implements Preset: it chooses the retrieval heads by the profile, which
// may be DuoAttention's own.
func (p DuoAttention) For(prompt Prompt) (Policy, error) {
	rows, err := prompt.rows("duoattention", "headkv-r2")
	if err != nil {
		return nil, err
	}
	m, n, capacity := prompt.Model, prompt.Tokens, prompt.Capacity
	caches := 0
	for _, l := range m.Layers {
		if l.Stores() {
			caches += l.KVHeads
		}
	}
	whole := min(caches, capacity*caches/2/n)
	each := capacity
	if whole < caches {
		each = min(n, (capacity*caches-whole*n)/(caches-whole))
	}
	p.sinks = max(1, each/4)
	if p.Sinks != nil {
		p.sinks = *p.Sinks
	}
	p.recent = max(1, each-p.sinks)
	if p.Recent != nil {
		p.recent = *p.Recent
	}
	top := allocate.TopHeads{Sink: p.sinks, Recent: p.recent, Full: &whole}
	if p.Sinks != nil || p.Recent != nil {
		top.Full = nil // what is left pays for them
	}
	r := allocate.DefaultParams()
	r.Capacity, r.Window, r.Context = capacity, 0, &n
	plan, err := allocate.Make(top, rows, m, r)
	if err != nil {
		return nil, err
	}
	p.full = grid(plan, func(b allocate.Budget) bool { return b.Full })
	return p, nil
}

// Keep keeps all of a retrieval head, the two ends of a streaming head.
func (p DuoAttention) Keep(l Layer) [][]int32 {
	return perHead(l, func(h int) []int32 {
		if p.full[l.Index][h] {
			return span(l.Visible(), l.Entries)
		}
		return l.firstAndLast(p.sinks, p.recent)
	})
}
