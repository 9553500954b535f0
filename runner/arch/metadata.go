package arch

import (
	"fmt"
	"math"
	"slices"

	"headprof/runner/shape"
)

// Limits on hyper-parameters: far above any real model, low enough that their
// products fit an int and that a hostile file cannot ask for absurd memory.
const (
	maxLayers  = 1 << 10
	maxHeads   = 1 << 12
	maxWidth   = 1 << 20
	maxVocab   = 1 << 24
	maxContext = 1 << 28
	maxExperts = 1 << 12
)

// metadata reads a family's keys; the first failure is kept in err.
type metadata struct {
	Config
	src          Source
	prefix       string
	longFactors  bool    // LongRoPE's factors are those for long sequences
	untruncated  bool    // YaRN's bounds are not rounded to whole dimensions
	linearFactor float64 // of linear RoPE scaling that a family has without the file's saying so; 0: none
	err          error
}

func (m *metadata) fail(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, args...)
	}
}

func (m *metadata) check(err error) {
	if err != nil && m.err == nil {
		m.err = err
	}
}

// text reads a string.
func (m *metadata) text(key string) string {
	v, _, err := m.src.String(key)
	m.check(err)
	return v
}

// flag reads a truth value.
func (m *metadata) flag(key string) bool {
	v, _, err := m.src.Bool(key)
	m.check(err)
	return v
}

// key gives a family's key, such as llama.block_count.
func (m *metadata) key(k string) string { return m.prefix + "." + k }

// count reads a positive whole number of at most limit; fallback < 0 makes the key required.
func (m *metadata) count(k string, limit, fallback int) int {
	v, ok, err := m.src.Uint(m.key(k))
	m.check(err)
	if !ok {
		if fallback < 0 {
			m.fail("metadata key %s is missing; the file is incomplete", m.key(k))
			return 1
		}
		return fallback
	}
	if v > uint64(limit) || (v == 0 && fallback < 0) {
		m.fail("metadata key %s is %d; it must lie between 1 and %d", m.key(k), v, limit)
		return 1
	}
	return int(v)
}

// perLayer reads a key that holds one number for all layers or one for each.
func (m *metadata) perLayer(k string, layers, limit, fallback int) []int {
	out := make([]int, layers)
	list, ok, err := m.src.Ints(m.key(k))
	m.check(err)
	if !ok {
		list = []int64{int64(m.count(k, limit, fallback))}
	}
	if len(list) != 1 && len(list) != layers {
		m.fail("metadata key %s has %d numbers for %d layers", m.key(k), len(list), layers)
		return out
	}
	for i := range out {
		v := list[min(i, len(list)-1)]
		if v < 0 || v > int64(limit) {
			m.fail("metadata key %s holds %d; it must lie between 0 and %d", m.key(k), v, limit)
			return out
		}
		out[i] = int(v)
	}
	return out
}

// float reads a finite number.
func (m *metadata) float(k string, fallback float64) float64 {
	v, ok, err := m.src.Float(m.key(k))
	m.check(err)
	if !ok {
		return fallback
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		m.fail("metadata key %s is %v; it must be a finite number", m.key(k), v)
	}
	return v
}

// required stands for a default: a file that leaves the key out is refused.
const required = -1

// require fails where a key is absent for which the family has no default.
func (m *metadata) require(k string) {
	if !m.src.Has(m.key(k)) {
		m.fail("metadata key %s is missing, and models of this family differ in it; convert the model again", m.key(k))
	}
}

// warn notes what a user should know of a file that runs.
func (m *metadata) warn(format string, args ...any) {
	m.Warnings = append(m.Warnings, fmt.Sprintf(format, args...))
}

// firstFloat reads a number that writers of files name differently; keys that
// are there must agree.
func (m *metadata) firstFloat(fallback float64, keys ...string) float64 {
	found := ""
	v := fallback
	for _, k := range keys {
		if !m.src.Has(m.key(k)) {
			continue
		}
		x := m.float(k, fallback)
		if found != "" && x != v {
			m.fail("metadata key %s is %v and %s is %v, which should be the same; convert the model again", m.key(found), v, m.key(k), x)
		}
		found, v = k, x
	}
	return v
}

// eps reads the normalisation's epsilon; fallback may be required.
func (m *metadata) eps(fallback float64) float32 {
	k := "attention.layer_norm_epsilon"
	if rms := "attention.layer_norm_rms_epsilon"; m.src.Has(m.key(rms)) {
		k = rms
	}
	if fallback == required {
		m.require(k)
	}
	e := m.float(k, fallback)
	if e < 0 {
		m.fail("metadata key %s is %v; it must not be negative", m.key(k), e)
	}
	return float32(e)
}

// expertWidth is the hidden width of an expert in files that do not state it.
func expertWidth(s Source, dense int) int {
	const name = "blk.0.ffn_down_exps.weight"
	if e, ok := s.(ExpertSource); ok {
		if parts, ok := e.Experts(name); ok && parts[0].Cols() <= maxWidth {
			return parts[0].Cols()
		}
	}
	if t, ok := s.Tensor(name); ok && len(t.Shape) == 3 && t.Cols() <= maxWidth {
		return t.Cols()
	}
	return dense
}

// hybrids are the families in which layers may have no attention.
var hybrids = []string{"qwen3next", "qwen35", "qwen35moe", "lfm2", "lfm2moe", "granitehybrid"}

// keyDim is the dimension of queries and keys of the first layer with attention.
func (m *metadata) keyDim() int {
	for _, l := range m.Layers {
		if l.Attends() {
			return l.KeyDim
		}
	}
	return 0
}

// readConfig reads what every family states the same way.
func readConfig(s Source) *metadata {
	m := &metadata{src: s}
	m.Family, m.Name = m.text("general.architecture"), m.text("general.name")
	m.prefix = m.Family
	layers := m.count("block_count", maxLayers, -1)
	if slices.Contains(computed[m.Family], "nextn_predict_layers") {
		m.drafts = m.count("nextn_predict_layers", max(0, layers-1), 0)
		layers -= m.drafts
	}
	m.Width = m.count("embedding_length", maxWidth, -1)
	m.Context = m.count("context_length", maxContext, -1)
	m.refuseOddities()
	heads := m.perLayer("attention.head_count", layers, maxHeads, -1)
	if m.err != nil {
		return m
	}
	kv := m.perLayer("attention.head_count_kv", layers, maxHeads, heads[0])
	ff := m.perLayer("feed_forward_length", layers, maxWidth, 0)
	m.Experts = m.count("expert_count", maxExperts, 0)
	m.Used = m.count("expert_used_count", maxExperts, 0)
	if m.ExpertWidth = m.count("expert_feed_forward_length", maxWidth, 0); m.ExpertWidth == 0 {
		m.ExpertWidth = expertWidth(s, ff[0])
	}
	m.SharedWidth = m.count("expert_shared_feed_forward_length", maxWidth, 0)
	keyDim := m.count("attention.key_length", maxWidth, 0)
	valueDim := m.count("attention.value_length", maxWidth, 0)
	for l := range layers {
		a := Layer{shape.Layer{Heads: heads[l], KVHeads: kv[l], KeyDim: keyDim, ValueDim: valueDim}, ff[l]}
		if a.KVHeads == 0 && slices.Contains(hybrids, m.Family) {
			m.Layers = append(m.Layers, Layer{shape.Layer{Kind: shape.Recurrent}, ff[l]})
			continue
		}
		switch {
		case a.Heads < 1 || a.KVHeads < 1:
			m.fail("layer %d has %d heads and %d KV heads; layers without attention are not supported", l, a.Heads, a.KVHeads)
			return m
		case a.Heads%a.KVHeads != 0:
			m.fail("layer %d has %d heads, which %d KV heads do not divide", l, a.Heads, a.KVHeads)
			return m
		case a.KeyDim == 0 && m.Width%a.Heads != 0:
			m.fail("%s is %d, which %d heads do not divide, and there is no %s", m.key("embedding_length"), m.Width, a.Heads, m.key("attention.key_length"))
			return m
		}
		if a.KeyDim == 0 {
			a.KeyDim = m.Width / a.Heads
		}
		if a.ValueDim == 0 {
			a.ValueDim = a.KeyDim
		}
		if a.KeyDim%2 != 0 || a.KeyDim > 4096 || a.ValueDim > 4096 {
			m.fail("layer %d has heads of %d dimensions; they must be even and at most 4096", l, a.KeyDim)
			return m
		}
		if first := slices.IndexFunc(m.Layers, func(a Layer) bool { return a.Attends() }); first >= 0 && a.KeyDim != m.Layers[first].KeyDim {
			m.fail("heads have %d dimensions in layer %d and %d in layer %d, and there is no %s; such models are not supported", m.Layers[first].KeyDim, first, a.KeyDim, l, m.key("attention.key_length"))
			return m
		}
		m.Layers = append(m.Layers, a)
	}
	if m.Used > m.Experts || m.Used == 0 && m.Experts > 0 {
		m.fail("metadata key %s is %d of %d experts; it must lie between 1 and their number", m.key("expert_used_count"), m.Used, m.Experts)
	}
	m.limitContext()
	if t, ok := s.Tensor("token_embd.weight"); ok && len(t.Shape) == 2 && t.Rows() <= maxVocab {
		m.Vocab = t.Rows()
	} else {
		m.fail("tensor token_embd.weight is missing or not a matrix")
	}
	return m
}
