package arch

import "headprof/runner/backend"

func init() { register("qwen2moe", loadQwen2MoE) }

// qwen2moe is Qwen1.5-MoE and Qwen2-57B-A14B (arXiv 2407.10671, section
// 2.2.2): Qwen2's attention, routed experts, and one expert that all tokens
// use, weighed by a sigmoid gate of its own.
type qwen2moe struct {
	config
	outer
	blocks    []qwen2moeBlock
	rope      backend.Rope
	eps       float32
	normalise bool
}

type qwen2moeBlock struct {
	qwen2Attention
	experts
	SharedRouter backend.Weight `gguf:"ffn_gate_inp_shexp.weight" shape:"width"`
	SharedGate   backend.Weight `gguf:"ffn_gate_shexp.weight" shape:"sff,width"`
	SharedUp     backend.Weight `gguf:"ffn_up_shexp.weight" shape:"sff,width"`
	SharedDown   backend.Weight `gguf:"ffn_down_shexp.weight" shape:"width,sff"`
}

func loadQwen2MoE(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	c.window(0, 0)
	if c.SharedWidth == 0 {
		if t, ok := s.Tensor("blk.0.ffn_gate_shexp.weight"); ok {
			c.SharedWidth = t.Rows()
		}
	}
	m := &qwen2moe{rope: c.rope(false, 10000), eps: c.eps(required), normalise: c.flag(c.key("expert_weights_norm")), config: c.Config}
	if c.err != nil {
		return nil, c.err
	}
	var err error
	m.blocks, err = bindModel[qwen2moeBlock](s, b, &m.outer, &m.config)
	return m, err
}

func (m *qwen2moe) Config() *Config { return &m.config }

func (m *qwen2moe) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *qwen2moe) Embed(o backend.Ops, ids []int32) backend.Value { return m.embed(o, ids, 1) }

func (m *qwen2moe) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b := &m.blocks[l]
	x = b.attend(o, x, rows, m.attention(l, inverseRoot(m.Layers[l].KeyDim)), m.rope, m.eps)

	h := o.Norm(x, m.norm(b.FFNNorm))
	o.MixExperts(x, h, b.mixture(&m.config, m.normalise))
	shared := o.Gate(o.Linear(h, b.SharedGate, nil), o.Linear(h, b.SharedUp, nil), backend.SiLU)
	shared = o.Linear(shared, b.SharedDown, nil)
	o.Add(x, o.Gate(o.Linear(h, b.SharedRouter, nil), shared, backend.Sigmoid))
	return x
}

func (m *qwen2moe) Logits(o backend.Ops, x backend.Value) backend.Value {
	return m.logits(o, x, m.norm(nil))
}
