package safetensors

func init() { register("gpt_neox", &gptneox) }

var gptneox = family{
	arch: "gptneox", prefix: "gpt_neox.layers.",
	defaults: `{"vocab_size": 50432, "hidden_size": 6144, "intermediate_size": 24576, "num_hidden_layers": 44, "num_attention_heads": 64,
			"hidden_act": "gelu", "max_position_embeddings": 2048, "layer_norm_eps": 1e-05, "rotary_emb_base": 10000, "rotary_pct": 0.25,
			"use_parallel_residual": true, "attention_bias": true}`,
	optional: map[string]string{"attn_qkv.bias": "attention_bias", "attn_output.bias": "attention_bias"},
	outer: map[string]string{
		"gpt_neox.embed_in": "token_embd", "gpt_neox.final_layer_norm": "output_norm", "embed_out": "output", "lm_head": "output",
	},
	block: join(preNorms, map[string]string{
		"attention.query_key_value": "attn_qkv", "attention.dense": "attn_output",
		"mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down",
	}),
	read: func(b *builder) {
		b.activation("hidden_act", "gelu")
		b.sizes()
		b.set("attention.layer_norm_epsilon", float32(b.floatOr("layer_norm_eps", 0)))
		b.set("use_parallel_residual", b.boolOr("use_parallel_residual", false))
		b.partialRope(b.dim, "rotary_emb_base", "rotary_pct")
	},
	made: map[string]reshape{"attn_qkv.weight": unweave, "attn_qkv.bias": unweave},
}
