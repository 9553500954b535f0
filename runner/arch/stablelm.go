package arch

import "headprof/runner/backend"

func init() { register("stablelm", loadStableLM) }

// stablelm is StableLM 3B to 12B (arXiv 2402.17834): LayerNorm, RoPE over a
// part of each head, SwiGLU; the 12B model normalises queries and keys per
// head and runs attention and feed-forward in parallel from one norm.
type stablelm struct {
	config
	outer
	blocks []stablelmBlock
	rope   backend.Rope
	eps    float32
}

type stablelmBlock struct {
	layerNorms
	qkv
	QNorm backend.Weight `gguf:"attn_q_norm.weight,optional" shape:"heads,dim" as:"vector"`
	KNorm backend.Weight `gguf:"attn_k_norm.weight,optional" shape:"kvheads,dim" as:"vector"`
	output
	gated
}

func loadStableLM(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	c.src.Has(c.key("use_parallel_residual")) // converters write true for all; the norms say it
	m := &stablelm{rope: c.partialRope(10000), eps: c.eps(required), config: c.Config}
	if c.err != nil {
		return nil, c.err
	}
	var err error
	m.blocks, err = bindModel[stablelmBlock](s, b, &m.outer, &m.config)
	return m, err
}

func (m *stablelm) Config() *Config { return &m.config }

func (m *stablelm) norm(w, bias backend.Weight) backend.Norm {
	return backend.Norm{Weight: w, Bias: bias, Eps: m.eps, Mean: true}
}

func (m *stablelm) Embed(o backend.Ops, ids []int32) backend.Value { return m.embed(o, ids, 1) }

func (m *stablelm) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]

	h := o.Norm(x, m.norm(b.AttnNorm, b.AttnNormBias))
	q, k, v := b.project(o, h)
	if b.QNorm != nil {
		o.HeadNorm(q, a.Heads, m.norm(b.QNorm, nil))
		o.HeadNorm(k, a.KVHeads, m.norm(b.KNorm, nil))
	}
	o.Rope(q, a.Heads, m.rope)
	o.Rope(k, a.KVHeads, m.rope)
	o.Store(l, k, v)
	attended := o.Attend(q, m.attention(l, inverseRoot(a.KeyDim)), rows)
	if rows != nil {
		x, h = o.Gather(x, rows), o.Gather(h, rows)
	}
	o.AddLinear(x, attended, b.O, b.OBias, 1)
	if b.FFNNorm != nil { // absent: the parallel form
		h = o.Norm(x, m.norm(b.FFNNorm, b.FFNNormBias))
	}
	o.AddLinear(x, b.hidden(o, h, backend.SiLU), b.Down, nil, 1)
	return x
}

func (m *stablelm) Logits(o backend.Ops, x backend.Value) backend.Value {
	return m.logits(o, x, m.norm(nil, nil))
}
