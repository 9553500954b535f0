package arch

import "headprof/runner/backend"

func init() { register("gpt2", loadGPT2) }

// gpt2 is GPT-2 (Radford et al., 2019): learned positions, LayerNorm, fused
// projections and a GELU feed-forward.
type gpt2 struct {
	config
	outer
	positions backend.Weight
	blocks    []gpt2Block
	eps       float32
}

type gpt2Block struct {
	layerNorms
	fusedQKV
	output
	ungated
}

func loadGPT2(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	m := &gpt2{eps: c.eps(required), config: c.Config}
	if c.err != nil {
		return nil, c.err
	}
	var err error
	if m.blocks, err = bindModel[gpt2Block](s, b, &m.outer, &m.config); err != nil {
		return nil, err
	}
	m.positions, err = bindOne(s, b, "", "position_embd.weight", tensorTag{shape: "context,width"}, m.layerDims(0))
	return m, err
}

func (m *gpt2) Config() *Config { return &m.config }

func (m *gpt2) norm(w, bias backend.Weight) backend.Norm {
	return backend.Norm{Weight: w, Bias: bias, Eps: m.eps, Mean: true}
}

func (m *gpt2) Embed(o backend.Ops, ids []int32) backend.Value {
	positions := make([]int32, len(ids))
	for i := range positions {
		positions[i] = int32(o.Position(i))
	}
	x := m.embed(o, ids, 1)
	o.Add(x, o.Embed(m.positions, positions, 1))
	return x
}

func (m *gpt2) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]

	q, k, v := b.project(o, o.Norm(x, m.norm(b.AttnNorm, b.AttnNormBias)), a)
	o.Store(l, k, v)
	h := o.Attend(q, m.attention(l, inverseRoot(a.KeyDim)), rows)
	if rows != nil {
		x = o.Gather(x, rows)
	}
	o.AddLinear(x, h, b.O, b.OBias, 1)

	h = o.Linear(o.Norm(x, m.norm(b.FFNNorm, b.FFNNormBias)), b.Up, b.UpBias)
	o.AddLinear(x, o.Gate(h, nil, backend.GELUTanh), b.Down, b.DownBias, 1)
	return x
}

func (m *gpt2) Logits(o backend.Ops, x backend.Value) backend.Value {
	return m.logits(o, x, m.norm(nil, nil))
}
