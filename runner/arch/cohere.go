package arch

import "headprof/runner/backend"

func init() {
	register("command-r", func(s Source, b backend.Backend) (Model, error) { return loadCohere(s, b, false) })
	register("cohere2", func(s Source, b backend.Backend) (Model, error) { return loadCohere(s, b, true) })
}

// cohere is Command R and, with windows, Command R7B and A (arXiv 2504.00698):
// attention and feed-forward side by side behind one LayerNorm without bias, and
// logits that are scaled. Where layers have windows, only those are rotated.
type cohere struct {
	config
	outer
	blocks    []cohereBlock
	rope      backend.Rope
	eps       float32
	logit     float32
	unrotated []bool
}

type cohereBlock struct {
	AttnNorm backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	qkv
	QNorm backend.Weight `gguf:"attn_q_norm.weight,optional" shape:"heads,dim" as:"vector"`
	KNorm backend.Weight `gguf:"attn_k_norm.weight,optional" shape:"kvheads,dim" as:"vector"`
	output
	gated
}

func loadCohere(s Source, b backend.Backend, windows bool) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	if windows {
		c.window(4, required)
	}
	c.require("logit_scale")
	m := &cohere{rope: c.rope(true, required), eps: c.eps(required), logit: float32(c.float("logit_scale", 0)), config: c.Config}
	m.unrotated = c.unrotated(func(l int) bool { return windows && c.Layers[l].Window == 0 })
	if c.err != nil {
		return nil, c.err
	}
	var err error
	m.blocks, err = bindModel[cohereBlock](s, b, &m.outer, &m.config)
	return m, err
}

func (m *cohere) Config() *Config { return &m.config }

func (m *cohere) norm(w backend.Weight) backend.Norm {
	return backend.Norm{Weight: w, Eps: m.eps, Mean: true}
}

func (m *cohere) Embed(o backend.Ops, ids []int32) backend.Value { return m.embed(o, ids, 1) }

func (m *cohere) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]

	h := o.Norm(x, m.norm(b.AttnNorm))
	q, k, v := b.project(o, h)
	if b.QNorm != nil {
		o.HeadNorm(q, a.Heads, m.norm(b.QNorm))
		o.HeadNorm(k, a.KVHeads, m.norm(b.KNorm))
	}
	if !m.unrotated[l] {
		o.Rope(q, a.Heads, m.rope)
		o.Rope(k, a.KVHeads, m.rope)
	}
	o.Store(l, k, v)
	attended := o.Attend(q, m.attention(l, inverseRoot(a.KeyDim)), rows)
	if rows != nil {
		x, h = o.Gather(x, rows), o.Gather(h, rows)
	}
	o.AddLinear(x, attended, b.O, b.OBias, 1)
	o.AddLinear(x, b.hidden(o, h, backend.SiLU), b.Down, nil, 1)
	return x
}

func (m *cohere) Logits(o backend.Ops, x backend.Value) backend.Value {
	y := m.logits(o, x, m.norm(nil))
	o.Scale(y, m.logit)
	return y
}
