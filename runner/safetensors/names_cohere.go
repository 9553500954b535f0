package safetensors

func init() {
	register("cohere", &cohere)
	register("cohere2", &cohere2)
}

// Both rotate neighbouring pairs, in folders, too.
var (
	cohere = family{
		arch: "command-r", prefix: "model.layers.", outer: usualOuter,
		defaults: `{"vocab_size": 256000, "hidden_size": 8192, "intermediate_size": 22528, "num_hidden_layers": 40, "num_attention_heads": 64,
			"hidden_act": "silu", "max_position_embeddings": 8192, "layer_norm_eps": 1e-05, "rope_theta": 500000, "logit_scale": 0.0625,
			"tie_word_embeddings": true}`,
		optional: join(biases("attention_bias", "attention_bias"), map[string]string{"attn_q_norm.weight": "use_qk_norm", "attn_k_norm.weight": "use_qk_norm"}),
		block:    join(usualQKVO, headNorms, usualGated, map[string]string{"input_layernorm": "attn_norm"}),
		read: func(b *builder) {
			b.activation("hidden_act", "silu")
			b.sizes()
			b.set("attention.layer_norm_epsilon", float32(b.floatOr("layer_norm_eps", 0)))
			if !b.has("logit_scale") {
				b.fail("\"logit_scale\" is null, which transformers cannot multiply by; state it")
			}
			b.set("logit_scale", float32(b.floatOr("logit_scale", 0)))
			b.rope(b.dim)
		},
	}
	cohere2 = family{
		arch: "cohere2", prefix: "model.layers.", outer: usualOuter,
		defaults: `{"vocab_size": 256000, "hidden_size": 8192, "intermediate_size": 22528, "num_hidden_layers": 40, "num_attention_heads": 64,
			"hidden_act": "silu", "max_position_embeddings": 8192, "layer_norm_eps": 1e-05, "rope_theta": 10000, "logit_scale": 0.0625,
			"tie_word_embeddings": true, "sliding_window": 4096, "sliding_window_pattern": 4}`,
		optional: biases("attention_bias", "attention_bias"),
		block:    join(usualQKVO, usualGated, map[string]string{"input_layernorm": "attn_norm"}),
		read: func(b *builder) {
			b.values["head_dim"] = []byte("null") // the class sets it itself
			cohere.read(b)
			if !b.has("sliding_window") {
				b.fail("\"sliding_window\" is null, which transformers takes as no rotary embedding at all; state it")
			}
			every := b.count("sliding_window_pattern")
			local := func(l int) bool { return (l+1)%every != 0 }
			if types := b.layerTypes(); types != nil {
				local = func(l int) bool { return types[l] == "sliding_attention" }
			}
			b.windowAt(local)
			unrotated := make([]bool, b.layers)
			for l := range unrotated {
				unrotated[l] = !local(l)
			}
			b.setFull("headprof.unrotated", unrotated)
		},
	}
)
