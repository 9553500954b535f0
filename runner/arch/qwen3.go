package arch

import "headprof/runner/backend"

func init() { register("qwen3", loadQwen3) }

// qwen3 is Qwen 3 (arXiv 2505.09388): Qwen2 without biases, with normalised
// queries and keys.
type qwen3 struct {
	config
	outer
	blocks []qwen3Block
	rope   backend.Rope
	eps    float32
}

type qwen3Block struct {
	qwen3Attention
	gated
}

// qwen3Attention is the part that the mixture-of-experts models share.
type qwen3Attention struct {
	AttnNorm backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	qkv
	headNorms
	output
	FFNNorm backend.Weight `gguf:"ffn_norm.weight" shape:"width"`
}

func loadQwen3(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	c.window(0, 0)
	m := &qwen3{rope: c.rope(false, 10000), eps: c.eps(required), config: c.Config}
	if c.err != nil {
		return nil, c.err
	}
	var err error
	m.blocks, err = bindModel[qwen3Block](s, b, &m.outer, &m.config)
	return m, err
}

func (m *qwen3) Config() *Config { return &m.config }

func (m *qwen3) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *qwen3) Embed(o backend.Ops, ids []int32) backend.Value { return m.embed(o, ids, 1) }

func (m *qwen3) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b := &m.blocks[l]
	x = b.attend(o, x, rows, m.attention(l, inverseRoot(m.Layers[l].KeyDim)), m.rope, m.eps)
	h := b.hidden(o, o.Norm(x, m.norm(b.FFNNorm)), backend.SiLU)
	o.AddLinear(x, h, b.Down, nil, 1)
	return x
}

// attend is x + O·attention(norm(x)), each head of q and k normalised.
func (b *qwen3Attention) attend(o backend.Ops, x backend.Value, rows []int, a backend.Attention, rope backend.Rope, eps float32) backend.Value {
	q, k, v := b.project(o, o.Norm(x, backend.Norm{Weight: b.AttnNorm, Eps: eps}))
	o.HeadNorm(q, a.Heads, backend.Norm{Weight: b.QNorm, Eps: eps})
	o.HeadNorm(k, a.KVHeads, backend.Norm{Weight: b.KNorm, Eps: eps})
	o.Rope(q, a.Heads, rope)
	o.Rope(k, a.KVHeads, rope)
	o.Store(a.Layer, k, v)
	h := o.Attend(q, a, rows)
	if rows != nil {
		x = o.Gather(x, rows)
	}
	o.AddLinear(x, h, b.O, b.OBias, 1)
	return x
}

func (m *qwen3) Logits(o backend.Ops, x backend.Value) backend.Value {
	return m.logits(o, x, m.norm(nil))
}
