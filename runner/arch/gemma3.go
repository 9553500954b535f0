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
	ends
	blocks        []gemma3Block
	global, local backend.Rope
	eps, scale    float32
}

type gemma3Block struct {
	gemma2Block
	headNorms
}

func loadGemma3(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	c.window(6)
	dim := c.Layers[0].HeadDim
	m := &gemma3{global: c.rope(false), eps: c.eps(), config: c.Config}
	m.local = backend.Rope{InvFreq: inverseFrequencies(c.float("rope.freq_base_swa", 10000), dim), Dims: dim, Scale: 1}
	c.checkRope(m.local)
	m.scale = c.gemmaScale(62)
	if c.err != nil {
		return nil, c.err
	}
	var err error
	m.blocks, err = bindModel[gemma3Block](s, b, &m.ends, &m.config)
	return m, err
}

func (m *gemma3) Config() *Config { return &m.config }

func (m *gemma3) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *gemma3) Embed(o backend.Ops, ids []int32) backend.Value {
	return m.embed(o, ids, float32(math.Sqrt(float64(m.Width))))
}

func (m *gemma3) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]
	rope := m.global
	if a.Window > 0 {
		rope = m.local
	}

	q, k, v := b.project(o, o.Norm(x, m.norm(b.AttnNorm)))
	o.HeadNorm(q, a.Heads, m.norm(b.QNorm))
	o.HeadNorm(k, a.KVHeads, m.norm(b.KNorm))
	o.Rope(q, a.Heads, rope)
	o.Rope(k, a.KVHeads, rope)
	o.Store(l, k, v)
	h := o.Linear(o.Attend(q, m.attention(l, m.scale), rows), b.O, nil)
	if rows != nil {
		x = o.Gather(x, rows)
	}
	o.Add(x, o.Norm(h, m.norm(b.PostAttnNorm)))

	h = b.hidden(o, o.Norm(x, m.norm(b.FFNNorm)), backend.GELUTanh)
	o.Add(x, o.Norm(o.Linear(h, b.Down, nil), m.norm(b.PostFFNNorm)))
	return x
}

func (m *gemma3) Logits(o backend.Ops, x backend.Value) backend.Value {
	return m.logits(o, x, m.norm(nil))
}
