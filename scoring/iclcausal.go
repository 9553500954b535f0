package scoring

func init() {
	register(Declaration{
		Order: 121, Probe: Functions, Source: "Todd et al., arXiv 2310.15213, eq. 5; Yin and Steinhardt, arXiv 2502.14010",
		Label:    "probability that the answer gains",
		Measures: "function vectors' indirect effect: what the right answer's probability gains in a few-shot prompt with shuffled labels when a head's output at the last token is its mean over prompts with right labels",
		New:      func() Named { return new(ICLCausal) },
	})
}

// ICLCausal is a head's average indirect effect on in-context learning: the
// mean over prompts p̃ of a task with shuffled labels of
//
//	P(answer | p̃, the head's output at the last token is z̄) − P(answer | p̃)
//
// for the mean z̄ of its outputs there over prompts of the task with right labels.
type ICLCausal struct{}

// Name implements Named.
func (ICLCausal) Name() string { return "icl-causal" }
