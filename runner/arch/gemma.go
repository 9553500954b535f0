package arch

import (
	"math"

	"headprof/runner/backend"
)

func init() { register("gemma", loadGemma) }

// gemma is Gemma 1 (arXiv 2403.08295): Llama's block with half-split RoPE, a
// GELU gate and embeddings scaled by √width.
type gemma struct {
	config
	outer
	blocks []gemmaBlock
	rope   backend.Rope
	eps    float32
}

type gemmaBlock struct {
	AttnNorm backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	qkv
	output
	FFNNorm backend.Weight `gguf:"ffn_norm.weight" shape:"width"`
	gated
}

func loadGemma(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	m := &gemma{rope: c.rope(false, 10000), eps: c.eps(1e-6), config: c.Config}
	if c.err != nil {
		return nil, c.err
	}
	var err error
	m.blocks, err = bindModel[gemmaBlock](s, b, &m.outer, &m.config)
	return m, err
}

func (m *gemma) Config() *Config { return &m.config }

func (m *gemma) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *gemma) Embed(o backend.Ops, ids []int32) backend.Value {
	return m.embed(o, ids, float32(math.Sqrt(float64(m.Width))))
}

func (m *gemma) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]

	q, k, v := b.project(o, o.Norm(x, m.norm(b.AttnNorm)))
	o.Rope(q, a.Heads, m.rope)
	o.Rope(k, a.KVHeads, m.rope)
	o.Store(l, k, v)
	h := o.Attend(q, m.attention(l, inverseRoot(a.KeyDim)), rows)
	if rows != nil {
		x = o.Gather(x, rows)
	}
	o.AddLinear(x, h, b.O, b.OBias, 1)

	h = b.hidden(o, o.Norm(x, m.norm(b.FFNNorm)), backend.GELUTanh)
	o.AddLinear(x, h, b.Down, nil, 1)
	return x
}

func (m *gemma) Logits(o backend.Ops, x backend.Value) backend.Value {
	return m.logits(o, x, m.norm(nil))
}
