package safetensors

import (
	"maps"
	"slices"
	"strconv"

	"headprof/runner/tensor"
)

func init() { register("gemma4_text", &gemma4) }

// perLayerNames are the embeddings that Gemma 3n and 4 add in every layer.
var (
	perLayerOuter = map[string]string{"model.embed_tokens_per_layer": "per_layer_token_embd",
		"model.per_layer_model_projection": "per_layer_model_proj", "model.per_layer_projection_norm": "per_layer_proj_norm"}
	perLayerBlock = map[string]string{"per_layer_input_gate": "inp_gate", "per_layer_projection": "proj", "post_per_layer_input_norm": "post_norm"}
)

var gemma4 = family{
	arch: "gemma4", prefix: "model.layers.", outer: join(usualOuter, perLayerOuter),
	defaults: `{"vocab_size": 262144, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 30, "num_attention_heads": 8,
			"num_key_value_heads": 4, "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh", "max_position_embeddings": 131072,
			"rms_norm_eps": 1e-06, "tie_word_embeddings": true, "sliding_window": 512, "vocab_size_per_layer_input": 262144,
			"hidden_size_per_layer_input": 256, "global_head_dim": 512,
			"rope_parameters": {"sliding_attention": {"rope_type": "default", "rope_theta": 10000},
				"full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1000000}}}`,
	block: join(gemmaNorms, usualQKVO, headNorms, usualGated, perLayerBlock, map[string]string{
		"layer_scalar": "layer_output_scale", "router.proj": "ffn_gate_inp", "router.scale": "ffn_gate_inp.scale",
		"router.per_expert_scale": "ffn_down_exps.scale", "experts.gate_up_proj": "ffn_gate_up_exps", "experts.down_proj": "ffn_down_exps",
		"post_feedforward_layernorm_1": "post_ffw_norm_1", "pre_feedforward_layernorm_2": "pre_ffw_norm_2", "post_feedforward_layernorm_2": "post_ffw_norm_2",
	}),
	read: func(b *builder) {
		b.activation("hidden_activation", "gelu_pytorch_tanh", "gelu_new")
		b.refuse("attention_bias")
		if b.text("use_bidirectional_attention") == "all" {
			b.fail("\"use_bidirectional_attention\" is \"all\": the model is an encoder and generates no text")
		}
		b.sizes()
		b.rmsEps()
		sliding := b.gemma4Layers()
		shared := b.sharedCaches(sliding)
		b.set("embedding_length_per_layer_input", b.countOr("hidden_size_per_layer_input", 0))
		b.set("final_logit_softcapping", b.softCap("final_logit_softcapping"))
		if b.boolOr("use_double_wide_mlp", false) {
			widths := make([]int, b.layers)
			for l := range widths {
				widths[l] = b.count("intermediate_size")
				if l >= b.layers-shared {
					widths[l] *= 2
				}
			}
			b.set("feed_forward_length", widths)
		}
		if b.boolOr("enable_moe_block", false) {
			b.set("expert_count", b.count("num_experts"))
			b.set("expert_used_count", b.count("top_k_experts"))
			b.set("expert_feed_forward_length", b.count("moe_intermediate_size"))
		}
	},
}

// sharedCaches reads how many of the last layers share keys and values.
func (b *builder) sharedCaches(sliding []bool) int {
	n := b.countOr("num_kv_shared_layers", 0)
	if n >= b.layers {
		b.fail("\"num_kv_shared_layers\" is %d of %d layers, so that none has keys and values; fetch the file again", n, b.layers)
		return 0
	}
	for l, s := range sliding {
		if n > 0 && !slices.Contains(sliding[:b.layers-n], s) {
			b.fail("layer %d shares the keys and values of an earlier layer of its kind by \"num_kv_shared_layers\" %d, and there is none", l, n)
			return 0
		}
	}
	b.set("attention.shared_kv_layers", n)
	return n
}

// slidingLayers reads which layers have a window: those that layer_types say,
// else all but each every-th.
func (b *builder) slidingLayers(every int) []bool {
	sliding := make([]bool, b.layers)
	for l := range sliding {
		sliding[l] = (l+1)%every != 0
	}
	for l, t := range b.layerTypes() {
		sliding[l] = t == "sliding_attention"
	}
	return sliding
}

// gemma4Layers reads what differs by layer.
func (b *builder) gemma4Layers() (sliding []bool) {
	sliding = b.slidingLayers(6)
	sliding[b.layers-1] = false // as the class does, whatever layer_types say
	w := b.countOr("sliding_window", 0)
	if w == 0 && slices.Contains(sliding, true) {
		b.fail("\"sliding_window\" is null or 0, but layers have one; state it")
	}
	b.set("attention.sliding_window", w)
	b.set("attention.sliding_window_pattern", sliding)
	same := b.boolOr("attention_k_eq_v", false)
	kv, dims := make([]int, b.layers), make([]int, b.layers)
	values := make([]bool, b.layers)
	global := 0 // KV heads of global layers
	if same {
		global = b.countOr("num_global_key_value_heads", 0)
	}
	for l := range kv {
		kv[l], dims[l], values[l] = b.countOr("num_key_value_heads", b.heads), b.dim, same && !sliding[l]
		if b.has("per_layer_config") || sliding[l] {
			continue
		}
		if dims[l] = b.count("global_head_dim"); global > 0 {
			kv[l] = global
		}
	}
	b.perLayerConfig(kv, dims)
	size := map[bool]int{false: b.dim, true: b.dim} // by window
	for l, d := range dims {
		if i := slices.Index(sliding, sliding[l]); dims[i] != d {
			b.fail("\"per_layer_config\" gives layers %d and %d heads of %d and %d dimensions, and their rotary embedding is the same; fetch the file again", i, l, dims[i], d)
		}
		size[sliding[l]] = d
	}
	b.set("attention.head_count_kv", kv)
	b.set("attention.key_length", size[false])
	b.set("attention.value_length", size[false])
	b.set("attention.key_length_swa", size[true])
	b.set("attention.value_length_swa", size[true])
	b.setFull("headprof.values_are_keys", values)
	b.gemma4Ropes(size[false])
	return sliding
}

// perLayerConfig applies the overrides of single layers that transformers 5 writes.
func (b *builder) perLayerConfig(kv, dims []int) {
	all := b.object("per_layer_config")
	for _, key := range slices.Sorted(maps.Keys(all.values)) {
		l, err := strconv.Atoi(key)
		if err != nil || l < 0 || l >= b.layers {
			b.fail("\"per_layer_config\" has %q, which is no layer of %d", key, b.layers)
			return
		}
		one := all.object(key)
		for _, name := range slices.Sorted(maps.Keys(one.values)) {
			switch name {
			case "head_dim":
				dims[l] = one.count(name)
			case "num_key_value_heads":
				kv[l] = one.count(name)
			default:
				b.fail("\"per_layer_config\" changes %q of layer %d, which headprof does not support", name, l)
			}
		}
	}
}

// gemma4Ropes reads the rotary embeddings of both kinds of layers. A proportional
// one rotates the first frequencies of a head of dim dimensions: the others'
// factors are so large that nothing turns, as GGUF has them.
func (b *builder) gemma4Ropes(dim int) {
	p := b.object("rope_parameters")
	full, sliding := p.object("full_attention"), p.object("sliding_attention")
	if b.has("rope_scaling") || !p.has("full_attention") {
		b.fail("\"rope_parameters\" must have \"full_attention\" and \"sliding_attention\" for model type %q, and no \"rope_scaling\" beside them", b.text("model_type"))
		return
	}
	if kind := sliding.text("rope_type"); kind != "" && kind != "default" {
		b.fail("\"rope_parameters\" scale the windowed layers (%q), which headprof does not support", kind)
	}
	b.set("rope.freq_base_swa", float32(sliding.floatOr("rope_theta", 10000)))
	if full.text("rope_type") != "proportional" {
		b.ropeOf(dim, full, 0, "")
		return
	}
	theta, share, factor := full.floatOr("rope_theta", 0), full.floatOr("partial_rotary_factor", 1), full.floatOr("factor", 1)
	if !(theta > 0) || !(share >= 0 && share <= 1) || !(factor > 0) {
		b.fail("the rotary embedding's base is %v, its share of a head %v and its factor %v; the first and last must be above 0, the share at most 1", theta, share, factor)
		return
	}
	b.set("rope.freq_base", float32(theta))
	b.set("rope.dimension_count", dim)
	turned := int(share * float64(dim) / 2)
	factors := make([]float32, dim/2)
	for i := range factors {
		factors[i] = 1e30
		if i < turned {
			factors[i] = float32(factor)
		}
	}
	const name = "rope_freqs.weight"
	b.made[name] = tensor.FromF32(name, []int{len(factors)}, factors)
}
