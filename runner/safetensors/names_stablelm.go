package safetensors

func init() { register("stablelm", &stablelm) }

var stablelm = family{
	arch: "stablelm", prefix: "model.layers.", outer: usualOuter,
	defaults: `{"vocab_size": 50304, "hidden_size": 2560, "intermediate_size": 6912, "num_hidden_layers": 32, "num_attention_heads": 32,
			"num_key_value_heads": 32, "hidden_act": "silu", "max_position_embeddings": 4096, "layer_norm_eps": 1e-05, "rope_theta": 10000,
			"partial_rotary_factor": 0.25}`,
	optional: join(biases("use_qkv_bias", ""), map[string]string{"attn_q_norm.weight": "qk_layernorm", "attn_k_norm.weight": "qk_layernorm", "ffn_norm.weight": "!use_parallel_residual"}),
	block: join(preNorms, usualQKVO, usualGated, map[string]string{
		"self_attn.q_layernorm.norms.*": "attn_q_norm", "self_attn.k_layernorm.norms.*": "attn_k_norm",
	}),
	read: func(b *builder) {
		b.activation("hidden_act", "silu")
		b.sizes()
		b.set("attention.layer_norm_epsilon", float32(b.floatOr("layer_norm_eps", 0)))
		b.set("use_parallel_residual", b.boolOr("use_parallel_residual", false))
		b.partialRope(b.dim, "rope_theta", "partial_rotary_factor")
	},
	made: map[string]reshape{"attn_q_norm.weight": stack, "attn_k_norm.weight": stack},
}
