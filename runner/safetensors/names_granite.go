package safetensors

var granite = family{
	arch: "granite", prefix: "model.layers.", ends: usualEnds,
	block: join(preNorms, usualQKVO, usualGated),
	read: func(b *builder) {
		b.llamaLike(10000, 1e-6)
		b.setFull("headprof.rope.half_split", true)
		b.set("attention.scale", float32(b.floatOr("attention_multiplier", 1)))
		b.set("embedding_scale", float32(b.floatOr("embedding_multiplier", 1)))
		b.set("residual_scale", float32(b.floatOr("residual_multiplier", 1)))
		b.set("logit_scale", float32(b.floatOr("logits_scaling", 1)))
	},
}
