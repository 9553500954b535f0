package arch

import "headprof/runner/backend"

func init() { register("gpt-oss", loadGPTOSS) }

// gptoss is gpt-oss (arXiv 2508.10925): biases everywhere, a learned sink per
// head in the softmax, windows on every second layer, and a mixture of experts
// with a clamped SwiGLU.
type gptoss struct {
	config
	outer
	blocks []gptossBlock
	rope   backend.Rope
	eps    float32
	gate   backend.ClampedSwiGLU
}

type gptossBlock struct {
	AttnNorm backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	qkv
	Sinks backend.Weight `gguf:"attn_sinks.weight" shape:"heads"`
	output
	FFNNorm backend.Weight `gguf:"post_attention_norm.weight|ffn_norm.weight" shape:"width"`
	experts
	RouterBias backend.Weight `gguf:"ffn_gate_inp.bias" shape:"experts"`
	GateBias   backend.Weight `gguf:"ffn_gate_exps.bias" shape:"experts,eff"`
	UpBias     backend.Weight `gguf:"ffn_up_exps.bias" shape:"experts,eff"`
	DownBias   backend.Weight `gguf:"ffn_down_exps.bias" shape:"experts,width"`
}

func loadGPTOSS(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	c.window(2, required)
	c.untruncated = true // YaRN's corrections, in all published models
	m := &gptoss{rope: c.rope(false, required), eps: c.eps(required), config: c.Config}
	m.gate = backend.ClampedSwiGLU{Alpha: float32(c.float("swiglu_alpha", 1.702)), Limit: float32(c.float("swiglu_limit", 7))}
	if c.err != nil {
		return nil, c.err
	}
	var err error
	m.blocks, err = bindModel[gptossBlock](s, b, &m.outer, &m.config)
	return m, err
}

func (m *gptoss) Config() *Config { return &m.config }

func (m *gptoss) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *gptoss) Embed(o backend.Ops, ids []int32) backend.Value { return m.embed(o, ids, 1) }

func (m *gptoss) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]

	q, k, v := b.project(o, o.Norm(x, m.norm(b.AttnNorm)))
	o.Rope(q, a.Heads, m.rope)
	o.Rope(k, a.KVHeads, m.rope)
	o.Store(l, k, v)
	attention := m.attention(l, inverseRoot(a.KeyDim))
	attention.Sinks = b.Sinks
	h := o.Attend(q, attention, rows)
	if rows != nil {
		x = o.Gather(x, rows)
	}
	o.AddLinear(x, h, b.O, b.OBias, 1)

	e := b.mixture(&m.config, true)
	e.RouterBias, e.GateBias, e.UpBias, e.DownBias, e.Clamped = b.RouterBias, b.GateBias, b.UpBias, b.DownBias, &m.gate
	o.MixExperts(x, o.Norm(x, m.norm(b.FFNNorm)), e)
	return x
}

func (m *gptoss) Logits(o backend.Ops, x backend.Value) backend.Value {
	return m.logits(o, x, m.norm(nil))
}
