package safetensors

import "slices"

func init() { register("granitemoehybrid", &granitehybrid) }

// granitehybrid is Granite 4. Models without Mamba layers are for GGUF "granite"
// and, where they are mixtures, "granitemoe".
var (
	granitehybrid = family{
		arch: "granitemoe", prefix: "model.layers.", outer: usualOuter,
		defaults: `{"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
			"hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-06, "rope_theta": 10000, "embedding_multiplier": 1,
			"logits_scaling": 1, "residual_multiplier": 1, "attention_multiplier": 1, "num_local_experts": 8, "num_experts_per_tok": 2,
			"num_experts": 8, "shared_intermediate_size": 1024, "mamba_n_heads": 128, "mamba_n_groups": 1,
			"mamba_d_state": 256, "mamba_d_head": "auto", "mamba_d_conv": 4, "mamba_expand": 2, "mamba_conv_bias": true, "mamba_proj_bias": false}`,
		optional: granitemoe.optional,
		block:    granitemoeshared.block,
		made:     granitemoeshared.made,
		read: func(b *builder) {
			types := b.texts("layer_types")
			if b.has("layers_block_type") {
				types = b.texts("layers_block_type")
			}
			layers := b.count("num_hidden_layers")
			if types != nil && len(types) != layers {
				b.fail("\"layer_types\" has %d entries for %d layers; fetch the file again", len(types), layers)
				return
			}
			attend := make([]bool, layers)
			for l := range attend {
				attend[l] = types != nil && (types[l] == "attention" || types[l] == "full_attention")
				if types != nil && !attend[l] && types[l] != "mamba" && types[l] != "linear_attention" {
					b.fail("\"layer_types\" is %q at layer %d, where model type \"granitemoehybrid\" has attention and mamba", types[l], l)
					return
				}
			}
			if slices.Contains(attend, false) {
				b.mambaLayers(attend)
				b.unrotatedBy("position_embedding_type")
				return
			}
			if b.countOr("num_local_experts", 0) == 0 {
				b.family = &granite4
				b.setFull("general.architecture", b.family.arch)
				b.values["intermediate_size"] = b.values["shared_intermediate_size"]
				granite.read(b)
			} else {
				granitemoeshared.read(b)
			}
			b.unrotatedBy("position_embedding_type")
		},
	}
	graniteMamba = family{
		arch: "granitehybrid", prefix: "model.layers.", outer: usualOuter,
		optional: join(granitemoe.optional, map[string]string{
			"ssm_conv1d.bias": "mamba_conv_bias", "ssm_in.bias": "mamba_proj_bias", "ssm_out.bias": "mamba_proj_bias"}),
		block: join(granitemoeshared.block, mamba2),
		made:  with(granitemoeshared.made, mamba2Made),
	}
	granite4 = family{
		arch: "granite", prefix: "model.layers.", outer: usualOuter, optional: granitemoe.optional,
		block: join(preNorms, usualQKVO, map[string]string{
			"shared_mlp.input_linear": "ffn_gate|ffn_up", "shared_mlp.output_linear": "ffn_down",
		}),
		made: map[string]reshape{"ffn_gate.weight": half(0), "ffn_up.weight": half(1)},
	}
)

// unrotatedBy says whether layers are rotated.
func (b *builder) unrotatedBy(key string) {
	unrotated := make([]bool, b.layers)
	for l := range unrotated {
		unrotated[l] = b.text(key) != "rope"
	}
	b.setFull("headprof.unrotated", unrotated)
}

// mambaLayers reads a model with Mamba-2 layers.
func (b *builder) mambaLayers(attend []bool) {
	b.family = &graniteMamba
	b.setFull("general.architecture", b.family.arch)
	if b.countOr("num_local_experts", 0) == 0 {
		b.values["intermediate_size"] = b.values["shared_intermediate_size"]
		granite.read(b)
		b.set("expert_shared_feed_forward_length", b.count("shared_intermediate_size"))
	} else {
		granitemoeshared.read(b)
	}
	b.attend = attend
	b.kvHeads()
	b.timeSteps()
	b.mamba(b.count("mamba_expand") * b.count("hidden_size"))
}
