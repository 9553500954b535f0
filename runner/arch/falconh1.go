package arch

import (
	"headprof/runner/backend"
)

func init() { register("falcon-h1", loadFalconH1) }

// falconH1 is Falcon-H1 (arXiv 2507.22448): in every layer attention and a
// Mamba-2 mixer read the same norm and are added, and fixed multipliers stand at
// nearly every projection. GGUF files hold the multipliers in the weights.
type falconH1 struct {
	config
	outer
	blocks []falconH1Block
	rope   backend.Rope
	eps    float32
	mamba  mambaSettings
	by     falconH1Multipliers
}

type falconH1Block struct {
	AttnNorm backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	qkv
	output
	mamba2
	FFNNorm backend.Weight `gguf:"ffn_norm|ffn_norm.weight" shape:"width"` // llama.cpp's converter leaves the suffix out
	gated
}

// falconH1Multipliers are what values are multiplied by.
type falconH1Multipliers struct {
	embedding, logits                     float32
	attentionIn, key, attentionOut        float32 // what queries, keys and values are made of, keys, what attention adds
	mambaIn, mambaOut, ffnGate, ffnDown   float32
	mambaGate, mambaX, mambaB, mambaC, dt float32
}

// multipliers is the folder's key, in the order of falconH1Multipliers.
const multipliers = "headprof.multipliers"

func loadFalconH1(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	m := &falconH1{rope: c.rope(false, required), eps: c.eps(required), mamba: c.mamba(), by: c.falconH1Multipliers()}
	m.mamba.normFirst = c.flag("headprof.ssm.norm_first")
	m.mamba.scales = []float32{m.by.mambaGate, m.by.mambaX, m.by.mambaB, m.by.mambaC, m.by.dt}
	for l := range c.Layers {
		c.Layers[l].State = m.mamba.elements()
	}
	m.config = c.Config
	if c.err != nil {
		return nil, c.err
	}
	var err error
	m.blocks, err = bindModel[falconH1Block](s, b, &m.outer, &m.config)
	return m, err
}

// falconH1Multipliers reads a folder's multipliers; they are 1 in GGUF.
func (m *metadata) falconH1Multipliers() falconH1Multipliers {
	list, ok, err := m.src.Floats(multipliers)
	m.check(err)
	if !ok {
		// Converters multiply the embedding by embedding_multiplier, and it is then no output matrix.
		if _, apart := m.src.Tensor("output.weight"); !apart {
			m.fail("tensor output.weight is missing: the output matrix is the embedding, which the converter multiplied by embedding_multiplier, and the file holds no lm_head_multiplier; open the folder that the file was made of")
		}
		list = make([]float64, 14)
		for i := range list {
			list[i] = 1
		}
	}
	if m.err == nil && len(list) != 14 {
		m.fail("metadata key %s has %d entries; 14 are needed", multipliers, len(list))
	}
	if m.err != nil {
		return falconH1Multipliers{}
	}
	f := func(i int) float32 { return float32(list[i]) }
	return falconH1Multipliers{f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7), f(8), f(9), f(10), f(11), f(12), f(13)}
}

func (m *falconH1) Config() *Config { return &m.config }

func (m *falconH1) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *falconH1) Embed(o backend.Ops, ids []int32) backend.Value {
	return m.embed(o, ids, m.by.embedding)
}

func (m *falconH1) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]
	h := o.Norm(x, m.norm(b.AttnNorm))
	o.Scale(h, m.by.mambaIn)
	mixed := b.mix(o, l, h, &m.mamba)
	h = o.Norm(x, m.norm(b.AttnNorm))
	o.Scale(h, m.by.attentionIn)
	q, k, v := b.project(o, h)
	o.Scale(k, m.by.key)
	o.Rope(q, a.Heads, m.rope)
	o.Rope(k, a.KVHeads, m.rope)
	o.Store(l, k, v)
	h = o.Attend(q, m.attention(l, inverseRoot(a.KeyDim)), rows)
	if rows != nil {
		x, mixed = o.Gather(x, rows), o.Gather(mixed, rows)
	}
	o.AddLinear(x, mixed, b.Out, b.OutBias, m.by.mambaOut)
	o.AddLinear(x, h, b.O, b.OBias, m.by.attentionOut)
	h = o.Norm(x, m.norm(b.FFNNorm))
	gate := o.Linear(h, b.Gate, nil)
	o.Scale(gate, m.by.ffnGate)
	o.AddLinear(x, o.Gate(gate, o.Linear(h, b.Up, nil), backend.SiLU), b.Down, nil, m.by.ffnDown)
	return x
}

func (m *falconH1) Logits(o backend.Ops, x backend.Value) backend.Value {
	y := m.logits(o, x, m.norm(nil))
	o.Scale(y, m.by.logits)
	return y
}
