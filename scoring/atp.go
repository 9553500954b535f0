package scoring

func init() {
	register(Declaration{
		Order: 125, Probe: Swaps, Gradient: true, Source: "attribution patching (Syed et al., arXiv 2310.10348; AtP of arXiv 2403.00745, eq. 4)",
		Label:    "nats, to first order",
		Measures: "patch to first order: the difference of a head's two outputs at the last token times the gradient there",
		New:      func() Named { return new(AtP) },
	})
}

// AtP estimates Patch with one gradient for all heads:
//
//	(z_clean − z_corrupted) · ∂ log P(answer | corrupted prompt) / ∂z
//
// for a head's output z at the prompt's last token. It is the slope of what
// Patch measures, and off where the answer saturates.
type AtP struct{}

// Name implements Named.
func (AtP) Name() string { return "atp" }
