package arch

import "headprof/runner/backend"

func init() { register("qwen3moe", loadQwen3MoE) }

// qwen3moe is Qwen3's mixture-of-experts models (arXiv 2505.09388): Qwen3's
// attention and routed experts whose weights are normalised over the chosen.
type qwen3moe struct {
	config
	outer
	blocks    []qwen3moeBlock
	rope      backend.Rope
	eps       float32
	normalise bool
}

type qwen3moeBlock struct {
	qwen3Attention
	experts
}

func loadQwen3MoE(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	c.window(0, 0)
	m := &qwen3moe{rope: c.rope(false, 10000), eps: c.eps(required), normalise: true, config: c.Config}
	if s.Has(c.key("expert_weights_norm")) {
		m.normalise = c.flag(c.key("expert_weights_norm"))
	}
	if c.err != nil {
		return nil, c.err
	}
	var err error
	m.blocks, err = bindModel[qwen3moeBlock](s, b, &m.outer, &m.config)
	return m, err
}

func (m *qwen3moe) Config() *Config { return &m.config }

func (m *qwen3moe) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *qwen3moe) Embed(o backend.Ops, ids []int32) backend.Value { return m.embed(o, ids, 1) }

func (m *qwen3moe) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b := &m.blocks[l]
	x = b.attend(o, x, rows, m.attention(l, inverseRoot(m.Layers[l].KeyDim)), m.rope, m.eps)
	o.MixExperts(x, o.Norm(x, m.norm(b.FFNNorm)), b.mixture(&m.config, m.normalise))
	return x
}

func (m *qwen3moe) Logits(o backend.Ops, x backend.Value) backend.Value {
	return m.logits(o, x, m.norm(nil))
}
