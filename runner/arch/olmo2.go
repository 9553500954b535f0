package arch

import "headprof/runner/backend"

func init() { register("olmo2", loadOLMo2) }

// olmo2 is OLMo 2 (arXiv 2501.00656) and 3 (arXiv 2512.13961): norms after each
// part instead of before it, and queries and keys normalised over all heads
// together; version 3 has windows, in whose layers nothing scales the rotation.
type olmo2 struct {
	config
	outer
	blocks []olmo2Block
	rope   backend.Rope
	local  backend.Rope // of layers with a window
	eps    float32
}

type olmo2Block struct {
	qkv
	QNorm backend.Weight `gguf:"attn_q_norm.weight" shape:"q"`
	KNorm backend.Weight `gguf:"attn_k_norm.weight" shape:"k"`
	output
	PostAttnNorm backend.Weight `gguf:"post_attention_norm.weight" shape:"width"`
	gated
	PostFFNNorm backend.Weight `gguf:"post_ffw_norm.weight" shape:"width"`
}

func loadOLMo2(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	c.window(4, 0)
	m := &olmo2{rope: c.rope(false, 10000), eps: c.eps(required), config: c.Config}
	m.local = c.localRope(c.float("rope.freq_base_swa", c.float("rope.freq_base", 10000)))
	if c.err != nil {
		return nil, c.err
	}
	var err error
	m.blocks, err = bindModel[olmo2Block](s, b, &m.outer, &m.config)
	return m, err
}

func (m *olmo2) Config() *Config { return &m.config }

func (m *olmo2) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *olmo2) Embed(o backend.Ops, ids []int32) backend.Value { return m.embed(o, ids, 1) }

func (m *olmo2) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]

	q, k, v := b.project(o, x)
	q, k = o.Norm(q, m.norm(b.QNorm)), o.Norm(k, m.norm(b.KNorm))
	rope := m.rope
	if a.Window > 0 {
		rope = m.local
	}
	o.Rope(q, a.Heads, rope)
	o.Rope(k, a.KVHeads, rope)
	o.Store(l, k, v)
	h := o.Linear(o.Attend(q, m.attention(l, inverseRoot(a.KeyDim)), rows), b.O, b.OBias)
	if rows != nil {
		x = o.Gather(x, rows)
	}
	o.Add(x, o.Norm(h, m.norm(b.PostAttnNorm)))

	h = o.Linear(b.hidden(o, x, backend.SiLU), b.Down, nil)
	o.Add(x, o.Norm(h, m.norm(b.PostFFNNorm)))
	return x
}

func (m *olmo2) Logits(o backend.Ops, x backend.Value) backend.Value {
	return m.logits(o, x, m.norm(nil))
}
