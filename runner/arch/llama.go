package arch

import "headprof/runner/backend"

func init() { register("llama", loadLlama) }

// llama is Llama 1 to 3 (arXiv 2302.13971, 2407.21783), Mistral, SmolLM2,
// Mixtral (arXiv 2401.04088) and all that GGUF files call "llama": pre-norm
// RMSNorm, RoPE over interleaved pairs, grouped-query attention and a SwiGLU
// feed-forward or a mixture of them.
type llama struct {
	config
	outer
	blocks      []llamaBlock
	rope        backend.Rope
	eps         float32
	unrotated   []bool // layers without rotary embedding; nil: none
	temperature backend.Temperature
}

type llamaBlock struct {
	AttnNorm backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	qkv
	output
	FFNNorm backend.Weight `gguf:"ffn_norm.weight|post_attention_norm.weight" shape:"width"`
	mlp     gated          // dense models
	moe     experts        // mixtures
}

func loadLlama(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	c.window(0, 0)
	return c.llama(b, &llama{rope: c.rope(true, 10000)})
}

// llama binds a model of Llama's block to a file's weights.
func (c *metadata) llama(b backend.Backend, m *llama) (Model, error) {
	m.eps, m.config = c.eps(required), c.Config
	if c.err != nil {
		return nil, c.err
	}
	s := c.src
	var err error
	if m.blocks, err = bindModel[llamaBlock](s, b, &m.outer, &m.config); err != nil {
		return nil, err
	}
	for l := range m.blocks {
		if m.Experts > 0 {
			err = bindBlock(s, b, &m.blocks[l].moe, l, &m.config)
		} else {
			err = bindBlock(s, b, &m.blocks[l].mlp, l, &m.config)
		}
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *llama) Config() *Config { return &m.config }

func (m *llama) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *llama) Embed(o backend.Ops, ids []int32) backend.Value { return m.embed(o, ids, 1) }

func (m *llama) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]

	q, k, v := b.project(o, o.Norm(x, m.norm(b.AttnNorm)))
	if m.unrotated == nil || !m.unrotated[l] {
		o.Rope(q, a.Heads, m.rope)
		o.Rope(k, a.KVHeads, m.rope)
	}
	o.Store(l, k, v)
	attention := m.attention(l, inverseRoot(a.KeyDim))
	attention.Temperature = m.temperature
	h := o.Attend(q, attention, rows)
	if rows != nil {
		x = o.Gather(x, rows)
	}
	o.AddLinear(x, h, b.O, b.OBias, 1)

	h = o.Norm(x, m.norm(b.FFNNorm))
	if m.Experts > 0 {
		o.MixExperts(x, h, b.moe.mixture(&m.config, true))
	} else {
		o.AddLinear(x, b.mlp.hidden(o, h, backend.SiLU), b.mlp.Down, nil, 1)
	}
	return x
}

func (m *llama) Logits(o backend.Ops, x backend.Value) backend.Value {
	return m.logits(o, x, m.norm(nil))
}
