package safetensors

func init() {
	register("granitemoe", &granitemoe)
	register("granitemoeshared", &granitemoeshared)
}

// Gate and up lie in one tensor, one behind the other.
var (
	granitemoe = family{
		arch: "granitemoe", prefix: "model.layers.", outer: usualOuter,
		defaults: `{"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
			"hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-06, "rope_theta": 10000, "embedding_multiplier": 1,
			"logits_scaling": 1, "residual_multiplier": 1, "attention_multiplier": 1, "num_experts": 8, "num_experts_per_tok": 2}`,
		optional: biases("attention_bias", "attention_bias"),
		block: join(preNorms, usualQKVO, map[string]string{
			"block_sparse_moe.router.layer": "ffn_gate_inp", "block_sparse_moe.input_linear": "ffn_gate_exps|ffn_up_exps",
			"block_sparse_moe.output_linear": "ffn_down_exps",
		}),
		read: func(b *builder) {
			granite.read(b)
			b.moe()
			b.set("expert_feed_forward_length", b.count("intermediate_size"))
		},
		made: map[string]reshape{"ffn_gate_exps.weight": half(0), "ffn_up_exps.weight": half(1)},
	}
	granitemoeshared = family{
		arch: "granitemoe", prefix: "model.layers.", outer: usualOuter, optional: granitemoe.optional,
		defaults: granitemoe.defaults,
		block: join(granitemoe.block, map[string]string{
			"shared_mlp.input_linear": "ffn_gate_shexp|ffn_up_shexp", "shared_mlp.output_linear": "ffn_down_shexp",
		}),
		read: func(b *builder) {
			granitemoe.read(b)
			if n := b.countOr("shared_intermediate_size", 0); n > 0 {
				b.set("expert_shared_feed_forward_length", n)
			}
		},
		made: with(granitemoe.made, map[string]reshape{"ffn_gate_shexp.weight": half(0), "ffn_up_shexp.weight": half(1)}),
	}
)
