package arch

import "headprof/runner/backend"

func init() { register("phi3", loadPhi3) }

// phi3 is Phi-3 (arXiv 2404.14219): Llama's block with fused projections,
// half-split RoPE and, in the short-context models, a sliding window.
type phi3 struct {
	config
	outer
	blocks []phi3Block
	rope   backend.Rope
	eps    float32
}

type phi3Block struct {
	AttnNorm backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	fusedQKV
	output
	FFNNorm backend.Weight `gguf:"ffn_norm.weight" shape:"width"`
	GateUp  backend.Weight `gguf:"ffn_up.weight" shape:"2ff,width"`
	Down    backend.Weight `gguf:"ffn_down.weight" shape:"width,ff"`
}

func loadPhi3(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	c.window(0, c.phi3Window())
	m := &phi3{rope: c.rope(false, 10000), eps: c.eps(required), config: c.Config}
	if c.err != nil {
		return nil, c.err
	}
	var err error
	m.blocks, err = bindModel[phi3Block](s, b, &m.outer, &m.config)
	return m, err
}

// phi3Window is the window of files that do not state one: converters of early
// 2024 left out that of the mini and medium models with a context of 4096.
func (m *metadata) phi3Window() int {
	if n := len(m.Layers); m.Context == 4096 && (n == 32 || n == 40) {
		return 2047
	}
	return 0
}

func (m *phi3) Config() *Config { return &m.config }

func (m *phi3) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *phi3) Embed(o backend.Ops, ids []int32) backend.Value { return m.embed(o, ids, 1) }

func (m *phi3) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]

	q, k, v := b.project(o, o.Norm(x, m.norm(b.AttnNorm)), a)
	o.Rope(q, a.Heads, m.rope)
	o.Rope(k, a.KVHeads, m.rope)
	o.Store(l, k, v)
	h := o.Attend(q, m.attention(l, inverseRoot(a.KeyDim)), rows)
	if rows != nil {
		x = o.Gather(x, rows)
	}
	o.AddLinear(x, h, b.O, b.OBias, 1)

	h = o.Linear(o.Norm(x, m.norm(b.FFNNorm)), b.GateUp, nil)
	h = o.Gate(o.Split(h, 0, a.FeedForward), o.Split(h, a.FeedForward, 2*a.FeedForward), backend.SiLU)
	o.AddLinear(x, h, b.Down, nil, 1)
	return x
}

func (m *phi3) Logits(o backend.Ops, x backend.Value) backend.Value {
	return m.logits(o, x, m.norm(nil))
}
