package arch

import (
	"math"

	"headprof/runner/backend"
)

// gemma3 is Gemma 3 (arXiv 2503.19786): norms before and after each part,
// normalised queries and keys, half-split RoPE, and five sliding-window layers
// (base 10⁴) to each global one.
type gemma3 struct {
	config
	Embedding  backend.Weight `gguf:"token_embd.weight" shape:"vocab,width"`
	OutputNorm backend.Weight `gguf:"output_norm.weight" shape:"width"`
	Output     backend.Weight `gguf:"output.weight,optional" shape:"vocab,width"`

	blocks        []gemma3Block
	global, local backend.Rope
	eps, scale    float32
}

type gemma3Block struct {
	AttnNorm     backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	Q            backend.Weight `gguf:"attn_q.weight" shape:"q,width"`
	K            backend.Weight `gguf:"attn_k.weight" shape:"k,width"`
	V            backend.Weight `gguf:"attn_v.weight" shape:"v,width"`
	O            backend.Weight `gguf:"attn_output.weight" shape:"width,o"`
	QNorm        backend.Weight `gguf:"attn_q_norm.weight" shape:"dim"`
	KNorm        backend.Weight `gguf:"attn_k_norm.weight" shape:"dim"`
	PostAttnNorm backend.Weight `gguf:"post_attention_norm.weight" shape:"width"`
	FFNNorm      backend.Weight `gguf:"ffn_norm.weight" shape:"width"`
	Gate         backend.Weight `gguf:"ffn_gate.weight" shape:"ff,width"`
	Up           backend.Weight `gguf:"ffn_up.weight" shape:"ff,width"`
	Down         backend.Weight `gguf:"ffn_down.weight" shape:"width,ff"`
	PostFFNNorm  backend.Weight `gguf:"post_ffw_norm.weight" shape:"width"`
}

func loadGemma3(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	dim := c.Layers[0].HeadDim
	m := &gemma3{global: c.rope(false), eps: c.eps()}
	m.local = backend.Rope{InvFreq: inverseFrequencies(c.float("rope.freq_base_swa", 10000), dim), Dims: dim, Scale: 1}
	m.scale = float32(c.float("attention.scale", 1/math.Sqrt(float64(dim))))
	window := c.count("attention.sliding_window", maxContext, 0)
	every := c.count("attention.sliding_window_pattern", maxLayers, 6)
	for l := range c.Layers {
		if every == 0 || (l+1)%every != 0 {
			c.Layers[l].Window = window
		}
	}
	if m.config = c.Config; c.err != nil {
		return nil, c.err
	}
	if err := bind(s, b, m, "", m.layerDims(0)); err != nil {
		return nil, err
	}
	if m.Output == nil {
		m.Output = m.Embedding
	}
	var err error
	m.blocks, err = bindBlocks[gemma3Block](s, b, &m.config)
	return m, err
}

func (m *gemma3) Config() *Config { return &m.config }

func (m *gemma3) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *gemma3) Embed(o backend.Ops, ids []int32) backend.Value {
	return o.Embed(m.Embedding, ids, float32(math.Sqrt(float64(m.Width))))
}

func (m *gemma3) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]
	rope := m.global
	if a.Window > 0 {
		rope = m.local
	}

	h := o.Norm(x, m.norm(b.AttnNorm))
	q, k, v := o.Linear(h, b.Q, nil), o.Linear(h, b.K, nil), o.Linear(h, b.V, nil)
	o.HeadNorm(q, a.Heads, m.norm(b.QNorm))
	o.HeadNorm(k, a.KVHeads, m.norm(b.KNorm))
	o.Rope(q, a.Heads, rope)
	o.Rope(k, a.KVHeads, rope)
	o.Store(l, k, v)
	h = o.Linear(o.Attend(q, m.attention(l, m.scale), rows), b.O, nil)
	if rows != nil {
		x = o.Gather(x, rows)
	}
	o.Add(x, o.Norm(h, m.norm(b.PostAttnNorm)))

	h = o.Norm(x, m.norm(b.FFNNorm))
	h = o.Gate(o.Linear(h, b.Gate, nil), o.Linear(h, b.Up, nil), backend.GELUTanh)
	o.Add(x, o.Norm(o.Linear(h, b.Down, nil), m.norm(b.PostFFNNorm)))
	return x
}

func (m *gemma3) Logits(o backend.Ops, x backend.Value) backend.Value {
	return o.Linear(o.Norm(x, m.norm(m.OutputNorm)), m.Output, nil)
}
