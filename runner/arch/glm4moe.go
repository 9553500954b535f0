package arch

import "headprof/runner/backend"

func init() { register("glm4moe", loadGLM4MoE) }

// glm4moe is GLM-4.5 and 4.6 (arXiv 2508.06471): dense first layers, then
// experts that a sigmoid weighs, chosen with a bias of their own, beside one that
// all tokens use.
type glm4moe struct {
	config
	outer
	blocks []glm4moeBlock
	rope   backend.Rope
	eps    float32
	dense  int             // layers without experts
	route  backend.Experts // what all layers share
}

type glm4moeBlock struct {
	AttnNorm backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	qkv
	QNorm backend.Weight `gguf:"attn_q_norm.weight,optional" shape:"dim"`
	KNorm backend.Weight `gguf:"attn_k_norm.weight,optional" shape:"dim"`
	output
	FFNNorm backend.Weight `gguf:"post_attention_norm.weight|ffn_norm.weight" shape:"width"`
	mlp     gated
	moe     glm4moeExperts
}

type glm4moeExperts struct {
	experts
	Selection backend.Weight `gguf:"exp_probs_b.bias" shape:"experts"`
	sharedExpert
}

func loadGLM4MoE(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	c.require("expert_weights_norm")
	c.require("expert_feed_forward_length")
	if g := c.count("expert_gating_func", 1<<10, 2); g != 2 && g != 0 {
		c.fail("metadata key %s is %d; models of this family have 2, a sigmoid", c.key("expert_gating_func"), g)
	}
	c.SharedWidth = c.ExpertWidth * c.count("expert_shared_count", maxExperts, 1)
	m := &glm4moe{rope: c.partialRope(10000), eps: c.eps(required), dense: c.count("leading_dense_block_count", len(c.Layers), 0), config: c.Config}
	m.route = backend.Experts{Sigmoid: true, NormaliseTop: c.flag(c.key("expert_weights_norm")), Scale: float32(c.float("expert_weights_scale", 1)),
		Groups: c.count("expert_group_count", maxExperts, 1), UsedGroups: c.count("expert_group_used_count", maxExperts, 1)}
	c.checkGroups(m.route)
	if c.err != nil {
		return nil, c.err
	}
	var err error
	if m.blocks, err = bindModel[glm4moeBlock](s, b, &m.outer, &m.config); err != nil {
		return nil, err
	}
	for l := range m.blocks {
		var part any = &m.blocks[l].moe
		if l < m.dense {
			part = &m.blocks[l].mlp
		}
		if err := bindBlock(s, b, part, l, &m.config); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// checkGroups fails where experts cannot be chosen in groups as asked for.
func (m *metadata) checkGroups(e backend.Experts) {
	if e.Groups > 1 && (m.Experts%e.Groups != 0 || m.Experts/e.Groups < 2 || e.UsedGroups < 1 || e.UsedGroups > e.Groups || m.Used > m.Experts/e.Groups*e.UsedGroups) {
		m.fail("%d of %d experts cannot be chosen from %d of %d groups (metadata keys %s and %s)", m.Used, m.Experts, e.UsedGroups, e.Groups, m.key("expert_group_count"), m.key("expert_group_used_count"))
	}
	if !(e.Scale > 0) {
		m.fail("metadata key %s is %v; it must be above 0", m.key("expert_weights_scale"), e.Scale)
	}
}

func (m *glm4moe) Config() *Config { return &m.config }

func (m *glm4moe) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *glm4moe) Embed(o backend.Ops, ids []int32) backend.Value { return m.embed(o, ids, 1) }

func (m *glm4moe) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]

	q, k, v := b.project(o, o.Norm(x, m.norm(b.AttnNorm)))
	if b.QNorm != nil {
		o.HeadNorm(q, a.Heads, m.norm(b.QNorm))
		o.HeadNorm(k, a.KVHeads, m.norm(b.KNorm))
	}
	o.Rope(q, a.Heads, m.rope)
	o.Rope(k, a.KVHeads, m.rope)
	o.Store(l, k, v)
	h := o.Attend(q, m.attention(l, inverseRoot(a.KeyDim)), rows)
	if rows != nil {
		x = o.Gather(x, rows)
	}
	o.AddLinear(x, h, b.O, b.OBias, 1)

	h = o.Norm(x, m.norm(b.FFNNorm))
	if l < m.dense {
		o.AddLinear(x, b.mlp.hidden(o, h, backend.SiLU), b.mlp.Down, nil, 1)
		return x
	}
	e := b.moe.mixture(&m.config, m.route.NormaliseTop)
	e.Sigmoid, e.Selection, e.Scale, e.Groups, e.UsedGroups = true, b.moe.Selection, m.route.Scale, m.route.Groups, m.route.UsedGroups
	o.MixExperts(x, h, e)
	b.moe.add(o, x, h, 1)
	return x
}

func (m *glm4moe) Logits(o backend.Ops, x backend.Value) backend.Value {
	return m.logits(o, x, m.norm(nil))
}
