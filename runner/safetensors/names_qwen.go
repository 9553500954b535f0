package safetensors

func init() {
	register("qwen2", &qwen2)
	register("qwen2_moe", &qwen2moe)
	register("qwen3", &qwen3)
	register("qwen3_moe", &qwen3moe)
}

// qwenExperts is a routed feed-forward: one tensor per expert, or all of a
// layer's experts merged.
var qwenExperts = map[string]string{
	"mlp.gate":                "ffn_gate_inp",
	"mlp.experts.*.gate_proj": "ffn_gate_exps",
	"mlp.experts.*.up_proj":   "ffn_up_exps",
	"mlp.experts.*.down_proj": "ffn_down_exps",
}

var (
	qwen2 = family{
		arch: "qwen2", prefix: "model.layers.", outer: usualOuter,
		defaults: `{"vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32, "num_attention_heads": 32,
			"num_key_value_heads": 32, "hidden_act": "silu", "max_position_embeddings": 32768, "rms_norm_eps": 1e-06, "rope_theta": 10000,
			"sliding_window": 4096, "max_window_layers": 28}`,
		optional: biases("true", ""),
		block:    join(preNorms, usualQKVO, usualGated),
		read: func(b *builder) {
			b.llamaLike()
			b.switchedWindow()
		},
	}
	qwen2moe = family{
		arch: "qwen2moe", prefix: "model.layers.", outer: usualOuter,
		defaults: `{"vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 24, "num_attention_heads": 16,
			"num_key_value_heads": 16, "hidden_act": "silu", "max_position_embeddings": 32768, "rms_norm_eps": 1e-06, "rope_theta": 10000,
			"sliding_window": 4096, "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632, "num_experts": 60,
			"num_experts_per_tok": 4, "qkv_bias": true}`,
		optional: biases("qkv_bias", ""),
		block: join(preNorms, usualQKVO, qwenExperts, map[string]string{
			"mlp.shared_expert.gate_proj": "ffn_gate_shexp",
			"mlp.shared_expert.up_proj":   "ffn_up_shexp",
			"mlp.shared_expert.down_proj": "ffn_down_shexp",
			"mlp.shared_expert_gate":      "ffn_gate_inp_shexp",
		}),
		read: func(b *builder) {
			b.llamaLike()
			// transformers 4 gives all layers the window, 5 every second one below max_window_layers.
			if w := b.countOr("sliding_window", 0); b.boolOr("use_sliding_window", false) && w > 0 && w < b.count("max_position_embeddings") {
				b.fail("\"use_sliding_window\" is true, and versions of transformers differ in which layers of model type \"qwen2_moe\" have the window; set it to false")
			}
			b.qwenMoE()
			b.set("expert_shared_feed_forward_length", b.count("shared_expert_intermediate_size"))
		},
		made: with(experts, map[string]reshape{"ffn_gate_inp_shexp.weight": flatten}),
	}
	qwen3 = family{
		arch: "qwen3", prefix: "model.layers.", outer: usualOuter,
		defaults: `{"vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32, "num_attention_heads": 32,
			"num_key_value_heads": 32, "head_dim": 128, "hidden_act": "silu", "max_position_embeddings": 32768, "rms_norm_eps": 1e-06,
			"rope_theta": 10000, "sliding_window": 4096, "max_window_layers": 28}`,
		optional: biases("attention_bias", "attention_bias"),
		block:    join(preNorms, usualQKVO, headNorms, usualGated),
		read: func(b *builder) {
			qwen2.read(b)
		},
	}
	qwen3moe = family{
		arch: "qwen3moe", prefix: "model.layers.", outer: usualOuter,
		defaults: `{"vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 24, "num_attention_heads": 32,
			"num_key_value_heads": 4, "hidden_act": "silu", "max_position_embeddings": 32768, "rms_norm_eps": 1e-06, "rope_theta": 10000,
			"sliding_window": 4096, "moe_intermediate_size": 768, "num_experts": 128, "num_experts_per_tok": 8}`,
		optional: biases("attention_bias", "attention_bias"),
		block:    join(preNorms, usualQKVO, headNorms, qwenExperts),
		read: func(b *builder) {
			b.llamaLike()
			if b.boolOr("use_sliding_window", false) {
				b.windowEverywhere() // max_window_layers changes nothing in this class
			}
			b.qwenMoE()
		},
		made: experts,
	}
)

func (b *builder) qwenMoE() {
	b.moe()
	b.set("expert_feed_forward_length", b.count("moe_intermediate_size"))
	b.set("expert_weights_norm", b.boolOr("norm_topk_prob", false))
}
