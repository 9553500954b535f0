package safetensors

func init() {
	register("llama", &llama)
	register("mistral", &mistral)
	register("mixtral", &mixtral)
}

// Llama, Mistral and Mixtral share GGUF's "llama".
var (
	llama = family{
		arch: "llama", prefix: "model.layers.", outer: usualOuter,
		defaults: `{"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
			"hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-06, "rope_theta": 10000}`,
		optional: biases("attention_bias", "attention_bias"),
		block:    join(preNorms, usualQKVO, usualGated),
		read: func(b *builder) {
			b.llamaLike()
			b.setFull("headprof.rope.half_split", true)
		},
	}
	mistral = family{
		arch: "llama", prefix: "model.layers.", outer: usualOuter,
		defaults: `{"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
			"num_key_value_heads": 8, "hidden_act": "silu", "max_position_embeddings": 131072, "rms_norm_eps": 1e-06, "rope_theta": 10000,
			"sliding_window": 4096}`,
		optional: biases("", ""),
		block:    llama.block,
		read: func(b *builder) {
			llama.read(b)
			b.windowEverywhere()
		},
	}
	mixtral = family{
		arch: "llama", prefix: "model.layers.", outer: usualOuter,
		defaults: `{"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
			"num_key_value_heads": 8, "hidden_act": "silu", "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "rope_theta": 1000000,
			"num_experts": 8, "num_experts_per_tok": 2}`,
		optional: biases("", ""),
		block: join(preNorms, usualQKVO, map[string]string{
			"block_sparse_moe.gate":         "ffn_gate_inp",
			"block_sparse_moe.experts.*.w1": "ffn_gate_exps",
			"block_sparse_moe.experts.*.w2": "ffn_down_exps",
			"block_sparse_moe.experts.*.w3": "ffn_up_exps",
		}),
		read: func(b *builder) {
			b.llamaLike()
			b.setFull("headprof.rope.half_split", true)
			b.windowEverywhere()
			b.moe()
		},
		made: experts,
	}
)
