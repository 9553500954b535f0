package safetensors

func init() { register("falcon_h1", &falconh1) }

var falconh1 = family{
	arch: "falcon-h1", prefix: "model.layers.",
	outer: map[string]string{"model.embed_tokens": "token_embd", "model.final_layernorm": "output_norm", "lm_head": "output"},
	defaults: `{"vocab_size": 128000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
			"num_key_value_heads": 8, "hidden_act": "silu", "rms_norm_eps": 1e-05, "max_position_embeddings": 8192, "rope_theta": 10000,
			"mamba_d_ssm": 1024, "mamba_n_heads": 128, "mamba_d_head": "auto", "mamba_n_groups": 1, "mamba_d_state": 256, "mamba_d_conv": 4,
			"mamba_expand": 2, "mamba_conv_bias": true, "mamba_proj_bias": false, "mamba_norm_before_gate": true, "mamba_rms_norm": false}`,
	optional: join(biases("attention_bias", "attention_bias"), map[string]string{
		"ssm_conv1d.bias": "mamba_conv_bias", "ssm_in.bias": "mamba_proj_bias", "ssm_out.bias": "projectors_bias", "ssm_norm.weight": "mamba_rms_norm"}),
	block: join(usualQKVO, mamba2, map[string]string{
		"input_layernorm": "attn_norm", "pre_ff_layernorm": "ffn_norm",
		"feed_forward.gate_proj": "ffn_gate", "feed_forward.up_proj": "ffn_up", "feed_forward.down_proj": "ffn_down",
	}),
	made: mamba2Made,
	read: func(b *builder) {
		b.llamaLike()
		b.timeSteps()
		inner := b.countOr("mamba_d_ssm", b.count("mamba_expand")*b.count("hidden_size"))
		b.mamba(inner)
		b.setFull("headprof.ssm.norm_first", b.boolOr("mamba_norm_before_gate", false))
		all := []float32{}
		one := func(key string) { all = append(all, float32(b.floatOr(key, 1))) }
		one("embedding_multiplier")
		one("lm_head_multiplier")
		one("attention_in_multiplier")
		one("key_multiplier")
		one("attention_out_multiplier")
		one("ssm_in_multiplier")
		one("ssm_out_multiplier")
		b.setFull("headprof.multipliers", append(append(all, b.ones("mlp_multipliers", 2)...), b.ones("ssm_multipliers", 5)...))
	},
}

// ones reads a list of n numbers, 1 each where there is none.
func (b *builder) ones(key string, n int) []float32 {
	list := b.floats(key)
	if !b.has(key) {
		for range n {
			list = append(list, 1)
		}
	}
	if len(list) != n {
		b.fail("%q has %d entries, where %d are needed; fetch the file again", key, len(list), n)
		return make([]float32, n)
	}
	return list
}
