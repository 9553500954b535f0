package safetensors

var phi3 = family{
	arch: "phi3", prefix: "model.layers.", ends: usualEnds,
	block: join(preNorms, map[string]string{
		"self_attn.qkv_proj": "attn_qkv", "self_attn.o_proj": "attn_output",
		"mlp.gate_up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
	}),
	read: func(b *builder) {
		b.llamaLike(10000, 1e-5)
		b.windowEverywhere()
	},
}
