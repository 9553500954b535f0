package arch

import "headprof/runner/backend"

func init() { register("gptneox", loadGPTNeoX) }

// gptneox is GPT-NeoX and Pythia (arXiv 2204.06745, 2304.01373): LayerNorm,
// fused projections, RoPE over a quarter of each head, a plain GELU
// feed-forward, both parts usually in parallel.
type gptneox struct {
	config
	outer
	blocks   []gptneoxBlock
	rope     backend.Rope
	eps      float32
	parallel bool
}

type gptneoxBlock struct {
	layerNorms
	fusedQKV
	output
	ungated
}

func loadGPTNeoX(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	m := &gptneox{rope: c.partialRope(10000), eps: c.eps(required), parallel: true, config: c.Config}
	if s.Has(c.key("use_parallel_residual")) {
		m.parallel = c.flag(c.key("use_parallel_residual"))
	}
	if c.err != nil {
		return nil, c.err
	}
	var err error
	m.blocks, err = bindModel[gptneoxBlock](s, b, &m.outer, &m.config)
	return m, err
}

func (m *gptneox) Config() *Config { return &m.config }

func (m *gptneox) norm(w, bias backend.Weight) backend.Norm {
	return backend.Norm{Weight: w, Bias: bias, Eps: m.eps, Mean: true}
}

func (m *gptneox) Embed(o backend.Ops, ids []int32) backend.Value { return m.embed(o, ids, 1) }

func (m *gptneox) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]

	q, k, v := b.project(o, o.Norm(x, m.norm(b.AttnNorm, b.AttnNormBias)), a)
	o.Rope(q, a.Heads, m.rope)
	o.Rope(k, a.KVHeads, m.rope)
	o.Store(l, k, v)
	attended := o.Attend(q, m.attention(l, inverseRoot(a.KeyDim)), rows)
	if rows != nil {
		x = o.Gather(x, rows)
	}
	var h backend.Value
	if m.parallel { // both parts read the same x
		h = o.Norm(x, m.norm(b.FFNNorm, b.FFNNormBias))
	}
	o.AddLinear(x, attended, b.O, b.OBias, 1)
	if !m.parallel {
		h = o.Norm(x, m.norm(b.FFNNorm, b.FFNNormBias))
	}
	h = o.Gate(o.Linear(h, b.Up, b.UpBias), nil, backend.GELUErf)
	o.AddLinear(x, h, b.Down, b.DownBias, 1)
	return x
}

func (m *gptneox) Logits(o backend.Ops, x backend.Value) backend.Value {
	return m.logits(o, x, m.norm(nil, nil))
}
