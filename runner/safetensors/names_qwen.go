package safetensors

// qwenExperts is a routed feed-forward: one tensor per expert, or all of a
// layer's experts merged.
var qwenExperts = map[string]string{
	"mlp.gate":                "ffn_gate_inp",
	"mlp.experts.*.gate_proj": "ffn_gate_exps",
	"mlp.experts.*.up_proj":   "ffn_up_exps",
	"mlp.experts.*.down_proj": "ffn_down_exps",
}

var (
	qwen2 = family{
		arch: "qwen2", prefix: "model.layers.", ends: usualEnds,
		block: join(preNorms, usualQKVO, usualGated),
		read: func(b *builder) {
			b.llamaLike(10000, 1e-6)
			b.switchedWindow()
		},
	}
	qwen2moe = family{
		arch: "qwen2moe", prefix: "model.layers.", ends: usualEnds,
		block: join(preNorms, usualQKVO, qwenExperts, map[string]string{
			"mlp.shared_expert.gate_proj": "ffn_gate_shexp",
			"mlp.shared_expert.up_proj":   "ffn_up_shexp",
			"mlp.shared_expert.down_proj": "ffn_down_shexp",
			"mlp.shared_expert_gate":      "ffn_gate_inp_shexp",
		}),
		read: func(b *builder) {
			qwen2.read(b)
			b.qwenMoE(false)
			b.set("expert_shared_feed_forward_length", b.count("shared_expert_intermediate_size"))
		},
		made: with(experts, map[string]reshape{"ffn_gate_inp_shexp.weight": flatten}),
	}
	qwen3 = family{
		arch: "qwen3", prefix: "model.layers.", ends: usualEnds,
		block: join(preNorms, usualQKVO, headNorms, usualGated),
		read: func(b *builder) {
			qwen2.read(b)
		},
	}
	qwen3moe = family{
		arch: "qwen3moe", prefix: "model.layers.", ends: usualEnds,
		block: join(preNorms, usualQKVO, headNorms, qwenExperts),
		read: func(b *builder) {
			qwen2.read(b)
			b.qwenMoE(false)
		},
		made: experts,
	}
)

func (b *builder) qwenMoE(normalise bool) {
	b.moe()
	b.set("expert_feed_forward_length", b.count("moe_intermediate_size"))
	b.set("expert_weights_norm", b.boolOr("norm_topk_prob", normalise))
}
