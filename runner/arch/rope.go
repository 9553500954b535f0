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

// rope reads a family's rotary embedding: base (fallback where the file has
// none; other keys that writers use for it may follow), rotated dimensions, and
// the scaling that rope.scaling.* and rope_freqs.weight ask for.
func (m *metadata) rope(interleaved bool, fallback float64, other ...string) backend.Rope {
	return m.ropeOf(m.keyDim(), interleaved, fallback, other...)
}

// ropeOf is rope for heads of dim dimensions.
func (m *metadata) ropeOf(dim int, interleaved bool, fallback float64, other ...string) backend.Rope {
	dims := m.count("rope.dimension_count", dim, dim)
	if dims%2 != 0 {
		m.fail("%s is %d; it must be even", m.key("rope.dimension_count"), dims)
		return backend.Rope{}
	}
	if m.flag("headprof.rope.half_split") {
		interleaved = false
	}
	if fallback == required {
		m.require("rope.freq_base")
	}
	base := m.firstFloat(fallback, append([]string{"rope.freq_base"}, other...)...)
	r := backend.Rope{InvFreq: inverseFrequencies(base, dims), Dims: dims, Interleaved: interleaved, Scale: 1}
	m.scale(&r, base)
	m.applyFactors("rope_freqs.weight", &r)
	m.longRope(&r)
	m.checkRope(r)
	return r
}

// localRope is the half-split rotary embedding, without scaling, of layers that
// have a base of their own.
func (m *metadata) localRope(base float64) backend.Rope {
	return m.localRopeOf(m.keyDim(), base)
}

// localRopeOf is localRope over dims dimensions.
func (m *metadata) localRopeOf(dims int, base float64) backend.Rope {
	r := backend.Rope{InvFreq: inverseFrequencies(base, dims), Dims: dims, Scale: 1}
	m.checkRope(r)
	return r
}

// partialRope is rope, half-split, of a family whose models rotate a part of each
// head: how much must be stated.
func (m *metadata) partialRope(fallback float64) backend.Rope {
	m.require("rope.dimension_count")
	return m.rope(false, fallback)
}

// checkRope fails when settings give frequencies that no model has.
func (m *metadata) checkRope(r backend.Rope) {
	for _, f := range append(r.InvFreq, r.Scale) {
		if !(f >= 0) || math.IsInf(float64(f), 0) {
			m.fail("the metadata under %s give the rotary embedding a frequency or scale of %v; the file is damaged or was converted wrongly", m.key("rope"), f)
			return
		}
	}
}

// scale applies rope.scaling.type.
func (m *metadata) scale(r *backend.Rope, base float64) {
	kind := m.text(m.key("rope.scaling.type"))
	factor := m.float("rope.scaling.factor", m.float("rope.scale_linear", 1))
	if m.linearFactor > 0 {
		factor = m.linearFactor
	}
	if factor <= 0 {
		m.fail("%s is %v; it must be above 0", m.key("rope.scaling.factor"), factor)
		return
	}
	switch kind {
	case "dynamic", "longrope": // see limitContext and longRope
	case "", "none", "linear":
		if _, long := m.src.Tensor(shortFactors); !long && m.float("rope.scaling.attn_factor", 1) != 1 {
			m.fail("%s is %v, which is supported with YaRN and LongRoPE only", m.key("rope.scaling.attn_factor"), m.float("rope.scaling.attn_factor", 1))
		}
		if kind != "none" {
			linear(r, factor)
		}
	case "yarn":
		m.yarn(r, base, factor)
	case "llama3":
		m.llama3(r, factor)
	default:
		m.fail("%s is %q; supported are none, linear, dynamic, yarn, llama3 and longrope", m.key("rope.scaling.type"), kind)
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
	low, high := at(fast), at(slow)
	if m.truncates() {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(0, low), min(float64(r.Dims-1), high)
	if low == high {
		high += 0.001
	}
	for i, f := range r.InvFreq {
		ramp := min(1, max(0, (float64(i)-low)/(high-low)))
		r.InvFreq[i] = float32(float64(f) * (ramp/factor + (1 - ramp)))
	}
	attention := m.float("rope.scaling.attn_factor", 1) * m.float("rope.scaling.yarn_attn_factor", 1)
	if factor > 1 {
		attention *= 1 + 0.1*math.Log(factor)
	}
	r.Scale = float32(attention)
}

// truncates tells whether YaRN's bounds are rounded to whole dimensions: as a
// folder says, else as is the family's.
func (m *metadata) truncates() bool {
	const key = "headprof.rope.truncate"
	if m.src.Has(key) {
		return m.flag(key)
	}
	return !m.untruncated
}

// Keys and tensors of the scalings whose frequencies depend on a sequence's length.
const (
	keyContext   = "headprof.context" // tokens that a run may reach
	shortFactors = "rope_factors_short.weight"
	longFactors  = "rope_factors_long.weight"
)

// limitContext keeps a model to lengths for which one set of frequencies is
// right, since the keys in a cache cannot be rotated again. Dynamic NTK scaling
// equals none up to the original context; beyond it, what a token sees would
// depend on how a prompt is cut. LongRoPE has one set of factors up to the
// original context and another beyond: headprof.context says which is meant.
func (m *metadata) limitContext() {
	_, long := m.src.Tensor(shortFactors)
	if kind := m.text(m.key("rope.scaling.type")); kind != "dynamic" && !long {
		return
	}
	original := m.count("rope.scaling.original_context_length", maxContext, m.Context)
	wanted, _, err := m.src.Uint(keyContext)
	m.check(err)
	switch {
	case original >= m.Context:
	case long && wanted > uint64(original):
		m.longFactors = true
	case long:
		m.LongContext = m.Context
		m.Context = original
	default:
		m.Context = original
	}
}

// longRope applies LongRoPE's factors (arXiv 2402.13753) as Phi-3's 128k models store them.
func (m *metadata) longRope(r *backend.Rope) {
	name := shortFactors
	if m.longFactors {
		name = longFactors
	}
	if _, ok := m.src.Tensor(name); !ok {
		if m.longFactors || m.text(m.key("rope.scaling.type")) == "longrope" {
			m.fail("tensor %s is missing, which LongRoPE needs", name)
		}
		return
	}
	m.applyFactors(name, r)
	r.Scale = float32(m.float("rope.scaling.attn_factor", 1))
}

// applyFactors divides by the per-frequency factors that a tensor holds, if it is there.
func (m *metadata) applyFactors(name string, r *backend.Rope) {
	t, ok := m.src.Tensor(name)
	if !ok {
		return
	}
	if t.Rows() != 1 || t.Cols() != len(r.InvFreq) || t.Type != tensor.F32 {
		m.fail("tensor %s has shape %v and type %v; %d F32 factors are needed", name, t.Shape, t.Type, len(r.InvFreq))
		return
	}
	if err := usable(t); err != nil {
		m.check(err)
		return
	}
	for i, f := range t.F32() {
		if !(f > 0) || math.IsInf(float64(f), 0) {
			m.fail("tensor %s holds %v; its factors must be finite and above 0", name, f)
			return
		}
		r.InvFreq[i] /= f
	}
}
