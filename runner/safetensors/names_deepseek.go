package safetensors

import "math"

func init() {
	register("deepseek_v2", &deepseekV2)
	register("deepseek_v3", &deepseekV3)
}

var deepseekBlock = join(preNorms, usualGated, qwenExperts, map[string]string{
	"self_attn.q_proj": "attn_q", "self_attn.q_a_proj": "attn_q_a", "self_attn.q_a_layernorm": "attn_q_a_norm", "self_attn.q_b_proj": "attn_q_b",
	"self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa", "self_attn.kv_a_layernorm": "attn_kv_a_norm", "self_attn.kv_b_proj": "attn_kv_b",
	"self_attn.o_proj": "attn_output", "mlp.gate.e_score_correction_bias": "exp_probs_b",
	"mlp.shared_experts.gate_proj": "ffn_gate_shexp", "mlp.shared_experts.up_proj": "ffn_up_shexp", "mlp.shared_experts.down_proj": "ffn_down_shexp",
})

var (
	deepseekV2 = family{
		arch: "deepseek2", prefix: "model.layers.", outer: usualOuter, block: deepseekBlock, made: experts,
		defaults: `{"vocab_size": 102400, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
			"hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-06, "rope_theta": 10000, "first_k_dense_replace": 0,
			"kv_lora_rank": 512, "q_lora_rank": 1536, "n_routed_experts": 64, "n_shared_experts": 2, "qk_nope_head_dim": 128,
			"qk_rope_head_dim": 64, "routed_scaling_factor": 1, "topk_method": "greedy", "v_head_dim": 128, "moe_intermediate_size": 1407}`,
		read: func(b *builder) {
			b.refuse("mlp_bias")
			b.refuse("norm_topk_prob") // transformers ignores it, the model's own code does not
			b.only("scoring_func", "softmax")
			b.deepseek()
			groups, used := 1, 1
			if b.only("topk_method", "greedy", "group_limited_greedy") == "group_limited_greedy" {
				groups, used = b.count("n_group"), b.count("topk_group")
			}
			b.set("expert_gating_func", 1)
			b.set("expert_weights_norm", false)
			b.set("expert_group_count", groups)
			b.set("expert_group_used_count", used)
			b.setFull("headprof.rope.half_split", false)
		},
	}
	deepseekV3 = family{
		arch: "deepseek2", prefix: "model.layers.", outer: usualOuter, block: deepseekBlock, made: experts,
		defaults: `{"vocab_size": 129280, "hidden_size": 7168, "intermediate_size": 18432, "num_hidden_layers": 61, "num_attention_heads": 128,
			"hidden_act": "silu", "max_position_embeddings": 4096, "rms_norm_eps": 1e-06, "rope_theta": 10000, "first_k_dense_replace": 3,
			"kv_lora_rank": 512, "q_lora_rank": 1536, "n_routed_experts": 256, "n_shared_experts": 1, "qk_nope_head_dim": 128,
			"qk_rope_head_dim": 64, "routed_scaling_factor": 2.5, "v_head_dim": 128, "moe_intermediate_size": 2048, "n_group": 8,
			"topk_group": 4, "num_experts_per_tok": 8, "norm_topk_prob": true, "rope_interleave": true, "num_nextn_predict_layers": 1}`,
		read: func(b *builder) {
			b.only("scoring_func", "sigmoid")
			b.only("topk_method", "noaux_tc")
			b.deepseek()
			b.drafts = b.countOr("num_nextn_predict_layers", 0)
			b.set("expert_gating_func", 2)
			b.set("expert_weights_norm", b.boolOr("norm_topk_prob", false))
			b.set("expert_group_count", b.count("n_group"))
			b.set("expert_group_used_count", b.count("topk_group"))
			b.setFull("headprof.rope.half_split", !b.boolOr("rope_interleave", false))
		},
	}
)

// only fails unless a setting, where it is given, has one of the values; it gives it.
func (b *builder) only(key string, values ...string) string {
	v := b.text(key)
	if b.has(key) {
		b.activation(key, values...)
	}
	return v
}

// deepseek reads what both versions state.
func (b *builder) deepseek() {
	b.activation("hidden_act", "silu")
	b.refuse("attention_bias")
	layers, heads := b.count("num_hidden_layers"), b.count("num_attention_heads")
	if kv := b.countOr("num_key_value_heads", heads); kv != heads {
		b.fail("\"num_key_value_heads\" is %d for %d heads, where latent attention has as many; fetch the file again", kv, heads)
	}
	rank, rope := b.count("kv_lora_rank"), b.count("qk_rope_head_dim")
	b.set("block_count", layers)
	b.set("embedding_length", b.count("hidden_size"))
	b.set("attention.head_count", heads)
	b.set("attention.head_count_kv", 1)
	b.set("attention.key_length", rank+rope)
	b.set("attention.value_length", rank)
	b.set("attention.key_length_mla", b.count("qk_nope_head_dim")+rope)
	b.set("attention.value_length_mla", b.count("v_head_dim"))
	b.set("attention.kv_lora_rank", rank)
	b.set("attention.q_lora_rank", b.countOr("q_lora_rank", 0))
	b.layers, b.heads, b.dim = layers, heads, rope
	b.set("context_length", b.count("max_position_embeddings"))
	b.set("feed_forward_length", b.count("intermediate_size"))
	b.rmsEps()
	b.rope(rope)
	p := b.object("rope_parameters")
	if b.has("rope_scaling") {
		p = b.object("rope_scaling")
	}
	kind := p.text("rope_type")
	if kind == "" {
		kind = p.text("type")
	}
	if all := p.floatOr("mscale_all_dim", 0); all != 0 && kind != "" && kind != "default" {
		b.set("rope.scaling.yarn_log_multiplier", float32(0.1*all))
		if factor := p.floatOr("factor", 1); kind != "yarn" && math.Log(factor) != 0 {
			b.fail("\"mscale_all_dim\" is %v with the rope scaling %q, which headprof supports with yarn only", all, kind)
		}
	}
	b.set("expert_count", b.count("n_routed_experts"))
	b.set("expert_used_count", b.count("num_experts_per_tok"))
	b.set("expert_feed_forward_length", b.count("moe_intermediate_size"))
	b.set("expert_shared_count", b.count("n_shared_experts"))
	b.set("expert_weights_scale", float32(b.floatOr("routed_scaling_factor", 1)))
	b.set("leading_dense_block_count", min(layers, b.countOr("first_k_dense_replace", 0)))
}
