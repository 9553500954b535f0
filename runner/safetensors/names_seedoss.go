package safetensors

func init() { register("seed_oss", &seedoss) }

var seedoss = family{
	arch: "seed_oss", prefix: "model.layers.", outer: usualOuter,
	defaults: `{"vocab_size": 155136, "hidden_size": 4096, "intermediate_size": 27648, "num_hidden_layers": 64, "num_attention_heads": 80,
			"num_key_value_heads": 8, "head_dim": 128, "hidden_act": "silu", "max_position_embeddings": 524288, "rms_norm_eps": 1e-06,
			"rope_theta": 10000, "attention_bias": true}`,
	optional: biases("attention_bias", "attention_out_bias"),
	block:    llama.block,
	read:     func(b *builder) { b.llamaLike() },
}
