package arch

import "headprof/runner/backend"

func init() { register("llama4", loadLlama4) }

// llama4 is Llama 4's language model: three of four layers rotate and see their
// own chunk of positions only, the fourth sees everything, unrotated, with
// queries that grow with the position; experts, beside one that all tokens use,
// get their input weighed by a sigmoid.
type llama4 struct {
	config
	outer
	blocks      []llama4Block
	rope        backend.Rope
	eps         float32
	normed      bool   // rotated queries and keys are normalised
	unrotated   []bool // layers
	chunked     []bool
	sparse      []bool // layers with experts
	temperature backend.Temperature
}

type llama4Block struct {
	AttnNorm backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	qkv
	output
	FFNNorm backend.Weight `gguf:"ffn_norm.weight" shape:"width"`
	mlp     gated
	moe     llama4Experts
}

type llama4Experts struct {
	experts
	sharedExpert
}

func loadLlama4(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	c.require("expert_feed_forward_length")
	c.SharedWidth = c.ExpertWidth
	every := c.count("interleave_moe_layer_step", maxLayers, 1)
	// GGUF has no keys for these: all published models have the values here, and
	// those of 128 experts no norm of queries and keys.
	chunk := c.count("attention.chunk_size", maxContext, 8192)
	if k := "attention.sliding_window"; c.src.Has(c.key(k)) {
		c.fail("metadata key %s is %v, which headprof does not know in this family", c.key(k), c.float(k, 0))
	}
	m := &llama4{rope: c.rope(true, required), eps: c.eps(required), normed: c.Experts != 128}
	if c.src.Has(keyQKNorm) {
		m.normed = c.flag(keyQKNorm)
	}
	c.NormedLate = m.normed
	m.unrotated = c.unrotated(func(l int) bool { return (l+1)%4 == 0 })
	m.chunked = c.marked("headprof.chunked", func(l int) bool { return !m.unrotated[l] })
	m.sparse = c.marked("headprof.sparse", func(l int) bool { return c.Experts > 0 && (l+1)%max(1, every) == 0 })
	if scale := c.float("attention.temperature_scale", 0.1); scale != 0 {
		m.temperature = backend.Temperature{Scale: scale, Every: c.count("attention.temperature_length", maxContext, 8192), Shift: 1}
		if m.temperature.Every == 0 {
			c.fail("metadata key %s is 0", c.key("attention.temperature_length"))
		}
	}
	for l := range c.Layers {
		if m.chunked[l] {
			c.Layers[l].Window = chunk // a row sees at most so many keys
		}
	}
	if c.err != nil {
		return nil, c.err
	}
	m.config = c.Config
	var err error
	if m.blocks, err = bindModel[llama4Block](s, b, &m.outer, &m.config); err != nil {
		return nil, err
	}
	for l := range m.blocks {
		var part any = &m.blocks[l].mlp
		if m.sparse[l] {
			part = &m.blocks[l].moe
		}
		if err := bindBlock(s, b, part, l, &m.config); err != nil {
			return nil, err
		}
	}
	return m, nil
}

const keyQKNorm = "headprof.qk_norm"

func (m *llama4) Config() *Config { return &m.config }

func (m *llama4) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *llama4) Embed(o backend.Ops, ids []int32) backend.Value { return m.embed(o, ids, 1) }

func (m *llama4) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]

	q, k, v := b.project(o, o.Norm(x, m.norm(b.AttnNorm)))
	attention := m.attention(l, inverseRoot(a.KeyDim))
	attention.Window, attention.Chunk = 0, a.Window
	if m.unrotated[l] {
		attention.Temperature = m.temperature
	} else {
		o.Rope(q, a.Heads, m.rope)
		o.Rope(k, a.KVHeads, m.rope)
		if m.normed {
			o.HeadNorm(q, a.Heads, m.norm(nil))
			o.HeadNorm(k, a.KVHeads, m.norm(nil))
		}
	}
	o.Store(l, k, v)
	h := o.Attend(q, attention, rows)
	if rows != nil {
		x = o.Gather(x, rows)
	}
	o.AddLinear(x, h, b.O, b.OBias, 1)

	h = o.Norm(x, m.norm(b.FFNNorm))
	if !m.sparse[l] {
		o.AddLinear(x, b.mlp.hidden(o, h, backend.SiLU), b.mlp.Down, nil, 1)
		return x
	}
	e := b.moe.mixture(&m.config, false)
	e.Sigmoid, e.WeighInput = true, true
	o.MixExperts(x, h, e)
	b.moe.add(o, x, h, 1)
	return x
}

func (m *llama4) Logits(o backend.Ops, x backend.Value) backend.Value {
	return m.logits(o, x, m.norm(nil))
}
