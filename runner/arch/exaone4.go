package arch

import "headprof/runner/backend"

func init() { register("exaone4", loadExaone4) }

// exaone4 is EXAONE 4 (arXiv 2507.11407): norms after each part, each head's
// queries and keys normalised, and, in models with windows, no rotary embedding
// in the layers that see everything.
type exaone4 struct {
	config
	outer
	blocks    []exaone4Block
	rope      backend.Rope
	eps       float32
	unrotated []bool
}

type exaone4Block struct {
	qkv
	headNorms
	output
	PostAttnNorm backend.Weight `gguf:"post_attention_norm.weight" shape:"width"`
	gated
	PostFFNNorm backend.Weight `gguf:"post_ffw_norm.weight" shape:"width"`
}

func loadExaone4(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	c.window(4, 0)
	windows := c.count("attention.sliding_window", maxContext, 0) > 0
	m := &exaone4{rope: c.rope(false, 10000), eps: c.eps(required), config: c.Config}
	m.unrotated = c.unrotated(func(l int) bool { return windows && c.Layers[l].Window == 0 })
	if c.err != nil {
		return nil, c.err
	}
	var err error
	m.blocks, err = bindModel[exaone4Block](s, b, &m.outer, &m.config)
	return m, err
}

func (m *exaone4) Config() *Config { return &m.config }

func (m *exaone4) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *exaone4) Embed(o backend.Ops, ids []int32) backend.Value { return m.embed(o, ids, 1) }

func (m *exaone4) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]

	q, k, v := b.project(o, x)
	o.HeadNorm(q, a.Heads, m.norm(b.QNorm))
	o.HeadNorm(k, a.KVHeads, m.norm(b.KNorm))
	if !m.unrotated[l] {
		o.Rope(q, a.Heads, m.rope)
		o.Rope(k, a.KVHeads, m.rope)
	}
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

func (m *exaone4) Logits(o backend.Ops, x backend.Value) backend.Value {
	return m.logits(o, x, m.norm(nil))
}
