package arch

import (
	"math"

	"headprof/runner/backend"
)

func init() { register("gemma2", loadGemma2) }

// gemma2 is Gemma 2 (arXiv 2408.00118): norms before and after each part,
// soft-capped attention scores and logits, every other layer with a sliding
// window.
type gemma2 struct {
	config
	outer
	blocks             []gemma2Block
	rope               backend.Rope
	eps, scale         float32
	attnCap, logitsCap float32
}

type gemma2Block struct {
	AttnNorm backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	qkv
	output
	PostAttnNorm backend.Weight `gguf:"post_attention_norm.weight" shape:"width"`
	FFNNorm      backend.Weight `gguf:"ffn_norm.weight" shape:"width"`
	gated
	PostFFNNorm backend.Weight `gguf:"post_ffw_norm.weight" shape:"width"`
}

func loadGemma2(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	c.window(2, 4096)
	m := &gemma2{rope: c.rope(false, 10000), eps: c.eps(1e-6), config: c.Config}
	m.scale = c.gemmaScale(46)
	m.attnCap = float32(c.float("attn_logit_softcapping", 50))
	m.logitsCap = float32(c.float("final_logit_softcapping", 30))
	if c.err != nil {
		return nil, c.err
	}
	var err error
	m.blocks, err = bindModel[gemma2Block](s, b, &m.outer, &m.config)
	return m, err
}

// gemmaScale reads the scale of attention scores. The 27B models, which have so
// many layers, scale by √(width/heads), the others by √dim; GGUF files do not say so.
func (m *metadata) gemmaScale(of27B int) float32 {
	a := m.Layers[0]
	root := float64(a.KeyDim)
	if len(m.Layers) == of27B {
		root = float64(m.Width) / float64(a.Heads)
	}
	return float32(m.float("attention.scale", 1/math.Sqrt(root)))
}

func (m *gemma2) Config() *Config { return &m.config }

func (m *gemma2) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *gemma2) Embed(o backend.Ops, ids []int32) backend.Value {
	return m.embed(o, ids, float32(math.Sqrt(float64(m.Width))))
}

func (m *gemma2) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]

	q, k, v := b.project(o, o.Norm(x, m.norm(b.AttnNorm)))
	o.Rope(q, a.Heads, m.rope)
	o.Rope(k, a.KVHeads, m.rope)
	o.Store(l, k, v)
	attention := m.attention(l, m.scale)
	attention.SoftCap = m.attnCap
	h := o.Linear(o.Attend(q, attention, rows), b.O, b.OBias)
	if rows != nil {
		x = o.Gather(x, rows)
	}
	o.Add(x, o.Norm(h, m.norm(b.PostAttnNorm)))

	h = b.hidden(o, o.Norm(x, m.norm(b.FFNNorm)), backend.GELUTanh)
	o.Add(x, o.Norm(o.Linear(h, b.Down, nil), m.norm(b.PostFFNNorm)))
	return x
}

func (m *gemma2) Logits(o backend.Ops, x backend.Value) backend.Value {
	y := m.logits(o, x, m.norm(nil))
	if m.logitsCap > 0 {
		o.SoftCap(y, m.logitsCap)
	}
	return y
}
