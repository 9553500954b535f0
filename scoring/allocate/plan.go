// Package allocate turns head scores into KV-cache budgets: how many entries
// each head's cache keeps after prefill. One file per policy; all of them
// answer with a Plan, whose totals say what the budgets really cost.
package allocate

import (
	"fmt"
	"math"

	"headprof/scoring"
)

// Level says what shares one budget.
type Level string

// Levels. With grouped-query attention a KV head's cache serves a group of
// query heads, so only KVHead and ByLayer keep the cache as small as it is
// stored: Head keeps a copy per query head, as the published HeadKV code does.
const (
	KVHead  Level = "kv-head"
	Head    Level = "head"
	ByLayer Level = "layer"
)

// Reduce says how a group's score comes from its heads' scores.
type Reduce string

// Reductions. Mean gives a group the average of what its heads would get on
// their own, so the scores' distribution over the model is kept; Max gives it
// what its best head asks for, however idle the others are.
const (
	Mean Reduce = "mean"
	Max  Reduce = "max"
)

// Layer is what an allocation must know of one layer.
type Layer struct {
	Heads, KVHeads int
	Window         int // keys the layer sees; 0: all
	KeyDim         int // elements of a cached key; 0 where bytes are of no interest
	ValueDim       int // elements of a cached value
}

// Model describes the cache to be divided.
type Model struct {
	Layers       []Layer
	ElementBytes int // of the cache's number format: 2 for f16, 4 for f32
}

// ModelOf takes the model's shape from the rows of one method. Head sizes
// stay unknown.
func ModelOf(heads []scoring.Head) Model {
	var m Model
	for _, h := range heads {
		for len(m.Layers) <= h.Layer {
			m.Layers = append(m.Layers, Layer{})
		}
		l := &m.Layers[h.Layer]
		l.Heads = max(l.Heads, h.Head+1)
		l.KVHeads = max(l.KVHeads, h.KVHead+1)
		l.Window = h.Window
	}
	return m
}

// Params holds every policy's parameters; the zero value of each field but
// Capacity is a default.
type Params struct {
	Capacity int     // entries a cache gets on average, window included
	Window   int     // α: last prompt tokens always kept; negative: 0; 0: 8
	Beta     float64 // HeadKV: the larger, the less is divided by score; 0: 1.2
	Temp     float64 // HeadKV: exponent on the scores; 0: 1
	Level    Level   // "": KVHead
	Reduce   Reduce  // "": Mean, but Max for top-heads
	Fit      bool    // make the total equal Capacity × caches exactly
	Context  int     // prompt length; 0: longer than any budget
	Slope    int     // pyramid: its β, how much smaller the last layer's share is; 0: 20
	Full     int     // top-heads: caches kept whole; 0: as many as Capacity pays for
	Sink     int     // top-heads: first tokens a streaming head keeps; 0: 128
	Recent   int     // top-heads: last tokens a streaming head keeps; 0: 256
}

func (p Params) withDefaults() Params {
	set := func(v *int, def int) {
		switch {
		case *v == 0:
			*v = def
		case *v < 0:
			*v = 0
		}
	}
	set(&p.Window, 8)
	set(&p.Slope, 20)
	set(&p.Sink, 128)
	set(&p.Recent, 256)
	if p.Beta == 0 {
		p.Beta = 1.2
	}
	if p.Temp == 0 {
		p.Temp = 1
	}
	if p.Level == "" {
		p.Level = KVHead
	}
	return p
}

// Budget is what one head's cache keeps.
type Budget struct {
	Layer, Head, KVHead int
	Budget              int  // selected entries
	Window              int  // last tokens kept besides
	Entries             int  // Budget + Window
	Full                bool // keeps everything (top-heads)
}

// Plan is a model's budgets under one policy.
type Plan struct {
	Policy string
	Params Params
	Model  Model
	// Caches holds one budget per cache: per query head at level Head (with
	// its KVHead), else per KV head (Head is its group's first query head).
	Caches []Budget
}

// Make allocates by the named policy: "headkv", "uniform", "pyramid" or
// "top-heads". heads are the rows of one method, needed by headkv and
// top-heads.
func Make(policy string, heads []scoring.Head, m Model, p Params) (*Plan, error) {
	p = p.withDefaults()
	if err := check(m, p); err != nil {
		return nil, err
	}
	plan := &Plan{Policy: policy, Params: p, Model: m}
	var quotas []float64
	var err error
	switch policy {
	case "headkv":
		quotas, err = headKV(heads, m, p)
	case "uniform":
		quotas = uniform(m, p)
	case "pyramid":
		quotas = pyramid(m, p)
	case "top-heads":
		plan.Caches, err = topHeads(heads, m, p)
		return plan, err
	default:
		return nil, fmt.Errorf("no allocation policy %q; known: %v", policy, Policies())
	}
	if err != nil {
		return nil, err
	}
	plan.Caches = caches(m, p.Level)
	caps := make([]int, len(plan.Caches))
	for i := range plan.Caches {
		b := &plan.Caches[i]
		limit := cacheLimit(m.Layers[b.Layer], 0)
		b.Window = min(p.Window, limit)
		caps[i] = limit - b.Window
	}
	var budgets []int
	if p.Fit {
		if p.Context > 0 {
			for i, b := range plan.Caches {
				caps[i] = min(caps[i], max(0, p.Context-b.Window))
			}
		}
		// The total counts windows, which are shorter where a sliding window is.
		total := p.Capacity * len(caps)
		for _, b := range plan.Caches {
			total -= b.Window
		}
		budgets, err = fit(quotas, caps, total)
		if err != nil {
			return nil, err
		}
	} else {
		budgets = make([]int, len(quotas))
		for i, q := range quotas {
			budgets[i] = min(int(math.RoundToEven(q)), caps[i])
		}
	}
	for i := range plan.Caches {
		b := &plan.Caches[i]
		b.Budget = budgets[i]
		b.Entries = b.Budget + b.Window
	}
	return plan, nil
}

// Policies lists the policies' names.
func Policies() []string { return []string{"headkv", "uniform", "pyramid", "top-heads"} }

const unlimited = math.MaxInt32

// cacheLimit is the most entries a layer's cache can hold of a context.
func cacheLimit(l Layer, context int) int {
	limit := unlimited
	if l.Window > 0 {
		limit = l.Window
	}
	if context > 0 {
		limit = min(limit, context)
	}
	return limit
}

// Limits of what can be asked for; they keep every sum within an int64.
const (
	maxHeads    = 1 << 20 // of the whole model
	maxCapacity = 1 << 28
)

func check(m Model, p Params) error {
	if len(m.Layers) == 0 || len(m.Layers) > maxHeads {
		return fmt.Errorf("a budget for a model of %d layers cannot be made", len(m.Layers))
	}
	total := 0
	for i, l := range m.Layers {
		total = min(total+l.Heads, maxHeads+1)
		if total > maxHeads {
			return fmt.Errorf("a budget for a model of more than %d heads cannot be made", maxHeads)
		}
		if l.Heads <= 0 || l.KVHeads <= 0 || l.Heads%l.KVHeads != 0 {
			return fmt.Errorf("layer %d: %d heads cannot share %d KV heads evenly", i, l.Heads, l.KVHeads)
		}
		if l.Window < 0 || l.KeyDim < 0 || l.ValueDim < 0 {
			return fmt.Errorf("layer %d: negative window or head size", i)
		}
	}
	if p.Capacity > maxCapacity || p.Window > maxCapacity || p.Context > maxCapacity || p.Sink > maxCapacity || p.Recent > maxCapacity {
		return fmt.Errorf("capacity, window, context, sink and recent must be at most %d", maxCapacity)
	}
	if p.Capacity <= p.Window {
		return fmt.Errorf("capacity %d must be larger than the window of %d tokens, which it includes", p.Capacity, p.Window)
	}
	if !(p.Beta >= 1) || math.IsInf(p.Beta, 1) {
		return fmt.Errorf("beta must be a number of at least 1, not %v", p.Beta)
	}
	if !(p.Temp > 0) || math.IsInf(p.Temp, 1) {
		return fmt.Errorf("temp must be a positive number, not %v", p.Temp)
	}
	switch p.Level {
	case KVHead, Head, ByLayer:
	default:
		return fmt.Errorf("no level %q; known: %s, %s, %s", p.Level, KVHead, Head, ByLayer)
	}
	switch p.Reduce {
	case "", Mean, Max:
	default:
		return fmt.Errorf("no reduction %q; known: %s, %s", p.Reduce, Mean, Max)
	}
	if p.Context < 0 || p.Full < 0 {
		return fmt.Errorf("context length and number of full heads must not be negative")
	}
	return nil
}

// caches lists a model's caches at a level, by layer, then head.
func caches(m Model, level Level) []Budget {
	var out []Budget
	for l, layer := range m.Layers {
		group := layer.Heads / layer.KVHeads
		if level == Head {
			for h := range layer.Heads {
				out = append(out, Budget{Layer: l, Head: h, KVHead: h / group})
			}
			continue
		}
		for kv := range layer.KVHeads {
			out = append(out, Budget{Layer: l, Head: kv * group, KVHead: kv})
		}
	}
	return out
}

// PerHead gives every query head the budget of the cache it reads.
func (p *Plan) PerHead() []Budget {
	if p.Params.Level == Head {
		return append([]Budget(nil), p.Caches...)
	}
	var out []Budget
	for _, c := range p.Caches {
		layer := p.Model.Layers[c.Layer]
		for h := range layer.Heads / layer.KVHeads {
			b := c
			b.Head += h
			out = append(out, b)
		}
	}
	return out
}

// PerKVHead gives what is kept of every KV head's keys. At level Head, where
// each query head keeps its own copies, that is the sum over the group.
func (p *Plan) PerKVHead() []Budget {
	var out []Budget
	for _, c := range p.Caches {
		last := len(out) - 1
		if last >= 0 && out[last].Layer == c.Layer && out[last].KVHead == c.KVHead {
			out[last].Budget += c.Budget
			out[last].Window += c.Window
			out[last].Entries += c.Entries
			out[last].Full = out[last].Full && c.Full
			continue
		}
		out = append(out, c)
	}
	return out
}

// Totals is what a plan costs, all caches together.
type Totals struct {
	Caches    int
	Requested int64 // entries: capacity × caches
	Entries   int64 // entries the plan allows
	Held      int64 // of these, what a prompt of Context tokens fills
	Full      int64 // entries of the whole cache at Context, per KV head; 0 without a context
	// The same in bytes; 0 where head sizes or the number format are unknown.
	RequestedBytes, EntriesBytes, HeldBytes, FullBytes int64
	Share                                              float64 // held / full, by bytes where known; NaN without a context
}

// Totals adds the plan up for prompts of context tokens (0: unknown).
func (p *Plan) Totals(context int) Totals {
	var t Totals
	t.Caches = len(p.Caches)
	for _, c := range p.Caches {
		layer := p.Model.Layers[c.Layer]
		size := int64(layer.KeyDim+layer.ValueDim) * int64(p.Model.ElementBytes)
		held := int64(min(c.Entries, cacheLimit(layer, context)))
		t.Requested += int64(p.Params.Capacity)
		t.RequestedBytes += int64(p.Params.Capacity) * size
		t.Entries += int64(c.Entries)
		t.EntriesBytes += int64(c.Entries) * size
		t.Held += held
		t.HeldBytes += held * size
	}
	t.Share = math.NaN()
	if context <= 0 {
		return t
	}
	for _, layer := range p.Model.Layers {
		full := int64(cacheLimit(layer, context)) * int64(layer.KVHeads)
		t.Full += full
		t.FullBytes += full * int64(layer.KeyDim+layer.ValueDim) * int64(p.Model.ElementBytes)
	}
	t.Share = float64(t.Held) / float64(t.Full)
	if t.FullBytes > 0 {
		t.Share = float64(t.HeldBytes) / float64(t.FullBytes)
	}
	return t
}
