package safetensors

func init() { register("granitemoehybrid", &granitehybrid) }

// granitehybrid is Granite 4, of which headprof reads the models without Mamba
// layers: for GGUF, dense ones are "granite" and mixtures "granitemoe".
var (
	granitehybrid = family{
		arch: "granitemoe", prefix: "model.layers.", outer: usualOuter,
		defaults: `{"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
			"hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-06, "rope_theta": 10000, "embedding_multiplier": 1,
			"logits_scaling": 1, "residual_multiplier": 1, "attention_multiplier": 1, "num_local_experts": 8, "num_experts_per_tok": 2,
			"num_experts": 8, "shared_intermediate_size": 1024}`,
		optional: granitemoe.optional,
		block:    granitemoeshared.block,
		made:     granitemoeshared.made,
		read: func(b *builder) {
			types := b.texts("layer_types")
			if b.has("layers_block_type") {
				types = b.texts("layers_block_type")
			}
			for l := range b.count("num_hidden_layers") {
				if l >= len(types) || types[l] != "attention" && types[l] != "full_attention" {
					b.fail("\"layer_types\" has a Mamba layer (%d), which headprof does not support: model type \"granitemoehybrid\" runs where all layers are \"attention\"", l)
					return
				}
			}
			if b.countOr("num_local_experts", 0) == 0 {
				b.family = &granite4
				b.setFull("general.architecture", b.family.arch)
				b.values["intermediate_size"] = b.values["shared_intermediate_size"]
				granite.read(b)
			} else {
				granitemoeshared.read(b)
			}
			unrotated := make([]bool, b.layers)
			for l := range unrotated {
				unrotated[l] = b.text("position_embedding_type") != "rope"
			}
			b.setFull("headprof.unrotated", unrotated)
		},
	}
	granite4 = family{
		arch: "granite", prefix: "model.layers.", outer: usualOuter, optional: granitemoe.optional,
		block: join(preNorms, usualQKVO, map[string]string{
			"shared_mlp.input_linear": "ffn_gate|ffn_up", "shared_mlp.output_linear": "ffn_down",
		}),
		made: map[string]reshape{"ffn_gate.weight": half(0), "ffn_up.weight": half(1)},
	}
)
