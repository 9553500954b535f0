package safetensors

func init() { register("gpt_oss", &gptoss) }

// gptoss stores its experts merged, gate and up rows in turn; published models
// have them in MXFP4, as blocks and scales.
var gptoss = family{
	arch: "gpt-oss", prefix: "model.layers.", outer: usualOuter,
	defaults: `{"vocab_size": 201088, "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 36, "num_attention_heads": 64,
			"num_key_value_heads": 8, "head_dim": 64, "hidden_act": "silu", "max_position_embeddings": 131072, "rms_norm_eps": 1e-05,
			"rope_theta": 150000, "sliding_window": 128, "num_experts": 128, "num_experts_per_tok": 4, "attention_bias": true,
			"swiglu_alpha": 1.702, "swiglu_limit": 7.0}`,
	optional: biases("attention_bias", "attention_bias"),
	block: join(preNorms, usualQKVO, map[string]string{
		"self_attn.sinks": "attn_sinks", "mlp.router": "ffn_gate_inp",
		"mlp.experts.gate_up_proj": "ffn_gate_exps|ffn_up_exps", "mlp.experts.gate_up_proj_bias": "ffn_gate_exps|ffn_up_exps",
		"mlp.experts.down_proj": "ffn_down_exps", "mlp.experts.down_proj_bias": "ffn_down_exps",
		"mlp.experts.gate_up_proj_blocks": "ffn_gate_exps|ffn_up_exps", "mlp.experts.gate_up_proj_scales": "ffn_gate_exps|ffn_up_exps",
		"mlp.experts.down_proj_blocks": "ffn_down_exps", "mlp.experts.down_proj_scales": "ffn_down_exps",
	}),
	read: func(b *builder) {
		b.sizes()
		b.rmsEps()
		if _, old := b.values["rope_scaling"]; old && !b.has("rope_scaling") && !b.has("rope_parameters") {
			b.fail("\"rope_scaling\" is null, which transformers 4 takes as none and 5 as YaRN; state \"rope_parameters\"")
		} else if !old && !b.has("rope_parameters") {
			b.values["rope_scaling"] = []byte(`{"rope_type": "yarn", "factor": 32, "beta_fast": 32, "beta_slow": 1, "truncate": false, "original_max_position_embeddings": 4096}`)
		}
		b.rope(b.dim)
		b.windowAt(func(l int) bool { return l%2 == 0 })
		b.moe()
		b.set("expert_feed_forward_length", b.count("intermediate_size"))
		b.set("swiglu_alpha", float32(b.floatOr("swiglu_alpha", 0)))
		b.set("swiglu_limit", float32(b.floatOr("swiglu_limit", 0)))
	},
	quantised: "mxfp4",
	made: map[string]reshape{
		"ffn_gate_exps.weight": merged(0, 2), "ffn_up_exps.weight": merged(1, 2), "ffn_down_exps.weight": merged(0, 1),
		"ffn_gate_exps.bias": everySecond(0), "ffn_up_exps.bias": everySecond(1),
	},
}
