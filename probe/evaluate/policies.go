package evaluate

import (
	"fmt"
	"strings"

	"headprof/runner/arch"
	"headprof/runner/kvcache"
	"headprof/scoring"
	"headprof/scoring/allocate"
)

// Variant is one cache to try: a policy at a capacity. Full has capacity 0.
type Variant struct {
	Policy   string
	Capacity int // mean entries per KV head, window included
}

// Setting is what all policies of an evaluation share.
type Setting struct {
	kvcache.Selection
	Beta     float64        // HeadKV's, see allocate.Params
	Temp     float64        // exponent on HeadKV's scores
	Level    allocate.Level // kv-head or layer
	Fit      bool           // HeadKV's total equals capacity × caches to the entry
	Floor    float64        // Ada-SnapKV's sure share of the mean
	Slope    int            // PyramidKV's β
	Sinks    int            // first tokens that StreamingLLM keeps
	DuoSinks int            // first tokens of DuoAttention's streaming heads; 0: by capacity
	Recent   int            // last tokens of DuoAttention's streaming heads; 0: by capacity
	Scores   *scoring.Table // for policies that need a profile
}

// DefaultSetting holds the published runs' values.
func DefaultSetting() Setting {
	return Setting{
		Selection: kvcache.Selection{Window: 8, Kernel: 7}, Beta: 1.2, Temp: 1,
		Level: allocate.KVHead, Floor: 0.2, Slope: 20, Sinks: 4,
	}
}

// maker builds a policy for a prompt of n tokens.
type maker func(s Setting, m allocate.Model, capacity, n int) (kvcache.Policy, error)

// policies holds every policy by name, in the order of tables.
var policies = []struct {
	name   string
	method string // score method it needs; "": none
	make   maker
}{
	{"full", "", func(Setting, allocate.Model, int, int) (kvcache.Policy, error) { return kvcache.Full{}, nil }},
	{"streaming", "", func(s Setting, _ allocate.Model, c, _ int) (kvcache.Policy, error) {
		return kvcache.Streaming{Sinks: s.Sinks, Capacity: c}, nil
	}},
	{"snapkv", "", func(s Setting, _ allocate.Model, c, _ int) (kvcache.Policy, error) {
		return kvcache.SnapKV{Selection: s.Selection, Capacity: c}, nil
	}},
	{"pyramidkv", "", func(s Setting, _ allocate.Model, c, _ int) (kvcache.Policy, error) {
		return kvcache.PyramidKV{Selection: s.Selection, Capacity: c, Beta: s.Slope}, nil
	}},
	{"adasnapkv", "", func(s Setting, _ allocate.Model, c, _ int) (kvcache.Policy, error) {
		return kvcache.AdaSnapKV{Selection: s.Selection, Capacity: c, Floor: s.Floor}, nil
	}},
	{"headkv-r2", "headkv-r2", headKV("headkv-r2", "headkv-r2")},
	{"headkv-r", "retrieval", headKV("headkv-r", "retrieval")},
	{"duoattention", "headkv-r2", duoAttention},
}

// Policies lists the policies' names.
func Policies() []string {
	var names []string
	for _, p := range policies {
		names = append(names, p.name)
	}
	return names
}

// NeedsScores reports whether a policy allocates by a profile.
func NeedsScores(policy string) bool {
	for _, p := range policies {
		if p.name == policy {
			return p.method != ""
		}
	}
	return false
}

// Variants crosses policies with capacities.
func Variants(names []string, capacities []int) ([]Variant, error) {
	var out []Variant
	seen := map[Variant]bool{}
	for _, name := range names {
		known := false
		for _, p := range policies {
			known = known || p.name == name
		}
		if !known {
			return nil, fmt.Errorf("no policy %q; known: %s", name, strings.Join(Policies(), ", "))
		}
		cs := capacities
		if name == "full" {
			cs = []int{0}
		}
		for _, c := range cs {
			v := Variant{name, c}
			if c < 0 || c == 0 && name != "full" {
				return nil, fmt.Errorf("capacity %d is no number of entries", c)
			}
			if seen[v] {
				return nil, fmt.Errorf("policy %s at capacity %d is named twice", name, c)
			}
			seen[v] = true
			out = append(out, v)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no policy and capacity to evaluate")
	}
	return out, nil
}

// policy builds a variant for a prompt of n tokens.
func (s Setting) policy(v Variant, m allocate.Model, n int) (kvcache.Policy, error) {
	for _, p := range policies {
		if p.name == v.Policy {
			made, err := p.make(s, m, v.Capacity, n)
			if err != nil {
				return nil, fmt.Errorf("policy %s, capacity %d: %w", v.Policy, v.Capacity, err)
			}
			return made, nil
		}
	}
	return nil, fmt.Errorf("no policy %q", v.Policy)
}

// check builds every variant once, so that what cannot work fails before the
// first prompt runs.
func (s Setting) check(vs []Variant, m allocate.Model, n int) error {
	for _, v := range vs {
		if v.Policy != "full" && v.Capacity <= s.Window {
			return fmt.Errorf("capacity %d must be larger than the window of %d tokens, which it includes", v.Capacity, s.Window)
		}
		if _, err := s.policy(v, m, n); err != nil {
			return err
		}
	}
	return nil
}

// rows finds a method's rows in the profile. A file of one method of another
// name (a published one) serves as well.
func (s Setting) rows(method string) ([]scoring.Head, error) {
	if s.Scores == nil {
		return nil, fmt.Errorf("a profile is needed; name one with --scores")
	}
	if rows := s.Scores.Of(method); rows != nil {
		return rows, nil
	}
	if names := s.Scores.Methods(); len(names) == 1 {
		return s.Scores.Of(names[0]), nil
	}
	return nil, fmt.Errorf("the profile holds no scores of method %s, but of %s", method, strings.Join(s.Scores.Methods(), ", "))
}

func headKV(label, method string) maker {
	return func(s Setting, m allocate.Model, capacity, n int) (kvcache.Policy, error) {
		rows, err := s.rows(method)
		if err != nil {
			return nil, err
		}
		p := allocate.Params{Capacity: capacity, Window: s.Window, Beta: s.Beta, Temp: s.Temp, Level: s.Level, Fit: s.Fit}
		if s.Fit {
			p.Context = n
		}
		plan, err := allocate.Make("headkv", rows, m, p)
		if err != nil {
			return nil, err
		}
		return kvcache.HeadKV{Selection: s.Selection, Budgets: grid(plan, m, func(b allocate.Budget) int { return b.Budget }), Label: label}, nil
	}
}

// duoAttention spends half of the entries on whole heads, best first, as far as
// whole ones go, and divides the rest evenly over the streaming heads: a
// quarter sinks, the others recent tokens. Given sizes are kept instead, and
// as many heads are whole as the capacity then pays for.
func duoAttention(s Setting, m allocate.Model, capacity, n int) (kvcache.Policy, error) {
	rows, err := s.rows("duoattention")
	if err != nil {
		if rows, err = s.rows("headkv-r2"); err != nil {
			return nil, err
		}
	}
	caches := 0
	for _, l := range m.Layers {
		caches += l.KVHeads
	}
	whole := min(caches, capacity*caches/2/n)
	each := capacity
	if whole < caches {
		each = min(n, (capacity*caches-whole*n)/(caches-whole))
	}
	sinks, recent := s.DuoSinks, s.Recent
	if sinks > 0 || recent > 0 {
		whole = 0 // what is left pays for them
	}
	if sinks == 0 {
		sinks = max(1, each/4)
	}
	if recent == 0 {
		recent = max(1, each-sinks)
	}
	p := kvcache.DuoAttention{Full: make([][]bool, len(m.Layers)), Sinks: sinks, Recent: recent}
	for l := range p.Full {
		p.Full[l] = make([]bool, m.Layers[l].KVHeads)
	}
	if whole == 0 && s.DuoSinks == 0 && s.Recent == 0 {
		return p, nil // no head can be whole
	}
	plan, err := allocate.Make("top-heads", rows, m, allocate.Params{Capacity: capacity, Window: s.Window, Context: n, Full: whole, Sink: sinks, Recent: recent})
	if err != nil {
		return nil, err
	}
	p.Full = grid(plan, m, func(b allocate.Budget) bool { return b.Full })
	return p, nil
}

// grid lays a plan's caches out as [layer][KV head].
func grid[T any](p *allocate.Plan, m allocate.Model, of func(allocate.Budget) T) [][]T {
	out := make([][]T, len(m.Layers))
	for _, c := range p.Caches {
		out[c.Layer] = append(out[c.Layer], of(c))
	}
	return out
}

// CacheModel describes a model's cache for allocation. element is the size of
// a stored number in bytes.
func CacheModel(c *arch.Config, element int) allocate.Model {
	m := allocate.Model{ElementBytes: element}
	for _, l := range c.Layers {
		m.Layers = append(m.Layers, allocate.Layer{Heads: l.Heads, KVHeads: l.KVHeads, Window: l.Window, KeyDim: l.HeadDim, ValueDim: l.ValueDim})
	}
	return m
}
