package arch

import "headprof/runner/backend"

func init() { register("granite", loadGranite) }

// granite is Granite 3 and the dense models of 4 without Mamba layers: Llama's block with four fixed multipliers (of
// embeddings, attention scores, residual additions and logits).
type granite struct {
	config
	outer
	blocks                             []graniteBlock
	rope                               backend.Rope
	eps                                float32
	embedding, scores, residual, logit float32
	unrotated                          []bool // layers without rotary embedding
}

type graniteBlock struct {
	graniteAttention
	FFNNorm backend.Weight `gguf:"ffn_norm.weight" shape:"width"`
	gated
}

type graniteAttention struct {
	AttnNorm backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	qkv
	output
}

func loadGranite(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	m := c.granite()
	if c.err != nil {
		return nil, c.err
	}
	var err error
	m.blocks, err = bindModel[graniteBlock](s, b, &m.outer, &m.config)
	return m, err
}

// granite reads the settings of Granite's models.
func (c *metadata) granite() *granite {
	m := &granite{rope: c.rope(true, 10000), eps: c.eps(required), config: c.Config}
	m.embedding = float32(c.float("embedding_scale", 1))
	m.scores = float32(c.float("attention.scale", float64(inverseRoot(c.keyDim()))))
	m.residual = float32(c.float("residual_scale", 1))
	// llama.cpp's files of models without rotary embedding say so under this key.
	const rotates = "rope.scaling.finetuned"
	nope := c.src.Has(c.key(rotates)) && !c.flag(c.key(rotates))
	m.unrotated = c.unrotated(func(int) bool { return nope })
	m.logit = float32(c.float("logit_scale", 1))
	if !(m.logit > 0) {
		c.fail("metadata key %s is %v; it must be above 0", c.key("logit_scale"), m.logit)
	}
	return m
}

func (m *granite) Config() *Config { return &m.config }

func (m *granite) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *granite) Embed(o backend.Ops, ids []int32) backend.Value {
	return m.embed(o, ids, m.embedding)
}

func (m *granite) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	x = m.attend(o, l, x, rows)
	b := &m.blocks[l]
	h := b.hidden(o, o.Norm(x, m.norm(b.FFNNorm)), backend.SiLU)
	o.AddLinear(x, h, b.Down, nil, m.residual)
	return x
}

// attend adds layer l's attention to the residual stream.
func (m *granite) attend(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]

	q, k, v := b.project(o, o.Norm(x, m.norm(b.AttnNorm)))
	if !m.unrotated[l] {
		o.Rope(q, a.Heads, m.rope)
		o.Rope(k, a.KVHeads, m.rope)
	}
	o.Store(l, k, v)
	h := o.Attend(q, m.attention(l, m.scores), rows)
	if rows != nil {
		x = o.Gather(x, rows)
	}
	o.AddLinear(x, h, b.O, b.OBias, m.residual)
	return x
}

func (m *granite) Logits(o backend.Ops, x backend.Value) backend.Value {
	y := m.logits(o, x, m.norm(nil))
	o.Scale(y, 1/m.logit)
	return y
}
