package safetensors

func init() { register("ministral3", &ministral3) }

var ministral3 = family{
	arch: "mistral3", prefix: "model.layers.", outer: usualOuter,
	defaults: `{"vocab_size": 131072, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 34, "num_attention_heads": 32,
			"num_key_value_heads": 8, "head_dim": 128, "hidden_act": "silu", "max_position_embeddings": 262144, "rms_norm_eps": 1e-05,
			"rope_theta": 10000, "sliding_window": null}`,
	optional: biases("", ""),
	block:    llama.block,
	read: func(b *builder) {
		if b.has("rope_scaling") || !b.has("rope_parameters") {
			b.fail("\"rope_parameters\" is missing, which model type \"ministral3\" needs")
			return
		}
		llama.read(b)
		b.windowEverywhere()
		p := b.object("rope_parameters")
		if !p.has("llama_4_scaling_beta") || !p.has("original_max_position_embeddings") {
			b.fail("\"rope_parameters\" have no \"llama_4_scaling_beta\" or no \"original_max_position_embeddings\", which model type \"ministral3\" needs")
			return
		}
		b.set("attention.temperature_scale", float32(p.floatOr("llama_4_scaling_beta", 0)))
		b.set("rope.scaling.original_context_length", p.count("original_max_position_embeddings"))
	},
}
