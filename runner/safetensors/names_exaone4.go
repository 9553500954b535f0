package safetensors

func init() { register("exaone4", &exaone4) }

var exaone4 = family{
	arch: "exaone4", prefix: "model.layers.", outer: usualOuter,
	defaults: `{"vocab_size": 102400, "hidden_size": 4096, "intermediate_size": 16384, "num_hidden_layers": 32, "num_attention_heads": 32,
			"num_key_value_heads": 32, "hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-05, "rope_theta": 10000,
			"sliding_window": 4096, "sliding_window_pattern": 4}`,
	optional: biases("", ""),
	block: join(usualQKVO, headNorms, usualGated, map[string]string{
		"post_attention_layernorm": "post_attention_norm", "post_feedforward_layernorm": "post_ffw_norm",
	}),
	read: func(b *builder) {
		b.llamaLike()
		types := b.layerTypes()
		every := 4
		if types == nil {
			if raw := b.values["sliding_window_pattern"]; len(raw) > 0 && raw[0] == '"' {
				b.fail("\"sliding_window_pattern\" is %s, which transformers cannot read without \"layer_types\"; state those", short(raw))
				return
			}
			if every = b.count("sliding_window_pattern"); !b.has("sliding_window") {
				b.fail("\"sliding_window\" is null, and there are no \"layer_types\", which transformers then needs")
				return
			}
		}
		b.windowAt(func(l int) bool { return (l+1)%every != 0 })
		// With windows, layers that see everything are not rotated.
		unrotated := make([]bool, b.layers)
		for l := range unrotated {
			local := (l+1)%every != 0
			if types != nil {
				local = types[l] == "sliding_attention"
			}
			unrotated[l] = b.has("sliding_window") && !local
		}
		b.setFull("headprof.unrotated", unrotated)
	},
}
