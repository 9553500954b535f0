package safetensors

func init() { register("llama4_text", &llama4) }

// llama4 rotates neighbouring pairs; gate and up of its merged experts lie one
// behind the other.
var llama4 = family{
	arch: "llama4", prefix: "model.layers.", outer: usualOuter,
	defaults: `{"vocab_size": 202048, "hidden_size": 5120, "intermediate_size": 8192, "intermediate_size_mlp": 16384, "num_hidden_layers": 48,
			"num_attention_heads": 40, "num_key_value_heads": 8, "head_dim": 128, "hidden_act": "silu", "max_position_embeddings": 131072,
			"rms_norm_eps": 1e-05, "rope_theta": 500000, "num_experts_per_tok": 1, "num_experts": 16, "interleave_moe_layer_step": 1,
			"use_qk_norm": true, "no_rope_layer_interval": 4, "attention_chunk_size": 8192, "attn_temperature_tuning": true,
			"floor_scale": 8192, "attn_scale": 0.1}`,
	optional: biases("attention_bias", "attention_bias"),
	block: join(preNorms, usualQKVO, map[string]string{
		"feed_forward.gate_proj": "ffn_gate", "feed_forward.up_proj": "ffn_up", "feed_forward.down_proj": "ffn_down",
		"feed_forward.router": "ffn_gate_inp", "feed_forward.experts.gate_up_proj": "ffn_gate_exps|ffn_up_exps",
		"feed_forward.experts.down_proj": "ffn_down_exps", "feed_forward.shared_expert.gate_proj": "ffn_gate_shexp",
		"feed_forward.shared_expert.up_proj": "ffn_up_shexp", "feed_forward.shared_expert.down_proj": "ffn_down_shexp",
	}),
	read: func(b *builder) {
		b.activation("hidden_act", "silu")
		b.sizes()
		b.rmsEps()
		b.rope(b.dim)
		b.moe()
		b.set("feed_forward_length", b.count("intermediate_size_mlp"))
		b.set("expert_feed_forward_length", b.count("intermediate_size"))
		b.setFull("headprof.qk_norm", b.boolOr("use_qk_norm", true))
		unrotated := b.unrotated("no_rope_layers", "no_rope_layer_interval")
		b.setFull("headprof.unrotated", unrotated)
		b.llama4Layers(unrotated)
		scale := 0.0
		if b.boolOr("attn_temperature_tuning", true) {
			scale = b.floatOr("attn_scale", 0)
		}
		b.set("attention.temperature_scale", float32(scale))
		if scale != 0 {
			b.set("attention.temperature_length", b.count("floor_scale"))
		}
	},
	made: map[string]reshape{"ffn_gate_exps.weight": mergedHalf(0), "ffn_up_exps.weight": mergedHalf(1), "ffn_down_exps.weight": merged(0, 1)},
}

// llama4Layers reads which layers see only their chunk, and which have experts.
func (b *builder) llama4Layers(unrotated []bool) {
	chunked, sparse := make([]bool, b.layers), make([]bool, b.layers)
	for l := range chunked {
		chunked[l] = !unrotated[l] && b.has("attention_chunk_size")
	}
	types := b.texts("layer_types")
	if types != nil && len(types) != b.layers {
		b.fail("\"layer_types\" has %d entries for %d layers; fetch the file again", len(types), b.layers)
		return
	}
	for l, t := range types {
		if t != "chunked_attention" && t != "full_attention" {
			b.fail("\"layer_types\" is %q at layer %d, where headprof supports full_attention and chunked_attention", t, l)
		}
		if chunked[l] = t == "chunked_attention"; chunked[l] && !b.has("attention_chunk_size") {
			b.fail("\"attention_chunk_size\" is null, but layers have one by \"layer_types\"; state it")
		}
	}
	if b.has("attention_chunk_size") {
		b.set("attention.chunk_size", b.count("attention_chunk_size"))
	}
	if b.has("moe_layers") {
		for _, l := range b.floats("moe_layers") {
			if l >= 0 && int(l) < b.layers {
				sparse[int(l)] = true
			}
		}
	} else {
		every := b.count("interleave_moe_layer_step")
		for l := range sparse {
			sparse[l] = (l+1)%every == 0
		}
	}
	b.setFull("headprof.chunked", chunked)
	b.setFull("headprof.sparse", sparse)
}
