package arch

import (
	"math"

	"headprof/runner/backend"
)

// llama is Llama 1 to 3 (arXiv 2302.13971, 2407.21783), Mistral, SmolLM2 and
// all that GGUF files call "llama": pre-norm RMSNorm, RoPE over interleaved
// pairs, grouped-query attention and a SwiGLU feed-forward.
type llama struct {
	config
	Embedding  backend.Weight `gguf:"token_embd.weight" shape:"vocab,width"`
	OutputNorm backend.Weight `gguf:"output_norm.weight" shape:"width"`
	Output     backend.Weight `gguf:"output.weight,optional" shape:"vocab,width"`

	blocks []llamaBlock
	rope   backend.Rope
	eps    float32
}

type llamaBlock struct {
	AttnNorm backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	Q        backend.Weight `gguf:"attn_q.weight" shape:"q,width"`
	K        backend.Weight `gguf:"attn_k.weight" shape:"k,width"`
	V        backend.Weight `gguf:"attn_v.weight" shape:"v,width"`
	O        backend.Weight `gguf:"attn_output.weight" shape:"width,o"`
	QBias    backend.Weight `gguf:"attn_q.bias,optional" shape:"q"`
	KBias    backend.Weight `gguf:"attn_k.bias,optional" shape:"k"`
	VBias    backend.Weight `gguf:"attn_v.bias,optional" shape:"v"`
	OBias    backend.Weight `gguf:"attn_output.bias,optional" shape:"width"`
	FFNNorm  backend.Weight `gguf:"ffn_norm.weight" shape:"width"`
	Gate     backend.Weight `gguf:"ffn_gate.weight" shape:"ff,width"`
	Up       backend.Weight `gguf:"ffn_up.weight" shape:"ff,width"`
	Down     backend.Weight `gguf:"ffn_down.weight" shape:"width,ff"`
}

func loadLlama(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	m := &llama{rope: c.rope(true), eps: c.eps()}
	window := c.count("attention.sliding_window", maxContext, 0)
	for l := range c.Layers {
		c.Layers[l].Window = window
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
	m.blocks, err = bindBlocks[llamaBlock](s, b, &m.config)
	return m, err
}

func (m *llama) Config() *Config { return &m.config }

func (m *llama) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *llama) Embed(o backend.Ops, ids []int32) backend.Value { return o.Embed(m.Embedding, ids, 1) }

func (m *llama) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]

	h := o.Norm(x, m.norm(b.AttnNorm))
	q, k, v := o.Linear(h, b.Q, b.QBias), o.Linear(h, b.K, b.KBias), o.Linear(h, b.V, b.VBias)
	o.Rope(q, a.Heads, m.rope)
	o.Rope(k, a.KVHeads, m.rope)
	o.Store(l, k, v)
	h = o.Attend(q, m.attention(l, float32(1/math.Sqrt(float64(a.HeadDim)))), rows)
	if rows != nil {
		x = o.Gather(x, rows)
	}
	o.AddLinear(x, h, b.O, b.OBias, 1)

	h = o.Norm(x, m.norm(b.FFNNorm))
	h = o.Gate(o.Linear(h, b.Gate, nil), o.Linear(h, b.Up, nil), backend.SiLU)
	o.AddLinear(x, h, b.Down, nil, 1)
	return x
}

func (m *llama) Logits(o backend.Ops, x backend.Value) backend.Value {
	return o.Linear(o.Norm(x, m.norm(m.OutputNorm)), m.Output, nil)
}
