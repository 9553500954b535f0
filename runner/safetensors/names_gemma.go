package safetensors

import "math"

func init() {
	register("gemma", &gemma)
	register("gemma2", &gemma2)
	register("gemma3_text", &gemma3)
}

// Gemma's feed-forward has norms on both sides from version 2 on.
var gemmaNorms = map[string]string{
	"input_layernorm": "attn_norm", "post_attention_layernorm": "post_attention_norm",
	"pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
}

var (
	gemma = family{
		arch: "gemma", prefix: "model.layers.", outer: usualOuter,
		defaults: `{"vocab_size": 256000, "hidden_size": 3072, "intermediate_size": 24576, "num_hidden_layers": 28, "num_attention_heads": 16,
			"num_key_value_heads": 16, "head_dim": 256, "hidden_act": "gelu_pytorch_tanh", "max_position_embeddings": 8192,
			"rms_norm_eps": 1e-06, "rope_theta": 10000, "tie_word_embeddings": true}`,
		optional: biases("attention_bias", "attention_bias"),
		block:    join(preNorms, usualQKVO, usualGated),
		read: func(b *builder) {
			if b.text("hidden_act") == "gelu" {
				b.fail("\"hidden_act\" is \"gelu\", which transformers 4.57 takes as the exact form and 5 as the tanh form that Gemma was trained with; write \"gelu_pytorch_tanh\" for the latter")
			}
			b.gemma("hidden_act")
			b.rope(b.dim)
		},
	}
	gemma2 = family{
		arch: "gemma2", prefix: "model.layers.", outer: usualOuter,
		defaults: `{"vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26, "num_attention_heads": 8,
			"num_key_value_heads": 4, "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh", "max_position_embeddings": 8192,
			"rms_norm_eps": 1e-06, "rope_theta": 10000, "tie_word_embeddings": true, "query_pre_attn_scalar": 256, "sliding_window": 4096,
			"final_logit_softcapping": 30, "attn_logit_softcapping": 50}`,
		optional: biases("attention_bias", "attention_bias"),
		block:    join(gemmaNorms, usualQKVO, usualGated),
		read: func(b *builder) {
			b.gemma("hidden_activation")
			b.rope(b.dim)
			b.set("attn_logit_softcapping", b.softCap("attn_logit_softcapping"))
			b.set("final_logit_softcapping", b.softCap("final_logit_softcapping"))
			b.windowAt(func(l int) bool { return (l+1)%2 != 0 })
			b.queryScale()
		},
	}
	gemma3 = family{
		arch: "gemma3", prefix: "model.layers.", outer: usualOuter,
		defaults: `{"vocab_size": 262208, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26, "num_attention_heads": 8,
			"num_key_value_heads": 4, "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh", "max_position_embeddings": 131072,
			"rms_norm_eps": 1e-06, "rope_theta": 1000000, "rope_local_base_freq": 10000, "tie_word_embeddings": true,
			"query_pre_attn_scalar": 256, "sliding_window": 4096, "sliding_window_pattern": 6}`,
		optional: biases("attention_bias", "attention_bias"),
		block:    join(gemmaNorms, usualQKVO, headNorms, usualGated),
		read: func(b *builder) {
			b.gemma("hidden_activation")
			b.layerRopes(b.floatOr("rope_theta", 0), b.floatOr("rope_local_base_freq", 0))
			if b.has("attn_logit_softcapping") {
				b.fail("\"attn_logit_softcapping\" is set, which model type %q does not have", b.text("model_type"))
			}
			b.set("final_logit_softcapping", b.softCap("final_logit_softcapping"))
			every := b.count("sliding_window_pattern")
			b.windowAt(func(l int) bool { return (l+1)%every != 0 })
			b.queryScale()
		},
	}
)

// gemma reads what all versions state; activation names the setting of the gate's
// function, which is the tanh form of GELU.
func (b *builder) gemma(activation string) {
	b.activation(activation, "gelu_pytorch_tanh", "gelu_new")
	b.refuse("use_bidirectional_attention")
	b.sizes()
	b.rmsEps()
	b.setFull("headprof.norm.add_one", true)
}

// softCap reads the cap of scores or logits; null is none.
func (b *builder) softCap(key string) float32 {
	if b.has(key) && !(b.floatOr(key, 0) > 0) {
		b.fail("%q is %v; it must be above 0, or null for none", key, b.floatOr(key, 0))
	}
	return float32(b.floatOr(key, 0))
}

// layerRopes reads the two rotary embeddings of a family whose windowed layers
// have one of their own; scalings are those of the global layers. theta and local
// are the bases where rope_parameters have none.
func (b *builder) layerRopes(theta, local float64) {
	global := b.object("rope_scaling")
	if b.has("rope_parameters") {
		p := b.object("rope_parameters")
		sliding := p.object("sliding_attention")
		if b.has("rope_scaling") || !p.has("full_attention") && !p.has("sliding_attention") {
			b.fail("\"rope_parameters\" must have \"full_attention\" and \"sliding_attention\" for model type %q, and no \"rope_scaling\" beside them", b.text("model_type"))
		}
		if kind := sliding.text("rope_type"); kind != "" && kind != "default" {
			b.fail("\"rope_parameters\" scale the windowed layers (%q), which headprof does not support", kind)
		}
		global, local = p.object("full_attention"), sliding.floatOr("rope_theta", local)
	} else {
		b.fits(global, "rope_theta", theta)
	}
	b.ropeOf(b.dim, global, theta, "")
	b.set("rope.freq_base_swa", float32(local))
}

// queryScale sets the attention scale, query_pre_attn_scalar^(−1/2).
func (b *builder) queryScale() {
	s := b.floatOr("query_pre_attn_scalar", 0)
	if !(s > 0) {
		b.fail("\"query_pre_attn_scalar\" is %v; it must be above 0", s)
		return
	}
	b.set("attention.scale", float32(1/math.Sqrt(s)))
}
