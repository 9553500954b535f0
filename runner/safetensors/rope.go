package safetensors

import (
	"math"

	"headprof/runner/tensor"
)

// rope translates the rotary embedding of a model with heads of dim dimensions
// that rotates all of each: see partialRope.
func (b *builder) rope(dim int) { b.partialRope(dim, "rope_theta", "") }

// partialRope translates the rotary embedding of a model with heads of dim
// dimensions. Its settings are either in rope_parameters (transformers 5) or
// spread over rope_scaling and two others (before): the base in thetaKey, the
// share of each head that is rotated in partialKey ("": the class has none).
func (b *builder) partialRope(dim int, thetaKey, partialKey string) {
	scaling, theta := b.object("rope_parameters"), b.floatOr(thetaKey, 0)
	for _, key := range []string{"full_attention", "sliding_attention"} {
		if scaling.has(key) {
			b.fail("\"rope_parameters\" are by kind of layer, which headprof does not support for model type %q", b.text("model_type"))
		}
	}
	if b.has("rope_scaling") {
		if len(scaling.values) > 0 {
			b.fail("there are both \"rope_scaling\" and \"rope_parameters\", and versions of transformers differ in which they read; remove one of them")
		}
		scaling = b.object("rope_scaling")
		b.fits(scaling, "rope_theta", theta)
		if partialKey != "" {
			b.fits(scaling, "partial_rotary_factor", b.floatOr(partialKey, 1))
		}
	}
	b.ropeOf(dim, scaling, theta, partialKey)
}

// fits fails where an older config.json has in rope_scaling what versions of
// transformers before 5 read elsewhere, with another value.
func (b *builder) fits(scaling settings, key string, elsewhere float64) {
	if v := scaling.floatOr(key, elsewhere); v != elsewhere {
		b.fail("\"rope_scaling\" has %q %v, where transformers 4 takes %v from outside of it and 5 the former; make them the same", key, v, elsewhere)
	}
}

// ropeOf sets the rotary embedding that scaling describes; theta is the base
// where it has none.
func (b *builder) ropeOf(dim int, scaling settings, theta float64, partialKey string) {
	theta = scaling.floatOr("rope_theta", theta)
	partial := 1.0
	if partialKey != "" {
		partial = scaling.floatOr("partial_rotary_factor", b.floatOr(partialKey, 1))
	} else if p := scaling.floatOr("partial_rotary_factor", b.floatOr("partial_rotary_factor", 1)); p != 1 {
		b.fail("\"partial_rotary_factor\" is %v, which model type %q does not have", p, b.text("model_type"))
	}
	if !(theta > 0) || !(partial > 0 && partial <= 1) {
		b.fail("the rotary embedding's base is %v and its share of a head %v; both must be above 0, the share at most 1", theta, partial)
		return
	}
	b.set("rope.freq_base", float32(theta))
	b.set("rope.dimension_count", int(partial*float64(dim)))
	kind, old := scaling.text("rope_type"), scaling.text("type")
	if kind == "" {
		kind = old
	} else if old != "" && old != kind {
		b.fail("\"rope_type\" is %q and \"type\" %q; remove the wrong one", kind, old)
	}
	b.ropeScaling(kind, scaling, int(partial*float64(dim)))
}

func (b *builder) ropeScaling(kind string, s settings, dims int) {
	switch kind {
	case "", "default":
		return
	case "linear", "dynamic", "yarn", "llama3":
	case "longrope", "su":
		b.longRope(s, dims)
		return
	default:
		b.fail("rope scaling %q is not supported; supported are linear, dynamic, yarn, llama3 and longrope", kind)
		return
	}
	factor := s.floatOr("factor", 0)
	if !(factor >= 1) {
		b.fail("rope scaling %q has the factor %v; it must be at least 1", kind, factor)
		return
	}
	b.set("rope.scaling.type", kind)
	b.set("rope.scaling.factor", float32(factor))
	b.set("rope.scaling.original_context_length", s.countOr("original_max_position_embeddings", b.count("max_position_embeddings")))
	switch kind {
	case "llama3":
		low, high := s.floatOr("low_freq_factor", 0), s.floatOr("high_freq_factor", 0)
		if !(low > 0) || !(high > low) {
			b.fail("rope scaling \"llama3\" has low_freq_factor %v and high_freq_factor %v; both must be there and above 0, the latter the larger", low, high)
		}
		b.set("rope.scaling.low_freq_factor", float32(low))
		b.set("rope.scaling.high_freq_factor", float32(high))
	case "yarn":
		b.setFull("headprof.rope.truncate", s.boolOr("truncate", true))
		b.set("rope.scaling.yarn_beta_fast", float32(s.notZero("beta_fast", 32)))
		b.set("rope.scaling.yarn_beta_slow", float32(s.notZero("beta_slow", 1)))
		b.set("rope.scaling.attn_factor", float32(yarnAttention(s, factor)))
	}
}

// notZero reads a number for which 0 stands for the default, as in Python's "or".
func (s settings) notZero(key string, fallback float64) float64 {
	if v := s.floatOr(key, 0); v != 0 {
		return v
	}
	return fallback
}

// yarnAttention gives the factor on sin and cos that the settings ask for,
// over the one that GGUF's reader multiplies in by itself, 1 + 0.1·ln(factor)
// (YaRN, arXiv 2309.00071, equation 22).
func yarnAttention(s settings, factor float64) float64 {
	scale := func(m float64) float64 { return 1 + 0.1*m*math.Log(factor) }
	wanted := scale(1)
	if s.has("attention_factor") {
		wanted = s.floatOr("attention_factor", wanted)
	} else if m, all := s.floatOr("mscale", 0), s.floatOr("mscale_all_dim", 0); m != 0 && all != 0 {
		wanted = scale(m) / scale(all)
	}
	return wanted / scale(1)
}

// longRope stores LongRoPE's factors (arXiv 2402.13753) as GGUF does: as tensors.
func (b *builder) longRope(s settings, dims int) {
	context := b.count("max_position_embeddings")
	inside, given := s.countOr("original_max_position_embeddings", 0), s.has("original_max_position_embeddings")
	original := b.countOr("original_max_position_embeddings", 0)
	factor := s.floatOr("factor", 0)
	switch ratio := float64(context) / float64(max(1, original)); {
	case original > 0 && given && inside != original:
		b.fail("\"original_max_position_embeddings\" is %d and within the rope settings %d; make them the same", original, inside)
	case original > 0 && s.has("factor") && factor != ratio && !s.has("attention_factor"):
		b.fail("the rope settings have the factor %v, where transformers 5 takes that and 4 max_position_embeddings / original_max_position_embeddings = %v; make them the same or state \"attention_factor\"", factor, ratio)
	case original == 0 && given && b.has("rope_scaling") && inside != context:
		b.fail("\"original_max_position_embeddings\" %d is within \"rope_scaling\" only, where transformers 5 reads it and 4 does not; state it outside as well", inside)
	case original == 0 && given:
		original = inside
	case original == 0:
		original = context
	}
	if original < 2 {
		b.fail("original_max_position_embeddings is %d; it must be above 1", original)
		return
	}
	for _, length := range []string{"short", "long"} {
		name, key := "rope_factors_"+length+".weight", length+"_factor"
		f := s.floats(key)
		if len(f) != dims/2 {
			b.fail("%q has %d numbers, where half the rotated dimensions, %d, are needed", key, len(f), dims/2)
			return
		}
		b.made[name] = tensor.FromF32(name, []int{len(f)}, f)
	}
	attention := 1.0
	if ratio := s.floatOr("factor", float64(context)/float64(original)); ratio > 1 {
		attention = math.Sqrt(1 + math.Log(ratio)/math.Log(float64(original)))
	}
	b.set("rope.scaling.original_context_length", original)
	b.set("rope.scaling.attn_factor", float32(s.floatOr("attention_factor", attention)))
}
