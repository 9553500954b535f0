package arch

import "headprof/runner/backend"

func init() { register("hunyuan-dense", loadHunyuan) }

// hunyuan is Hunyuan's dense models: Llama's block, each head's queries and keys
// normalised after their rotation.
type hunyuan struct {
	config
	outer
	blocks []hunyuanBlock
	rope   backend.Rope
	eps    float32
}

type hunyuanBlock struct {
	AttnNorm backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	qkv
	headNorms
	output
	FFNNorm backend.Weight `gguf:"ffn_norm.weight" shape:"width"`
	gated
}

func loadHunyuan(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	c.NormedLate = true
	m := &hunyuan{rope: c.rope(false, 10000), eps: c.eps(required), config: c.Config}
	if c.err != nil {
		return nil, c.err
	}
	var err error
	m.blocks, err = bindModel[hunyuanBlock](s, b, &m.outer, &m.config)
	return m, err
}

func (m *hunyuan) Config() *Config { return &m.config }

func (m *hunyuan) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *hunyuan) Embed(o backend.Ops, ids []int32) backend.Value { return m.embed(o, ids, 1) }

func (m *hunyuan) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]

	q, k, v := b.project(o, o.Norm(x, m.norm(b.AttnNorm)))
	o.Rope(q, a.Heads, m.rope)
	o.Rope(k, a.KVHeads, m.rope)
	o.HeadNorm(q, a.Heads, m.norm(b.QNorm))
	o.HeadNorm(k, a.KVHeads, m.norm(b.KNorm))
	o.Store(l, k, v)
	h := o.Attend(q, m.attention(l, inverseRoot(a.KeyDim)), rows)
	if rows != nil {
		x = o.Gather(x, rows)
	}
	o.AddLinear(x, h, b.O, b.OBias, 1)

	h = b.hidden(o, o.Norm(x, m.norm(b.FFNNorm)), backend.SiLU)
	o.AddLinear(x, h, b.Down, nil, 1)
	return x
}

func (m *hunyuan) Logits(o backend.Ops, x backend.Value) backend.Value {
	return m.logits(o, x, m.norm(nil))
}
