package safetensors

var gptneox = family{
	arch: "gptneox", prefix: "gpt_neox.layers.",
	ends: map[string]string{
		"gpt_neox.embed_in": "token_embd", "gpt_neox.final_layer_norm": "output_norm", "embed_out": "output", "lm_head": "output",
	},
	block: join(preNorms, map[string]string{
		"attention.query_key_value": "attn_qkv", "attention.dense": "attn_output",
		"mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down",
	}),
	read: func(b *builder) {
		b.activation([]string{"hidden_act"}, "gelu")
		b.sizes()
		b.set("attention.layer_norm_epsilon", float32(b.floatOr("layer_norm_eps", 1e-5)))
		b.set("use_parallel_residual", b.boolOr("use_parallel_residual", true))
		b.rope(b.dim, 10000, 0.25)
	},
	made: map[string]reshape{"attn_qkv.weight": unweave, "attn_qkv.bias": unweave},
}
