package safetensors

import (
	"fmt"
	"math"
	"slices"
)

func init() { register("gemma3n_text", &gemma3n) }

var gemma3n = family{
	arch: "gemma3n", prefix: "model.layers.", outer: join(usualOuter, perLayerOuter, streamNames()),
	defaults: `{"vocab_size": 262400, "hidden_size": 2048, "intermediate_size": 16384, "num_hidden_layers": 35, "num_attention_heads": 8,
			"num_key_value_heads": 2, "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh", "max_position_embeddings": 32768,
			"rms_norm_eps": 1e-06, "rope_theta": 1000000, "rope_local_base_freq": 10000, "tie_word_embeddings": true, "sliding_window": 512,
			"final_logit_softcapping": 30, "vocab_size_per_layer_input": 262144, "hidden_size_per_layer_input": 256, "altup_active_idx": 0,
			"altup_correct_scale": true, "altup_num_inputs": 4, "num_kv_shared_layers": 15, "laurel_rank": 64}`,
	block: join(gemmaNorms, usualQKVO, headNorms, usualGated, perLayerBlock, map[string]string{
		"laurel.linear_left": "laurel_l", "laurel.linear_right": "laurel_r", "laurel.post_laurel_norm": "laurel_post_norm",
		"altup.correct_output_scale": "altup_correct_scale", "altup.correction_coefs": "altup_correct_coef",
		"altup.prediction_coefs": "altup_predict_coef", "altup.modality_router": "altup_router", "altup.router_norm": "altup_router_norm",
	}),
	read: func(b *builder) {
		b.activation("hidden_activation", "gelu_pytorch_tanh", "gelu_new")
		b.refuse("attention_bias")
		b.refuse("use_bidirectional_attention")
		widths := b.widths()
		b.sizes()
		b.set("feed_forward_length", widths)
		b.rmsEps()
		sliding := b.slidingLayers(5)
		w := b.countOr("sliding_window", 0)
		if w == 0 && slices.Contains(sliding, true) {
			b.fail("\"sliding_window\" is null or 0, but layers have one; state it")
		}
		b.set("attention.sliding_window", w)
		b.set("attention.sliding_window_pattern", sliding)
		b.sharedCaches(sliding)
		b.layerRopes(b.floatOr("rope_theta", 0), b.floatOr("rope_local_base_freq", 0))
		b.set("final_logit_softcapping", b.softCap("final_logit_softcapping"))
		b.set("embedding_length_per_layer_input", b.count("hidden_size_per_layer_input"))
		b.set("altup.num_inputs", b.count("altup_num_inputs"))
		b.set("altup.active_idx", b.countOr("altup_active_idx", 0))
		b.setFull("headprof.altup_correct_scale", b.boolOr("altup_correct_scale", true))
		b.set("activation_sparsity_scale", b.sparsity())
	},
}

// streamNames are the matrices of the residual streams but the first.
func streamNames() map[string]string {
	all := map[string]string{}
	for i := range 15 {
		all[fmt.Sprintf("model.altup_projections.%d", i)] = fmt.Sprintf("altup_proj.%d", i)
		all[fmt.Sprintf("model.altup_unembed_projections.%d", i)] = fmt.Sprintf("altup_unembd_proj.%d", i)
	}
	return all
}

// widths reads the feed-forward's width, one for all layers or one for each, and
// leaves the first to what reads one number.
func (b *builder) widths() []int {
	n := b.count("num_hidden_layers")
	raw := b.values["intermediate_size"]
	if len(raw) == 0 || raw[0] != '[' {
		return slices.Repeat([]int{b.count("intermediate_size")}, min(n, 1<<16))
	}
	var list []int
	b.read("intermediate_size", "a list of whole numbers", &list)
	if len(list) != n || len(list) == 0 || slices.Min(list) < 1 || slices.Max(list) > maxCount {
		b.fail("\"intermediate_size\" has %d entries for %d layers, or one below 1; fetch the file again", len(list), n)
		return []int{1}
	}
	b.values["intermediate_size"] = fmt.Append(nil, list[0])
	return list
}

// sparsity gives each layer's standard deviations above the mean that a gate must
// exceed for the wanted share of zeros, were gates normally distributed; −∞ where
// all count. Without a setting the first ten of more than ten layers are sparse.
func (b *builder) sparsity() []float32 {
	shares := b.floats("activation_sparsity_pattern")
	if !b.has("activation_sparsity_pattern") {
		shares = make([]float32, b.layers)
		for l := range shares {
			if b.layers > 10 && l < 10 {
				shares[l] = 0.95
			}
		}
	}
	if len(shares) != b.layers {
		b.fail("\"activation_sparsity_pattern\" has %d entries for %d layers; fetch the file again", len(shares), b.layers)
	}
	out := make([]float32, len(shares))
	for l, s := range shares {
		switch {
		case s <= 0:
			out[l] = float32(math.Inf(-1))
		case s < 1:
			out[l] = float32(math.Sqrt2 * math.Erfinv(float64(2*s-1)))
		default:
			b.fail("\"activation_sparsity_pattern\" is %v at layer %d; it must be below 1", s, l)
		}
	}
	return out
}
