package safetensors

import "math"

// Gemma's feed-forward has norms on both sides from version 2 on.
var gemmaNorms = map[string]string{
	"input_layernorm": "attn_norm", "post_attention_layernorm": "post_attention_norm",
	"pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
}

var (
	gemma = family{
		arch: "gemma", prefix: "model.layers.", ends: usualEnds, tied: true,
		block: join(preNorms, usualQKVO, usualGated),
		read: func(b *builder) {
			b.gemma(10000)
		},
	}
	gemma2 = family{
		arch: "gemma2", prefix: "model.layers.", ends: usualEnds, tied: true,
		block: join(gemmaNorms, usualQKVO, usualGated),
		read: func(b *builder) {
			b.gemma(10000)
			b.set("attn_logit_softcapping", float32(b.floatOr("attn_logit_softcapping", 0)))
			b.set("final_logit_softcapping", float32(b.floatOr("final_logit_softcapping", 0)))
			b.set("attention.sliding_window", b.countOr("sliding_window", 4096))
			b.queryScale()
			if p := b.windowPattern(2); p != 2 {
				b.fail("every %d-th layer is global, where headprof supports every 2nd for model type %q", p, b.text("model_type"))
			}
		},
	}
	gemma3 = family{
		arch: "gemma3", prefix: "model.layers.", ends: usualEnds, tied: true,
		block: join(gemmaNorms, usualQKVO, headNorms, usualGated),
		read: func(b *builder) {
			// Published configurations leave out what equals these.
			b.assume("num_attention_heads", "8")
			b.assume("num_key_value_heads", "4")
			b.assume("head_dim", "256")
			b.assume("max_position_embeddings", "131072")
			b.assume("vocab_size", "262208")
			b.gemma(1e6)
			for _, key := range []string{"attn_logit_softcapping", "final_logit_softcapping"} {
				if b.floatOr(key, 0) != 0 {
					b.fail("%q is set, which headprof does not support for model type %q", key, b.text("model_type"))
				}
			}
			local := b.object("rope_parameters").object("sliding_attention").floatOr("rope_theta", b.floatOr("rope_local_base_freq", 10000))
			b.set("rope.freq_base_swa", float32(local))
			b.set("attention.sliding_window", b.countOr("sliding_window", 4096))
			b.set("attention.sliding_window_pattern", b.windowPattern(6))
			b.queryScale()
		},
	}
)

func (b *builder) gemma(theta float64) {
	// Gemma 1's "hidden_act" says gelu and means its tanh form, as transformers has it.
	b.activation([]string{"hidden_activation", "hidden_act"}, "gelu_pytorch_tanh", "gelu")
	b.refuse("attention_bias")
	b.refuse("use_bidirectional_attention")
	b.assume("head_dim", "256")
	b.sizes()
	b.rmsEps(1e-6)
	b.rope(b.dim, theta, 1)
	b.setFull("headprof.norm.add_one", true)
}

// assume gives a setting the value it has when absent.
func (b *builder) assume(key, value string) {
	if !b.has(key) {
		b.values[key] = []byte(value)
	}
}

// queryScale sets the attention scale, query_pre_attn_scalar^(−1/2).
func (b *builder) queryScale() {
	s := b.floatOr("query_pre_attn_scalar", 256)
	if !(s > 0) {
		b.fail("\"query_pre_attn_scalar\" is %v; it must be above 0", s)
		return
	}
	b.set("attention.scale", float32(1/math.Sqrt(s)))
}

// windowPattern gives p where every p-th layer is global and the others have a
// sliding window; layer_types, if there, must agree with that.
func (b *builder) windowPattern(usual int) int {
	types := b.texts("layer_types")
	p := b.countOr("sliding_window_pattern", b.countOr("_sliding_window_pattern", usual))
	if types == nil {
		return p
	}
	if len(types) != b.layers {
		b.fail("\"layer_types\" has %d entries for %d layers; fetch the file again", len(types), b.layers)
		return p
	}
	for l, t := range types {
		if t == "full_attention" {
			p = l + 1
			break
		}
	}
	for l, t := range types {
		if global := p > 0 && (l+1)%p == 0; global != (t == "full_attention") || !global && t != "sliding_attention" {
			b.fail("\"layer_types\" is %q at layer %d, where headprof expects every %d-th layer global and the others sliding", t, l, p)
			return p
		}
	}
	return p
}
