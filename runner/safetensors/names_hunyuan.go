package safetensors

import "math"

func init() { register("hunyuan_v1_dense", &hunyuan) }

var hunyuan = family{
	arch: "hunyuan-dense", prefix: "model.layers.", outer: usualOuter,
	defaults: `{"vocab_size": 290943, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
			"hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-05, "rope_theta": 10000}`,
	optional: biases("attention_bias", "attention_bias"),
	block: join(preNorms, usualQKVO, usualGated, map[string]string{
		"self_attn.query_layernorm": "attn_q_norm", "self_attn.key_layernorm": "attn_k_norm",
	}),
	read: func(b *builder) {
		b.llamaLike()
		// NTK scaling with a fixed alpha, which the files call dynamic, is a larger base.
		for _, key := range []string{"rope_scaling", "rope_parameters"} {
			s := b.object(key)
			kind := s.text("rope_type")
			if kind == "" {
				kind = s.text("type")
			}
			if alpha := s.floatOr("alpha", 0); kind == "dynamic" && alpha > 0 {
				theta := s.floatOr("rope_theta", b.floatOr("rope_theta", 0))
				b.set("rope.freq_base", float32(theta*math.Pow(alpha, float64(b.dim)/float64(b.dim-2))))
				b.set("rope.scaling.type", "none")
				b.set("rope.scaling.factor", float32(1))
			}
		}
	},
}
