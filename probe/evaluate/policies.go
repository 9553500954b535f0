package evaluate

import (
	"fmt"
	"slices"

	"headprof/runner/arch"
	"headprof/runner/kvcache"
	"headprof/runner/shape"
	"headprof/scoring"
	"headprof/scoring/allocate"
	"headprof/scoring/param"
)

// Variant is one cache to try: a policy at a capacity. Full has capacity 0.
type Variant struct {
	Policy   string
	Capacity int // mean entries per KV head, window included
}

// Setting is what all variants of an evaluation share.
type Setting struct {
	Params *param.Set     // of all policies
	Scores *scoring.Table // for policies that need a profile
}

// DefaultSetting holds the published runs' values.
func DefaultSetting() Setting { return Setting{Params: kvcache.Parameters()} }

// Selection is the observation window that all policies share: prompts are
// computed once, and their attention observed once.
func (s Setting) Selection() kvcache.Selection {
	var sel kvcache.Selection
	fill(s.Params, &sel)
	return sel
}

// Beta is HeadKV's.
func (s Setting) Beta() float64 {
	var h allocate.HeadKV
	fill(s.Params, &h)
	return h.Beta
}

// fill fills a struct whose parameters the set declares.
func fill(from *param.Set, of any) {
	if err := from.Fill(of); err != nil {
		panic(err) // values were checked when the set took them
	}
}

// preset makes a policy with its parameters.
func (s Setting) preset(d kvcache.Declaration) kvcache.Preset {
	p := d.New()
	fill(s.Params, p)
	return p
}

// Policies lists the policies' names.
func Policies() []string {
	var names []string
	for _, d := range kvcache.Declarations() {
		names = append(names, d.Name)
	}
	return names
}

// NeedsScores reports whether a policy allocates by a profile.
func NeedsScores(policy string) bool {
	d, err := kvcache.Lookup(policy)
	return err == nil && d.Method != ""
}

// IsControl reports whether a policy runs only where it is asked for.
func IsControl(policy string) bool {
	d, err := kvcache.Lookup(policy)
	return err == nil && d.Control
}

// NeedsCurves reports whether a policy allocates by the curves of a profile.
func NeedsCurves(policy string) bool {
	d, err := kvcache.Lookup(policy)
	return err == nil && d.Curves
}

// Variants crosses policies with capacities.
func Variants(names []string, capacities []int) ([]Variant, error) {
	var out []Variant
	seen := map[Variant]bool{}
	for _, name := range names {
		d, err := kvcache.Lookup(name)
		if err != nil {
			return nil, err
		}
		cs := capacities
		if d.Whole {
			cs = []int{0}
		}
		for _, c := range cs {
			v := Variant{name, c}
			if c < 0 || c == 0 && !d.Whole {
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

// settings lists the parameters of the policies among the variants, for the
// manifest: they decide results, and no other parameters do.
func (s Setting) settings(vs []Variant) map[string]string {
	out := map[string]string{}
	add := func(of any) {
		for _, v := range param.Values(of) {
			out[v.Name] = v.Text
		}
	}
	add(s.Selection())
	for _, v := range vs {
		if d, err := kvcache.Lookup(v.Policy); err == nil {
			add(s.preset(d))
		}
	}
	if s.Scores != nil {
		out["scores"] = scoresHash(s.Scores)
	}
	return out
}

// policy prepares a variant for a prompt of n tokens.
func (s Setting) policy(v Variant, m allocate.Model, n int) (kvcache.Policy, error) {
	d, err := kvcache.Lookup(v.Policy)
	if err != nil {
		return nil, err
	}
	if latent := slices.IndexFunc(m.Layers, func(l shape.Layer) bool { return l.Kind == shape.Latent }); d.PerHead && latent >= 0 {
		return nil, fmt.Errorf("policy %s cuts the heads of a layer differently, and layer %d of the model has a latent cache, one entry per token for all heads; leave it out", v.Policy, latent)
	}
	p, err := s.preset(d).For(kvcache.Prompt{Tokens: n, Capacity: v.Capacity, Model: m, Scores: s.Scores})
	if err != nil {
		return nil, fmt.Errorf("policy %s, capacity %d: %w", v.Policy, v.Capacity, err)
	}
	return p, nil
}

// Check holds capacities against the window that they include. It needs no
// model, so what it refuses is a mistake in the command line.
func (s Setting) Check(vs []Variant) error {
	window := s.Selection().Window
	for _, v := range vs {
		if d, err := kvcache.Lookup(v.Policy); err == nil && d.Whole {
			continue
		}
		if err := allocate.CheckCapacity(v.Capacity, window); err != nil {
			return err
		}
	}
	return nil
}

// check prepares every variant once, so that what cannot work fails before the
// first prompt runs.
func (s Setting) check(vs []Variant, m allocate.Model, n int) error {
	if err := s.Check(vs); err != nil {
		return err
	}
	for _, v := range vs {
		if _, err := s.policy(v, m, n); err != nil {
			return err
		}
	}
	return nil
}

// CacheModel describes a model's cache for allocation. element is the size of
// a stored number in bytes.
func CacheModel(c *arch.Config, element int) allocate.Model {
	return allocate.Model{Layers: c.Shape(), ElementBytes: element}
}
