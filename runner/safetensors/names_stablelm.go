package safetensors

var stablelm = family{
	arch: "stablelm", prefix: "model.layers.", ends: usualEnds,
	block: join(preNorms, usualQKVO, usualGated, map[string]string{
		"self_attn.q_layernorm.norms.*": "attn_q_norm", "self_attn.k_layernorm.norms.*": "attn_k_norm",
	}),
	read: func(b *builder) {
		b.activation([]string{"hidden_act"}, "silu")
		b.sizes()
		b.set("attention.layer_norm_epsilon", float32(b.floatOr("layer_norm_eps", b.floatOr("norm_eps", 1e-5))))
		b.set("use_parallel_residual", b.boolOr("use_parallel_residual", false))
		b.rope(b.dim, 10000, 0.25)
	},
	made: map[string]reshape{"attn_q_norm.weight": stack, "attn_k_norm.weight": stack},
}
