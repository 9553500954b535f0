package arch

import (
	"math"

	"headprof/runner/backend"
	"headprof/runner/tensor"
)

// inverseFrequencies gives θ_i = base^(−2i/dims) for i < dims/2 (RoFormer,
// arXiv 2104.09864, section 3.2.2).
func inverseFrequencies(base float64, dims int) []float32 {
	f := make([]float32, dims/2)
	for i := range f {
		f[i] = float32(1 / math.Pow(base, float64(2*i)/float64(dims)))
	}
	return f
}

// rope reads a family's rotary embedding: base, rotated dimensions, and the
// scaling that rope.scaling.* and rope_freqs.weight ask for.
func (m *metadata) rope(interleaved bool) backend.Rope {
	dim := m.Layers[0].HeadDim
	dims := m.count("rope.dimension_count", dim, dim)
	if dims%2 != 0 {
		m.fail("%s is %d; it must be even", m.key("rope.dimension_count"), dims)
		return backend.Rope{}
	}
	if m.flag("headprof.rope.half_split") {
		interleaved = false
	}
	base := m.float("rope.freq_base", 10000)
	r := backend.Rope{InvFreq: inverseFrequencies(base, dims), Dims: dims, Interleaved: interleaved, Scale: 1}
	m.scale(&r, base)
	m.applyFactors(&r)
	return r
}

// scale applies rope.scaling.type.
func (m *metadata) scale(r *backend.Rope, base float64) {
	kind := m.text(m.key("rope.scaling.type"))
	factor := m.float("rope.scaling.factor", m.float("rope.scale_linear", 1))
	if factor <= 0 {
		m.fail("%s is %v; it must be above 0", m.key("rope.scaling.factor"), factor)
		return
	}
	switch kind {
	case "", "none":
		if factor != 1 && kind == "" {
			linear(r, factor)
		}
	case "linear":
		linear(r, factor)
	case "yarn":
		m.yarn(r, base, factor)
	case "llama3":
		m.llama3(r, factor)
	default:
		m.fail("%s is %q; supported are none, linear, yarn and llama3", m.key("rope.scaling.type"), kind)
	}
}

// linear divides positions by factor (position interpolation, arXiv 2306.15595).
func linear(r *backend.Rope, factor float64) {
	for i := range r.InvFreq {
		r.InvFreq[i] = float32(float64(r.InvFreq[i]) / factor)
	}
}

// llama3 is the scaling of Llama 3.1's configuration: long wavelengths are
// divided by factor, short ones kept, those between blended. GGUF files carry
// the result as rope_freqs.weight instead.
func (m *metadata) llama3(r *backend.Rope, factor float64) {
	low, high := m.float("rope.scaling.low_freq_factor", 1), m.float("rope.scaling.high_freq_factor", 4)
	context := m.float("rope.scaling.original_context_length", 8192)
	for i, f := range r.InvFreq {
		wave := 2 * math.Pi / float64(f)
		smooth := (context/wave - low) / (high - low)
		smooth = min(1, max(0, smooth))
		r.InvFreq[i] = float32(float64(f) * ((1-smooth)/factor + smooth))
	}
}

// yarn is NTK-by-parts interpolation (arXiv 2309.00071, equations 17 to 23).
func (m *metadata) yarn(r *backend.Rope, base, factor float64) {
	context := m.float("rope.scaling.original_context_length", float64(m.Context))
	fast, slow := m.float("rope.scaling.yarn_beta_fast", 32), m.float("rope.scaling.yarn_beta_slow", 1)
	// The dimension that turns `rotations` times over the original context.
	at := func(rotations float64) float64 {
		return float64(r.Dims) * math.Log(context/(rotations*2*math.Pi)) / (2 * math.Log(base))
	}
	low, high := max(0, math.Floor(at(fast))), min(float64(r.Dims-1), math.Ceil(at(slow)))
	if low == high {
		high += 0.001
	}
	for i, f := range r.InvFreq {
		ramp := min(1, max(0, (float64(i)-low)/(high-low)))
		r.InvFreq[i] = float32(float64(f) * (ramp/factor + (1 - ramp)))
	}
	attention := m.float("rope.scaling.attn_factor", 1)
	if factor > 1 {
		attention *= 1 + 0.1*math.Log(factor)
	}
	r.Scale = float32(attention)
}

// longRope applies LongRoPE (arXiv 2402.13753) as Phi-3's 128k models store
// it: one set of factors up to the original context, another beyond. One set
// serves a whole run, chosen by the limit that the run may reach: since a KV
// cache cannot be re-rotated, headprof keeps to the short factors and to the
// original context.
func (m *metadata) longRope(r *backend.Rope) {
	if _, ok := m.src.Tensor("rope_factors_short.weight"); !ok {
		return
	}
	m.applyFactorsOf("rope_factors_short.weight", r)
	r.Scale = float32(m.float("rope.scaling.attn_factor", 1))
	m.Context = min(m.Context, m.count("rope.scaling.original_context_length", maxContext, m.Context))
}

// applyFactors divides by the per-frequency factors of rope_freqs.weight.
func (m *metadata) applyFactors(r *backend.Rope) { m.applyFactorsOf("rope_freqs.weight", r) }

func (m *metadata) applyFactorsOf(name string, r *backend.Rope) {
	t, ok := m.src.Tensor(name)
	if !ok {
		return
	}
	if t.Rows() != 1 || t.Cols() != len(r.InvFreq) || t.Type != tensor.F32 {
		m.fail("tensor %s has shape %v and type %v; %d F32 factors are needed", name, t.Shape, t.Type, len(r.InvFreq))
		return
	}
	f := make([]float32, t.Cols())
	tensor.Dequantize(f, t.Data, t.Type)
	for i := range f {
		r.InvFreq[i] /= f[i]
	}
}
