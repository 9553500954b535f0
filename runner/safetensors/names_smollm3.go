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
		unrotated := b.unrotated("no_rope_layers", "no_rope_layer_interval")
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

// unrotated reads which layers have no rotary embedding: a list of numbers, in
// which 1 is rotated, whatever its name says, or each so many-th.
func (b *builder) unrotated(list, interval string) []bool {
	out := make([]bool, b.layers)
	rotated, every := b.floats(list), 1
	if len(rotated) == 0 {
		every = b.count(interval)
	} else if len(rotated) != b.layers {
		b.fail("%q has %d entries for %d layers; fetch the file again", list, len(rotated), b.layers)
		return out
	}
	for l := range out {
		if len(rotated) > 0 {
			out[l] = rotated[l] == 0
		} else {
			out[l] = (l+1)%every == 0
		}
	}
	return out
}
