package safetensors

import "encoding/json"

func init() { register("phi3", &phi3) }

var phi3 = family{
	arch: "phi3", prefix: "model.layers.", outer: usualOuter,
	defaults: `{"vocab_size": 32064, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32, "num_attention_heads": 32,
			"hidden_act": "silu", "max_position_embeddings": 4096, "original_max_position_embeddings": 4096, "rms_norm_eps": 1e-05,
			"rope_theta": 10000, "partial_rotary_factor": 1}`,
	optional: map[string]string{"attn_qkv.bias": "", "attn_output.bias": ""},
	block: join(preNorms, map[string]string{
		"self_attn.qkv_proj": "attn_qkv", "self_attn.o_proj": "attn_output",
		"mlp.gate_up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
	}),
	read: func(b *builder) {
		b.activation("hidden_act", "silu")
		b.sizes()
		b.rmsEps()
		b.phi3Rope()
		b.windowEverywhere()
	},
}

// phi3Rope reads Phi-3's rotary embedding, whose only scaling is LongRoPE: older
// files call it su or yarn.
func (b *builder) phi3Rope() {
	for _, key := range []string{"rope_scaling", "rope_parameters"} {
		s := b.object(key)
		for _, name := range []string{"type", "rope_type"} {
			switch kind := s.text(name); kind {
			case "", "default", "longrope":
			case "su", "yarn":
				s.values[name] = []byte(`"longrope"`)
			default:
				b.fail("%q has the type %q, where model type \"phi3\" has longrope only", key, kind)
			}
		}
		if len(s.values) > 0 {
			b.values[key], _ = json.Marshal(s.values)
		}
	}
	b.partialRope(b.dim, "rope_theta", "partial_rotary_factor")
}
