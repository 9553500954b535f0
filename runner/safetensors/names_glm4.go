package safetensors

func init() { register("glm4", &glm4) }

var glm4 = family{
	arch: "glm4", prefix: "model.layers.", outer: usualOuter,
	defaults: `{"vocab_size": 151552, "hidden_size": 4096, "intermediate_size": 13696, "num_hidden_layers": 40, "num_attention_heads": 32,
			"num_key_value_heads": 2, "head_dim": 128, "hidden_act": "silu", "max_position_embeddings": 131072, "rms_norm_eps": 1.5625e-07,
			"rope_theta": 10000, "partial_rotary_factor": 0.5, "attention_bias": true}`,
	optional: biases("attention_bias", ""),
	block: join(usualQKVO, map[string]string{
		"input_layernorm": "attn_norm", "post_self_attn_layernorm": "post_attention_norm",
		"post_attention_layernorm": "ffn_norm", "post_mlp_layernorm": "post_ffw_norm",
		"mlp.gate_up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
	}),
	read: func(b *builder) {
		b.activation("hidden_act", "silu")
		b.sizes()
		b.rmsEps()
		b.partialRope(b.dim, "rope_theta", "partial_rotary_factor")
	},
}
