package arch

import "headprof/runner/backend"

func init() { register("granitemoe", loadGraniteMoE) }

// granitemoe is Granite 3's mixtures of experts: Granite's attention and
// multipliers, and where the file has one an expert that all tokens use.
type granitemoe struct {
	granite
	mixtures []graniteExperts
	shared   []sharedExpert // nil: none
}

type graniteExperts struct {
	FFNNorm backend.Weight `gguf:"ffn_norm.weight" shape:"width"`
	experts
}

func loadGraniteMoE(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	m := &granitemoe{granite: *c.granite()}
	if c.err != nil {
		return nil, c.err
	}
	blocks, err := bindModel[graniteAttention](s, b, &m.outer, &m.config)
	if err != nil {
		return nil, err
	}
	m.blocks, m.mixtures = make([]graniteBlock, len(blocks)), make([]graniteExperts, len(blocks))
	if m.SharedWidth > 0 {
		m.shared = make([]sharedExpert, len(blocks))
	}
	for l := range blocks {
		m.blocks[l].graniteAttention = blocks[l]
		if err := bindBlock(s, b, &m.mixtures[l], l, &m.config); err != nil {
			return nil, err
		}
		if m.shared != nil {
			if err := bindBlock(s, b, &m.shared[l], l, &m.config); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}

func (m *granitemoe) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	x = m.attend(o, l, x, rows)
	b := &m.mixtures[l]
	h := o.Norm(x, m.norm(b.FFNNorm))
	e := b.mixture(&m.config, true)
	e.Scale = m.residual
	o.MixExperts(x, h, e)
	if m.shared != nil {
		m.shared[l].add(o, x, h, m.residual)
	}
	return x
}
