package safetensors

import (
	"math"

	"headprof/runner/tensor"
)

// rope translates the rotary embedding of a model with heads of dim
// dimensions. Its settings are either in rope_parameters (transformers 5) or
// spread over rope_theta, rope_scaling and friends (before).
func (b *builder) rope(dim int, defaultTheta, defaultPartial float64) {
	p := b.object("rope_parameters")
	if full := p.object("full_attention"); full.has("rope_type") || full.has("rope_theta") {
		p = full
	}
	scaling := p
	if b.has("rope_scaling") {
		scaling = b.object("rope_scaling")
	}
	theta := p.floatOr("rope_theta", b.floatOr("rope_theta", b.floatOr("rotary_emb_base", defaultTheta)))
	partial := p.floatOr("partial_rotary_factor", b.floatOr("partial_rotary_factor", b.floatOr("rotary_pct", defaultPartial)))
	if !(theta > 0) || !(partial > 0 && partial <= 1) {
		b.fail("the rotary embedding's base is %v and its share of a head %v; both must be above 0, the share at most 1", theta, partial)
		return
	}
	b.set("rope.freq_base", float32(theta))
	b.set("rope.dimension_count", int(partial*float64(dim)))
	kind := scaling.text("rope_type")
	if kind == "" {
		kind = scaling.text("type")
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
		b.set("rope.scaling.low_freq_factor", float32(s.floatOr("low_freq_factor", 1)))
		b.set("rope.scaling.high_freq_factor", float32(s.floatOr("high_freq_factor", 4)))
	case "yarn":
		if !s.boolOr("truncate", true) {
			b.fail("yarn scaling without truncation (\"truncate\": false) is not supported")
		}
		b.set("rope.scaling.yarn_beta_fast", float32(s.floatOr("beta_fast", 32)))
		b.set("rope.scaling.yarn_beta_slow", float32(s.floatOr("beta_slow", 1)))
		b.set("rope.scaling.attn_factor", float32(yarnAttention(s, factor)))
	}
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
	original := s.countOr("original_max_position_embeddings", b.countOr("original_max_position_embeddings", context))
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
