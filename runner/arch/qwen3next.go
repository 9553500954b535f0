package arch

import "headprof/runner/backend"

func init() {
	register("qwen3next", loadQwen3Next)
	register("qwen35", loadQwen3Next)
	register("qwen35moe", loadQwen3Next)
}

// qwen3next is Qwen3-Next and Qwen 3.5, dense and mixtures: three layers of
// Gated DeltaNet (arXiv 2412.06464) to one of attention, whose heads' outputs
// pass a gate (arXiv 2505.06708).
type qwen3next struct {
	config
	outer
	blocks    []qwen3nextBlock
	rope      backend.Rope
	eps       float32
	delta     deltaSettings
	normalise bool
}

type qwen3nextBlock struct {
	AttnNorm backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	FFNNorm  backend.Weight `gguf:"post_attention_norm.weight|ffn_norm.weight" shape:"width"`
	// One of the first two and of the last two; of the gates one form.
	attention *gatedAttention
	linear    *deltaNet
	joined    *joinedGates
	apart     *apartGates
	mlp       *gated
	moe       *gatedExperts
}

// gatedAttention is attention whose query projection holds, head by head, a
// query and a gate of the head's output.
type gatedAttention struct {
	Q     backend.Weight `gguf:"attn_q.weight" shape:"2q,width"`
	K     backend.Weight `gguf:"attn_k.weight" shape:"k,width"`
	V     backend.Weight `gguf:"attn_v.weight" shape:"v,width"`
	QBias backend.Weight `gguf:"attn_q.bias,optional" shape:"2q"`
	KBias backend.Weight `gguf:"attn_k.bias,optional" shape:"k"`
	VBias backend.Weight `gguf:"attn_v.bias,optional" shape:"v"`
	headNorms
	output
}

// joinedGates are Qwen3-Next's: by key head, β of its value heads and α of them.
type joinedGates struct {
	BA backend.Weight `gguf:"ssm_ba.weight" shape:"2values,width"`
}

// apartGates are Qwen 3.5's.
type apartGates struct {
	Alpha backend.Weight `gguf:"ssm_alpha.weight" shape:"values,width"`
	Beta  backend.Weight `gguf:"ssm_beta.weight" shape:"values,width"`
}

// gatedExperts are experts beside one that all tokens use, weighed by a gate.
type gatedExperts struct {
	experts
	SharedRouter backend.Weight `gguf:"ffn_gate_inp_shexp.weight" shape:"width"`
	sharedExpert
}

// add adds the mixture and the shared expert.
func (e *gatedExperts) add(o backend.Ops, x, h backend.Value, c *Config, normalise bool) {
	o.MixExperts(x, h, e.mixture(c, normalise))
	shared := o.Gate(o.Linear(h, e.SharedGate, nil), o.Linear(h, e.SharedUp, nil), backend.SiLU)
	shared = o.Linear(shared, e.SharedDown, nil)
	o.Add(x, o.Gate(o.Linear(h, e.SharedRouter, nil), shared, backend.Sigmoid))
}

func loadQwen3Next(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	m := &qwen3next{rope: c.partialRope(required), eps: c.eps(required), normalise: true}
	if s.Has(c.key("expert_weights_norm")) {
		m.normalise = c.flag(c.key("expert_weights_norm"))
	}
	if c.Family != "qwen3next" {
		s.Ints(c.key("rope.dimension_sections")) // the positions of a text are the same in all sections
	}
	full, dense := c.fullLayers(4), c.flags("headprof.dense")
	for l := range c.Layers {
		if full[l] && !c.Layers[l].Attends() {
			c.fail("metadata key %s has no KV heads in layer %d, which has attention by %s", c.key("attention.head_count_kv"), l, c.key("full_attention_interval"))
		}
	}
	m.delta = c.deltaRule(func(l int) bool { return full[l] })
	m.delta.rule.Tiled = c.Family != "qwen3next" && !c.flag("headprof.linear.grouped")
	m.config = c.Config
	if c.err != nil {
		return nil, c.err
	}
	var err error
	if m.blocks, err = bindModel[qwen3nextBlock](s, b, &m.outer, &m.config); err != nil {
		return nil, err
	}
	for l := range m.blocks {
		k := &m.blocks[l]
		var parts []any
		switch {
		case full[l]:
			k.attention = &gatedAttention{}
			parts = append(parts, k.attention)
		case c.Family == "qwen3next":
			k.linear, k.joined = &deltaNet{}, &joinedGates{}
			parts = append(parts, k.linear, k.joined)
		default:
			k.linear, k.apart = &deltaNet{}, &apartGates{}
			parts = append(parts, k.linear, k.apart)
		}
		if m.Experts == 0 || dense != nil && dense[l] {
			k.mlp = &gated{}
			parts = append(parts, k.mlp)
		} else {
			k.moe = &gatedExperts{}
			parts = append(parts, k.moe)
		}
		for _, p := range parts {
			if err := bindBlock(s, b, p, l, &m.config); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}

// fullLayers tells which layers have full attention: as a folder lists them,
// else each n-th, n being stated or the family's.
func (m *metadata) fullLayers(every int) []bool {
	every = m.count("full_attention_interval", maxLayers, every)
	full := make([]bool, len(m.Layers))
	if list := m.flags("headprof.full_attention"); list != nil || m.err != nil {
		copy(full, list)
		return full
	}
	for l := range full {
		full[l] = every > 0 && (l+1)%every == 0
	}
	return full
}

// flags reads a truth value per layer; nil where the key is absent.
func (m *metadata) flags(key string) []bool {
	list, ok, err := m.src.Ints(key)
	m.check(err)
	if !ok || m.err != nil {
		return nil
	}
	if len(list) != len(m.Layers) {
		m.fail("metadata key %s has %d entries for %d layers", key, len(list), len(m.Layers))
		return nil
	}
	out := make([]bool, len(list))
	for i, v := range list {
		out[i] = v != 0
	}
	return out
}

func (m *qwen3next) Config() *Config { return &m.config }

func (m *qwen3next) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *qwen3next) Embed(o backend.Ops, ids []int32) backend.Value { return m.embed(o, ids, 1) }

func (m *qwen3next) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b := &m.blocks[l]
	h := o.Norm(x, m.norm(b.AttnNorm))
	if b.attention != nil {
		h = b.attention.attend(o, h, rows, m.attention(l, inverseRoot(m.Layers[l].KeyDim)), m.rope, m.eps)
		if rows != nil {
			x = o.Gather(x, rows)
		}
		o.AddLinear(x, h, b.attention.O, b.attention.OBias, 1)
	} else {
		alpha, beta := m.gates(o, b, h)
		h = b.linear.mix(o, l, h, alpha, beta, m.delta, m.eps)
		if rows != nil {
			x, h = o.Gather(x, rows), o.Gather(h, rows)
		}
		o.AddLinear(x, h, b.linear.Out, nil, 1)
	}
	h = o.Norm(x, m.norm(b.FFNNorm))
	if b.moe != nil {
		b.moe.add(o, x, h, &m.config, m.normalise)
	} else {
		o.AddLinear(x, b.mlp.hidden(o, h, backend.SiLU), b.mlp.Down, nil, 1)
	}
	return x
}

// gates gives a layer's α and β, before their non-linearities.
func (m *qwen3next) gates(o backend.Ops, b *qwen3nextBlock, h backend.Value) (alpha, beta backend.Value) {
	if b.apart != nil {
		return o.Linear(h, b.apart.Alpha, nil), o.Linear(h, b.apart.Beta, nil)
	}
	both, heads := o.Linear(h, b.joined.BA, nil), m.delta.rule.KeyHeads
	per := m.delta.rule.Heads / heads
	return o.SplitHeads(both, heads, per, 2*per), o.SplitHeads(both, heads, 0, per)
}

// attend gives the gated outputs of the heads.
func (b *gatedAttention) attend(o backend.Ops, h backend.Value, rows []int, a backend.Attention, rope backend.Rope, eps float32) backend.Value {
	both := o.Linear(h, b.Q, b.QBias)
	q, gate := o.SplitHeads(both, a.Heads, 0, a.KeyDim), o.SplitHeads(both, a.Heads, a.KeyDim, 2*a.KeyDim)
	k, v := o.Linear(h, b.K, b.KBias), o.Linear(h, b.V, b.VBias)
	o.HeadNorm(q, a.Heads, backend.Norm{Weight: b.QNorm, Eps: eps})
	o.HeadNorm(k, a.KVHeads, backend.Norm{Weight: b.KNorm, Eps: eps})
	o.Rope(q, a.Heads, rope)
	o.Rope(k, a.KVHeads, rope)
	o.Store(a.Layer, k, v)
	y := o.Attend(q, a, rows)
	if rows != nil {
		gate = o.Gather(gate, rows)
	}
	return o.Gate(gate, y, backend.Sigmoid)
}

func (m *qwen3next) Logits(o backend.Ops, x backend.Value) backend.Value {
	return m.logits(o, x, m.norm(nil))
}
