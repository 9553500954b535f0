package safetensors

func init() { register("olmo2", &olmo2) }

var olmo2 = family{
	arch: "olmo2", prefix: "model.layers.", outer: usualOuter,
	defaults: `{"vocab_size": 50304, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
			"hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-05, "rope_theta": 10000}`,
	optional: biases("attention_bias", "attention_bias"),
	block: join(usualQKVO, headNorms, usualGated, map[string]string{
		"post_attention_layernorm": "post_attention_norm", "post_feedforward_layernorm": "post_ffw_norm",
	}),
	read: func(b *builder) {
		b.llamaLike()
	},
}
