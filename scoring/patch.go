package scoring

func init() {
	register(Declaration{
		Order: 120, Probe: Swaps, Source: "activation patching; function vectors' indirect effect (arXiv 2310.15213, eq. 5), in nats",
		Label:    "nats that the answer gains",
		Measures: "what the answer's log-probability gains in a corrupted prompt when a head's output at the last token is the clean prompt's",
		New:      func() Named { return new(Patch) },
	})
}

// Patch is a head's causal effect at the prompt's last token, in nats:
//
//	log P(answer | corrupted prompt, the head's output there is the clean prompt's) − log P(answer | corrupted prompt)
type Patch struct{}

// Name implements Named.
func (Patch) Name() string { return "patch" }
