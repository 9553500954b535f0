package arch

import (
	"fmt"

	"headprof/runner/backend"
	"headprof/runner/shape"
)

func init() { register("granitehybrid", loadGraniteHybrid) }

// granitehybrid is Granite 4 with Mamba-2 layers (arXiv 2405.21060): Granite's
// multipliers, an expert that all tokens use, and in mixtures routed ones. GGUF
// files of dense models call that expert a feed-forward.
type granitehybrid struct {
	granite
	mixers   []*mamba2 // nil: attention
	mixtures []experts // nil: none
	norms    []ffnNorm
	shared   []sharedExpert
	mamba    mambaSettings
}

type ffnNorm struct {
	AttnNorm backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	FFNNorm  backend.Weight `gguf:"ffn_norm.weight" shape:"width"`
}

func loadGraniteHybrid(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	const rotates = "rope.scaling.finetuned"
	if !c.flag("headprof.rope.half_split") && (!s.Has(c.key(rotates)) || c.flag(c.key(rotates))) {
		c.fail("metadata key %s is not false: the file is of Bamba, whose partly rotated heads are not supported", c.key(rotates))
	}
	if c.keyDim() == 0 {
		c.fail("no layer has attention, so there are no heads to profile")
	}
	if c.err != nil {
		return nil, c.err
	}
	m := &granitehybrid{granite: *c.granite()}
	m.mamba = c.mamba()
	if c.err != nil {
		return nil, c.err
	}
	m.config.sizes, m.NoGradient = c.sizes, c.NoGradient
	n := len(m.Layers)
	for l := range m.Layers {
		if !m.Layers[l].Attends() {
			m.Layers[l].Layer = shape.Layer{Kind: shape.Recurrent, State: m.mamba.elements()}
		}
	}
	m.mixers, m.shared, m.blocks = make([]*mamba2, n), make([]sharedExpert, n), make([]graniteBlock, n)
	if m.Experts > 0 {
		m.mixtures = make([]experts, n)
	}
	var err error
	if m.norms, err = bindModel[ffnNorm](s, b, &m.outer, &m.config); err != nil {
		return nil, err
	}
	_, shared := s.Tensor("blk.0.ffn_gate_shexp.weight")
	for l := range n {
		var dense gated
		parts := []any{&dense}
		if shared || m.Experts > 0 {
			parts[0] = &m.shared[l]
		}
		if m.Layers[l].Attends() {
			parts = append(parts, &m.blocks[l].graniteAttention)
		} else {
			m.mixers[l] = &mamba2{}
			parts = append(parts, m.mixers[l])
		}
		if m.mixtures != nil {
			parts = append(parts, &m.mixtures[l])
		}
		for _, p := range parts {
			if err := bindBlock(s, b, p, l, &m.config); err != nil {
				return nil, err
			}
		}
		if dense.Gate != nil {
			m.shared[l] = sharedExpert{dense.Gate, dense.Up, dense.Down}
		}
		if k := m.mixers[l]; k != nil && k.Norm == nil {
			return nil, fmt.Errorf("tensor blk.%d.ssm_norm.weight is missing; the file is incomplete or not of this family", l)
		}
	}
	return m, nil
}

func (m *granitehybrid) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	if k := m.mixers[l]; k != nil {
		h := k.mix(o, l, o.Norm(x, m.norm(m.norms[l].AttnNorm)), &m.mamba)
		if rows != nil {
			x, h = o.Gather(x, rows), o.Gather(h, rows)
		}
		o.AddLinear(x, h, k.Out, k.OutBias, m.residual)
	} else {
		x = m.attend(o, l, x, rows)
	}
	h := o.Norm(x, m.norm(m.norms[l].FFNNorm))
	if m.mixtures != nil {
		e := m.mixtures[l].mixture(&m.config, true)
		e.Scale = m.residual
		o.MixExperts(x, h, e)
	}
	m.shared[l].add(o, x, h, m.residual)
	return x
}
