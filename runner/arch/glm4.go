package arch

import "headprof/runner/backend"

func init() { register("glm4", loadGLM4) }

// glm4 is GLM-4 of 2025 (0414): norms before and after each part, and rotation of
// neighbouring pairs over a part of each head.
type glm4 struct {
	config
	outer
	blocks []glm4Block
	rope   backend.Rope
	eps    float32
}

type glm4Block struct {
	AttnNorm backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	qkv
	output
	PostAttnNorm backend.Weight `gguf:"post_attention_norm.weight" shape:"width"`
	FFNNorm      backend.Weight `gguf:"ffn_norm.weight" shape:"width"`
	GateUp       backend.Weight `gguf:"ffn_up.weight" shape:"2ff,width"`
	Down         backend.Weight `gguf:"ffn_down.weight" shape:"width,ff"`
	PostFFNNorm  backend.Weight `gguf:"post_ffw_norm.weight" shape:"width"`
}

func loadGLM4(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	c.require("rope.dimension_count")
	m := &glm4{rope: c.rope(true, 10000), eps: c.eps(required), config: c.Config}
	if c.err != nil {
		return nil, c.err
	}
	var err error
	m.blocks, err = bindModel[glm4Block](s, b, &m.outer, &m.config)
	return m, err
}

func (m *glm4) Config() *Config { return &m.config }

func (m *glm4) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *glm4) Embed(o backend.Ops, ids []int32) backend.Value { return m.embed(o, ids, 1) }

func (m *glm4) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]

	q, k, v := b.project(o, o.Norm(x, m.norm(b.AttnNorm)))
	o.Rope(q, a.Heads, m.rope)
	o.Rope(k, a.KVHeads, m.rope)
	o.Store(l, k, v)
	h := o.Linear(o.Attend(q, m.attention(l, inverseRoot(a.KeyDim)), rows), b.O, b.OBias)
	if rows != nil {
		x = o.Gather(x, rows)
	}
	o.Add(x, o.Norm(h, m.norm(b.PostAttnNorm)))

	h = o.Linear(o.Norm(x, m.norm(b.FFNNorm)), b.GateUp, nil)
	h = o.Gate(o.Split(h, 0, a.FeedForward), o.Split(h, a.FeedForward, 2*a.FeedForward), backend.SiLU)
	o.Add(x, o.Norm(o.Linear(h, b.Down, nil), m.norm(b.PostFFNNorm)))
	return x
}

func (m *glm4) Logits(o backend.Ops, x backend.Value) backend.Value {
	return m.logits(o, x, m.norm(nil))
}
