package safetensors

func init() { register("granite", &granite) }

var granite = family{
	arch: "granite", prefix: "model.layers.", outer: usualOuter,
	defaults: `{"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
			"hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-06, "rope_theta": 10000, "embedding_multiplier": 1,
			"logits_scaling": 1, "residual_multiplier": 1, "attention_multiplier": 1}`,
	optional: biases("attention_bias", "attention_bias"),
	block:    join(preNorms, usualQKVO, usualGated),
	read: func(b *builder) {
		b.llamaLike()
		b.setFull("headprof.rope.half_split", true)
		b.set("attention.scale", float32(b.floatOr("attention_multiplier", 1)))
		b.set("embedding_scale", float32(b.floatOr("embedding_multiplier", 1)))
		b.set("residual_scale", float32(b.floatOr("residual_multiplier", 1)))
		b.set("logit_scale", float32(b.floatOr("logits_scaling", 1)))
	},
}
