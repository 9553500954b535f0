package scoring

const kvGradSource = "attention times its gradient (Hao et al., arXiv 2004.11207; Chefer et al., arXiv 2103.15679), summed by magnitude"

func init() {
	register(Declaration{
		Order: 140, Probe: Answers, Gradient: true, Source: kvGradSource,
		Label:    "nats, to first order",
		Measures: "attention × value × output gradient: how much of the answer's log-probability, to first order, passes through the entries that a head attends to",
		New:      func() Named { return new(KVGrad) },
	})
	register(Declaration{
		Order: 141, Probe: Answers, KVHeads: true, Gradient: true, Source: kvGradSource,
		Label:    "nats, to first order",
		Measures: "the same of a KV head: the sum over the query heads that read its cache",
		New:      func() Named { return new(KVGradCache) },
	})
}

// KVGrad is, for L = −log P(answer), a head's attention weights a, its values v
// and the gradients by its outputs o, before the output projection,
//
//	Σᵢ Σⱼ |aᵢⱼ · (vⱼ · ∂L/∂oᵢ)|
//
// over all positions i and the entries j that they see. Since vⱼ · ∂L/∂oᵢ is
// ∂L/∂aᵢⱼ, a term is what L changes to first order when a query no longer gets
// an entry's value (other weights staying as they are), whatever its sign.
type KVGrad struct{}

// Name implements Named.
func (KVGrad) Name() string { return "kvgrad" }

// KVGradCache is KVGrad of KV heads.
type KVGradCache struct{}

// Name implements Named.
func (KVGradCache) Name() string { return "kvgrad-kv" }
