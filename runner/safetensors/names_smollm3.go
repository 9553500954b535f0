package safetensors

func init() { register("smollm3", &smollm3) }

var smollm3 = family{
	arch: "smollm3", prefix: "model.layers.", outer: usualOuter,
	defaults: `{"vocab_size": 128256, "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36, "num_attention_heads": 16,
			"num_key_value_heads": 4, "hidden_act": "silu", "max_position_embeddings": 32768, "rms_norm_eps": 1e-06, "rope_theta": 2000000,
			"no_rope_layer_interval": 4, "tie_word_embeddings": true}`,
	optional: biases("attention_bias", "attention_bias"),
	block:    llama.block,
	read: func(b *builder) {
		llama.read(b)
		unrotated := make([]bool, b.layers)
		every := b.count("no_rope_layer_interval")
		for l := range unrotated {
			unrotated[l] = (l+1)%every == 0
		}
		if rotated := b.floats("no_rope_layers"); rotated != nil { // 1: rotated, whatever the name says
			if len(rotated) != b.layers {
				b.fail("\"no_rope_layers\" has %d entries for %d layers; fetch the file again", len(rotated), b.layers)
				return
			}
			for l, r := range rotated {
				unrotated[l] = r == 0
			}
		}
		b.setFull("headprof.unrotated", unrotated)
		if !b.boolOr("use_sliding_window", false) {
			b.values["sliding_window"] = []byte("null")
			for l, t := range b.layerTypes() {
				if t != "full_attention" {
					b.fail("\"layer_types\" is %q at layer %d, and \"use_sliding_window\" is not true; make them agree", t, l)
				}
			}
			return
		}
		b.windowAt(func(l int) bool { return b.has("sliding_window") && unrotated[l] })
	},
}
