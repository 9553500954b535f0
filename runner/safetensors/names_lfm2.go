package safetensors

import (
	"fmt"
	"math"
	"slices"
)

func init() {
	register("lfm2", &lfm2)
	register("lfm2_moe", &lfm2moe)
}

var lfm2 = family{
	arch: "lfm2", prefix: "model.layers.",
	outer: map[string]string{"model.embed_tokens": "token_embd", "model.embedding_norm": "output_norm", "lm_head": "output"},
	defaults: `{"vocab_size": 65536, "hidden_size": 2560, "intermediate_size": 12288, "num_hidden_layers": 32, "num_attention_heads": 32,
			"num_key_value_heads": 8, "max_position_embeddings": 128000, "norm_eps": 1e-05, "tie_word_embeddings": true, "rope_theta": 1000000,
			"conv_bias": false, "conv_L_cache": 3, "block_multiple_of": 256, "block_ffn_dim_multiplier": 1, "block_auto_adjust_ff_dim": true}`,
	optional: join(biases("", ""), map[string]string{
		"shortconv.conv.bias": "conv_bias", "shortconv.in_proj.bias": "conv_bias", "shortconv.out_proj.bias": "conv_bias"}),
	block: map[string]string{
		"operator_norm": "attn_norm", "ffn_norm": "ffn_norm",
		"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.out_proj": "attn_output",
		"self_attn.q_layernorm": "attn_q_norm", "self_attn.k_layernorm": "attn_k_norm",
		"conv.conv": "shortconv.conv", "conv.in_proj": "shortconv.in_proj", "conv.out_proj": "shortconv.out_proj",
		"feed_forward.w1": "ffn_gate", "feed_forward.w3": "ffn_up", "feed_forward.w2": "ffn_down",
	},
	read: func(b *builder) {
		// Older names win over the class's own.
		for older, name := range map[string]string{"block_ff_dim": "intermediate_size", "tie_embedding": "tie_word_embeddings"} {
			if _, ok := b.values[older]; ok {
				b.values[name] = b.values[older]
			}
		}
		if b.boolOr("block_auto_adjust_ff_dim", true) {
			n := 2 * b.count("intermediate_size") / 3
			if b.has("block_ffn_dim_multiplier") {
				n = int(math.Trunc(b.floatOr("block_ffn_dim_multiplier", 1) * float64(n)))
				of := b.count("block_multiple_of")
				n = (n + of - 1) / of * of
			}
			b.values["intermediate_size"] = fmt.Append(nil, n)
		}
		var full []int
		listed := b.read("full_attn_idxs", "a list of layers", &full)
		b.lfm2(func(l int) bool { return !listed || slices.Contains(full, l) })
	},
	made: map[string]reshape{"shortconv.conv.weight": squeeze},
}

var lfm2moe = family{
	arch: "lfm2moe", prefix: "model.layers.", outer: lfm2.outer,
	defaults: `{"vocab_size": 65536, "hidden_size": 2048, "intermediate_size": 7168, "moe_intermediate_size": 1792, "num_hidden_layers": 32,
			"num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 128000, "norm_eps": 1e-05, "tie_word_embeddings": true,
			"rope_theta": 1000000, "conv_bias": false, "conv_L_cache": 3, "num_dense_layers": 2, "num_experts_per_tok": 4, "num_experts": 32,
			"use_expert_bias": true, "routed_scaling_factor": 1, "norm_topk_prob": true}`,
	optional: lfm2.optional,
	block: join(lfm2.block, map[string]string{
		"feed_forward.gate": "ffn_gate_inp", "feed_forward.expert_bias": "exp_probs_b",
		"feed_forward.experts.*.w1": "ffn_gate_exps", "feed_forward.experts.*.w3": "ffn_up_exps", "feed_forward.experts.*.w2": "ffn_down_exps",
	}),
	read: func(b *builder) {
		if older := "tie_embedding"; b.has(older) {
			b.values["tie_word_embeddings"] = b.values[older]
		}
		if !b.boolOr("use_expert_bias", false) {
			b.fail("\"use_expert_bias\" is not true, which headprof does not support for model type \"lfm2_moe\"")
		}
		if !b.has("layer_types") {
			b.fail("\"layer_types\" is missing; fetch the file again")
		}
		b.lfm2(func(int) bool { return false })
		b.set("expert_count", b.count("num_experts"))
		b.set("expert_used_count", b.count("num_experts_per_tok"))
		b.set("expert_feed_forward_length", b.count("moe_intermediate_size"))
		b.set("leading_dense_block_count", min(b.layers, b.countOr("num_dense_layers", 0)))
		b.set("expert_gating_func", 2)
		b.set("expert_weights_norm", b.boolOr("norm_topk_prob", false))
		b.set("expert_weights_scale", float32(b.floatOr("routed_scaling_factor", 1)))
	},
	made: with(experts, lfm2.made),
}

// lfm2 reads what dense models and mixtures share; full is for files that do not
// list their layers' types.
func (b *builder) lfm2(full func(l int) bool) {
	b.sizes()
	b.set("attention.layer_norm_rms_epsilon", float32(b.floatOr("norm_eps", 0)))
	b.rope(b.dim)
	b.attend = b.typedLayers("full_attention", "conv", full)
	b.kvHeads()
	b.set("shortconv.l_cache", b.count("conv_L_cache"))
}

// kvHeads sets the number of KV heads by layer: 0 where there is no attention.
func (b *builder) kvHeads() {
	heads := make([]int, b.layers)
	for l, attends := range b.attend {
		if attends {
			heads[l] = b.countOr("num_key_value_heads", b.heads)
		}
	}
	b.set("attention.head_count_kv", heads)
}
