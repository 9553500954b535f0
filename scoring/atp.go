package scoring

func init() {
	register(Declaration{
		Order: 125, Probe: Swaps, Gradient: true, Source: "attribution patching (Syed et al., arXiv 2310.10348; AtP of arXiv 2403.00745, eq. 4)",
		Label:    "nats, to first order",
		Measures: "patch to first order: the difference of a head's two outputs at the last token times the gradient there",
		New:      func() Named { return new(AtP) },
	})
	register(Declaration{
		Order: 126, Probe: Swaps, Gradient: true, Source: "AtP*'s QK fix (arXiv 2403.00745, section 3.1.1)",
		Label:    "nats, to first order",
		Measures: "what of atp comes through a head's query: its attention is computed again with the clean prompt's",
		New:      func() Named { return new(AtPQuery) },
	})
	register(Declaration{
		Order: 127, Probe: Swaps, Gradient: true, Source: "AtP*'s QK fix (arXiv 2403.00745, section 3.1.1)",
		Label:    "nats, to first order",
		Measures: "what of atp comes through a head's keys: its attention is computed again with the clean prompt's",
		New:      func() Named { return new(AtPKey) },
	})
	register(Declaration{
		Order: 128, Probe: Swaps, Gradient: true, Source: "AtP*'s GradDrop (arXiv 2403.00745, section 3.1.2)",
		Label:    "nats, to first order",
		Measures: "the size of atp, averaged over gradients that each leave out one layer, so that effects do not cancel",
		New:      func() Named { return new(AtPDrop) },
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

// AtPQuery and AtPKey are AtP for the query and the keys of a head, as the
// prompt's last token uses them. A softmax lies between them and the output,
// which may be saturated: its slope tells nothing. So the attention is computed
// again, and only what follows the head's output is taken to first order:
//
//	(z(clean query) − z) · ∂ log P(answer | corrupted prompt) / ∂z
//
// for the output z of the corrupted prompt and z(clean query), what it is with
// the query of the clean one. AtPKey puts in the clean prompt's keys, of all
// positions, in place of the query.
type AtPQuery struct{}

// Name implements Named.
func (AtPQuery) Name() string { return "atp-query" }

// AtPKey is described at AtPQuery.
type AtPKey struct{}

// Name implements Named.
func (AtPKey) Name() string { return "atp-key" }

// AtPDrop is AtP under GradDrop. A head's effect on the answer may be direct
// and through later layers, with opposite signs, and then AtP is near 0 by
// chance. The score is
//
//	Σ over layers l of |(z_clean − z_corrupted) · ∂ₗ log P / ∂z| / (layers − 1)
//
// where ∂ₗ leaves out what goes through layer l's addition to the residual
// stream; of the head's own layer nothing is left.
type AtPDrop struct{}

// Name implements Named.
func (AtPDrop) Name() string { return "atp-drop" }
