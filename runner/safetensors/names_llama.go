package safetensors

// Llama, Mistral and Mixtral share GGUF's "llama".
var (
	llama = family{
		arch: "llama", prefix: "model.layers.", ends: usualEnds,
		block: join(preNorms, usualQKVO, usualGated),
		read: func(b *builder) {
			b.llamaLike(10000, 1e-6)
			b.setFull("headprof.rope.half_split", true)
		},
	}
	mistral = family{
		arch: "llama", prefix: "model.layers.", ends: usualEnds,
		block: llama.block,
		read: func(b *builder) {
			llama.read(b)
			b.windowEverywhere()
		},
	}
	mixtral = family{
		arch: "llama", prefix: "model.layers.", ends: usualEnds,
		block: join(preNorms, usualQKVO, map[string]string{
			"block_sparse_moe.gate":         "ffn_gate_inp",
			"block_sparse_moe.experts.*.w1": "ffn_gate_exps",
			"block_sparse_moe.experts.*.w2": "ffn_down_exps",
			"block_sparse_moe.experts.*.w3": "ffn_up_exps",
		}),
		read: func(b *builder) {
			b.llamaLike(1e6, 1e-5)
			b.setFull("headprof.rope.half_split", true)
			b.windowEverywhere()
			b.moe()
		},
		made: experts,
	}
)
