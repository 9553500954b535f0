package arch

import (
	"math"

	"headprof/runner/backend"
)

func init() { register("gemma3", loadGemma3) }

// gemma3 is Gemma 3 (arXiv 2503.19786): norms before and after each part,
// normalised queries and keys, half-split RoPE, and five sliding-window layers
// (base 10⁴) to each global one.
type gemma3 struct {
	config
	outer
	blocks        []gemma3Block
	global, local backend.Rope
	eps, scale    float32
	logitsCap     float32 // 0: none, as in Google's models
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
	c.window(6, required)
	c.gemma3Scaling()
	m := &gemma3{global: c.rope(false, 1e6, "rope.global.freq_base"), eps: c.eps(1e-6), config: c.Config}
	m.local = c.localRope(c.firstFloat(10000, "rope.freq_base_swa", "rope.local.freq_base"))
	m.scale = c.gemmaScale(62)
	m.logitsCap = float32(c.float("final_logit_softcapping", 0))
	if c.err != nil {
		return nil, c.err
	}
	var err error
	m.blocks, err = bindModel[gemma3Block](s, b, &m.outer, &m.config)
	return m, err
}

// gemma3Scaling gives the models of 4, 12 and 27 billion parameters (34, 48 and
// 62 layers) the scaling of their global layers where a file does not state it:
// positions are divided by 8 in all that Google published of these sizes, and
// Ollama's files leave it out.
func (m *metadata) gemma3Scaling() {
	layers := len(m.Layers)
	if m.src.Has(m.key("rope.scaling.type")) || m.src.Has(m.key("rope.scaling.factor")) || layers != 34 && layers != 48 && layers != 62 {
		return
	}
	m.linearFactor = 8
	m.warn("the file has no %s; the global layers take the factor 8 of Gemma 3's published models of %d layers", m.key("rope.scaling.factor"), layers)
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
	h := o.Linear(o.Attend(q, m.attention(l, m.scale), rows), b.O, b.OBias)
	if rows != nil {
		x = o.Gather(x, rows)
	}
	o.Add(x, o.Norm(h, m.norm(b.PostAttnNorm)))

	h = b.hidden(o, o.Norm(x, m.norm(b.FFNNorm)), backend.GELUTanh)
	o.Add(x, o.Norm(o.Linear(h, b.Down, nil), m.norm(b.PostFFNNorm)))
	return x
}

func (m *gemma3) Logits(o backend.Ops, x backend.Value) backend.Value {
	y := m.logits(o, x, m.norm(nil))
	if m.logitsCap > 0 {
		o.SoftCap(y, m.logitsCap)
	}
	return y
}
