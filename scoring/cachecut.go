package scoring

func init() {
	register(Declaration{
		Order: 110, Probe: Answers, KVHeads: true, Source: "own definition; DuoAttention's objective (arXiv 2410.10819, section 2.2) measured without training",
		Label:    "nats that the answer loses",
		Measures: "what the answer's log-probability loses when a KV head keeps only the first and the last tokens of the prompt",
		New:      func() Named { return new(CacheCut) },
	})
}

// CacheCut is what a KV head's cache is worth to an answer, in nats:
//
//	log P(answer) − log P(answer | the head sees the first Sink and the last Recent cached tokens)
//
// The prompt but its last token is computed with whole caches; the prompt's
// last token and the answer are then fed with the cut, and see each other
// whatever is cut.
type CacheCut struct {
	Sink   int `param:"cut-sink" default:"4" min:"0" unit:"tokens" help:"first tokens of the prompt that a head whose cache is cut keeps"`
	Recent int `param:"cut-recent" default:"32" min:"0" unit:"tokens" help:"last tokens of the prompt that it keeps"`
	// A curve over how much is kept, each point a score of its own; see Fit.
	Curve string `param:"cut-curve" default:"none" help:"the same with so many entries kept, several by commas; auto: 8, 16, 32, … up to the longest prompt"`
	By    string `param:"cut-by" default:"snapkv" oneof:"snapkv streaming" help:"what is kept at the points of the curve: what attention selects, or the first and last tokens"`
}

// Name implements Named.
func (CacheCut) Name() string { return "cache-cut" }

// Keep lists the entries that a cut head keeps of so many cached tokens, at
// positions 0, 1, …; nil: all of them, so that nothing is cut.
func (c CacheCut) Keep(cached int) []int32 {
	if cached <= c.Sink+c.Recent {
		return nil
	}
	keep := make([]int32, 0, c.Sink+c.Recent)
	for i := range c.Sink {
		keep = append(keep, int32(i))
	}
	for i := cached - c.Recent; i < cached; i++ {
		keep = append(keep, int32(i))
	}
	return keep
}
