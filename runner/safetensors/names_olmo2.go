package safetensors

var olmo2 = family{
	arch: "olmo2", prefix: "model.layers.", ends: usualEnds,
	block: join(usualQKVO, headNorms, usualGated, map[string]string{
		"post_attention_layernorm": "post_attention_norm", "post_feedforward_layernorm": "post_ffw_norm",
	}),
	read: func(b *builder) {
		b.llamaLike(10000, 1e-5)
	},
}
