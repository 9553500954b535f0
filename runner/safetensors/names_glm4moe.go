package safetensors

func init() { register("glm4_moe", &glm4moe) }

var glm4moe = family{
	arch: "glm4moe", prefix: "model.layers.", outer: usualOuter,
	defaults: `{"vocab_size": 151552, "hidden_size": 4096, "intermediate_size": 10944, "num_hidden_layers": 46, "num_attention_heads": 96,
			"num_key_value_heads": 8, "hidden_act": "silu", "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "rope_theta": 10000,
			"partial_rotary_factor": 0.5, "moe_intermediate_size": 1408, "num_experts_per_tok": 8, "n_shared_experts": 1,
			"n_routed_experts": 128, "routed_scaling_factor": 1, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1,
			"norm_topk_prob": true, "num_nextn_predict_layers": 1}`,
	optional: join(biases("attention_bias", ""), map[string]string{"attn_q_norm.weight": "use_qk_norm", "attn_k_norm.weight": "use_qk_norm"}),
	block: join(preNorms, usualQKVO, headNorms, usualGated, qwenExperts, map[string]string{
		"mlp.gate.e_score_correction_bias": "exp_probs_b",
		"mlp.shared_experts.gate_proj":     "ffn_gate_shexp",
		"mlp.shared_experts.up_proj":       "ffn_up_shexp",
		"mlp.shared_experts.down_proj":     "ffn_down_shexp",
	}),
	read: func(b *builder) {
		b.activation("hidden_act", "silu")
		b.sizes()
		b.rmsEps()
		b.partialRope(b.dim, "rope_theta", "partial_rotary_factor")
		b.drafts = b.countOr("num_nextn_predict_layers", 0)
		b.set("expert_count", b.count("n_routed_experts"))
		b.set("expert_used_count", b.count("num_experts_per_tok"))
		b.set("expert_feed_forward_length", b.count("moe_intermediate_size"))
		b.set("expert_shared_count", b.count("n_shared_experts"))
		b.set("expert_weights_norm", b.boolOr("norm_topk_prob", false))
		b.set("expert_weights_scale", float32(b.floatOr("routed_scaling_factor", 1)))
		b.set("expert_gating_func", 2)
		b.set("expert_group_count", b.count("n_group"))
		b.set("expert_group_used_count", b.count("topk_group"))
		b.set("leading_dense_block_count", min(b.layers, b.countOr("first_k_dense_replace", 0)))
	},
	made: experts,
}
