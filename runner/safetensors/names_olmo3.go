package safetensors

func init() { register("olmo3", &olmo3) }

// olmo3 is GGUF's olmo2 with windows.
var olmo3 = family{
	arch: "olmo2", prefix: "model.layers.", outer: usualOuter,
	defaults: `{"vocab_size": 50304, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
			"hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-05, "sliding_window": 4096}`,
	optional: biases("attention_bias", "attention_bias"),
	block:    olmo2.block,
	read: func(b *builder) {
		b.activation("hidden_act", "silu")
		b.sizes()
		b.rmsEps()
		b.windowAt(func(l int) bool { return (l+1)%4 != 0 })
		const theta = 500000
		if t := b.floatOr("rope_theta", theta); t != theta {
			b.fail("\"rope_theta\" is %v outside of \"rope_parameters\", which transformers 5 takes for some layers and 4 for all; state it within them", t)
		}
		b.layerRopes(theta, theta)
	},
}
