// Package allocate turns head scores into KV-cache budgets: how many entries
// each head's cache keeps after prefill. One file per policy; all of them
// make a Plan, whose totals say what the budgets really cost.
package allocate

import (
	"fmt"
	"math"

	"headprof/runner/shape"
	"headprof/scoring"
	"headprof/scoring/param"
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
// what its best head asks for, however idle the others are. Auto is Max for
// top-heads and Mean for the others.
const (
	Auto Reduce = "auto"
	Mean Reduce = "mean"
	Max  Reduce = "max"
)

// Model describes the cache to be divided.
type Model struct {
	Layers       shape.Model // head sizes may be unknown, where bytes are of no interest
	ElementBytes int         // of the cache's number format: 2 for f16, 4 for f32
}

// ModelOf takes the model's shape from the rows of one method. Head sizes
// stay unknown.
func ModelOf(heads []scoring.Head) Model {
	var m Model
	for _, h := range heads {
		for len(m.Layers) <= h.Layer {
			m.Layers = append(m.Layers, shape.Layer{})
		}
		l := &m.Layers[h.Layer]
		l.Heads = max(l.Heads, h.Head+1)
		l.KVHeads = max(l.KVHeads, h.KVHead+1)
		l.Window = max(0, h.Window) // an unknown window counts as none
	}
	return m
}

// Params are the parameters that all policies share. DefaultParams sets them.
type Params struct {
	// Entries a cache gets on average, window included. It has no default.
	Capacity int    `param:"-"`
	Window   int    `param:"window" default:"8" min:"0" unit:"tokens" help:"last prompt tokens that are always kept (α)"`
	Level    Level  `param:"level" default:"kv-head" oneof:"kv-head head layer" help:"what shares a budget"`
	Reduce   Reduce `param:"reduce" default:"auto" oneof:"auto mean max" help:"a group's score from its heads'; auto is max for top-heads, else mean"`
	Fit      bool   `param:"fit" default:"false" help:"make the total equal the request exactly"`
	Context  *int   `param:"context" min:"1" absent:"unknown, longer than any budget" unit:"tokens" help:"prompt length, for the share of the full cache"`
}

// DefaultParams gives every parameter its default.
func DefaultParams() Params { return param.Default[Params]() }

// context is 0 where the prompt's length is unknown.
func (p Params) context() int {
	if p.Context == nil {
		return 0
	}
	return *p.Context
}

// Budget is what one head's cache keeps.
type Budget struct {
	Layer, Head, KVHead int
	Budget              int  // selected entries
	Window              int  // last tokens kept besides
	Entries             int  // Budget + Window
	Full                bool // keeps everything (top-heads)
	// Capped is how many entries more the policy would give than the layer's
	// sliding window lets the cache hold.
	Capped int
}

// Plan is a model's budgets under one policy.
type Plan struct {
	Policy string // its name
	By     Policy // the policy with its parameters
	Params Params
	Model  Model
	// Caches holds one budget per cache: per query head at level Head (with
	// its KVHead), else per KV head (Head is its group's first query head).
	Caches []Budget
}

// Settings lists the shared parameters and the policy's own with their values.
func (p *Plan) Settings() []param.Value {
	return append(param.Values(p.Params), param.Values(p.By)...)
}

// HeadKV gives HeadKV's own parameters; ok is false for other policies.
func (p *Plan) HeadKV() (beta, temp float64, ok bool) {
	switch by := p.By.(type) {
	case HeadKV:
		return by.Beta, by.Temp, true
	case *HeadKV:
		return by.Beta, by.Temp, true
	}
	return 0, 0, false
}

// Policy divides a cache. A policy is a struct in a file of its own, whose
// exported fields are its parameters (see package param); the file registers it.
type Policy interface {
	// Name is the policy's name in flags and tables.
	Name() string
	// Allocate gives every cache's budget, in the order of caches.
	Allocate(Request) ([]Budget, error)
}

// Request is what a policy divides by. Parameters are checked already.
type Request struct {
	Heads []scoring.Head // the rows of one method; policies without scores need none
	Model Model
	Params
}

// Make allocates by a policy. heads are the rows of one method; policies that
// do not go by score need none.
func Make(policy Policy, heads []scoring.Head, m Model, p Params) (*Plan, error) {
	if err := check(m, policy, p); err != nil {
		return nil, err
	}
	budgets, err := policy.Allocate(Request{heads, m, p})
	if err != nil {
		return nil, err
	}
	return &Plan{Policy: policy.Name(), By: policy, Params: p, Model: m, Caches: budgets}, nil
}

// Budgets rounds a quota of selected entries per cache, half to even, and cuts
// it to what the cache can hold; or, where the total is to be fitted, makes the
// budgets add up to it.
func (r Request) Budgets(quotas []float64) ([]Budget, error) {
	out := caches(r.Model, r.Level)
	caps := make([]int, len(out))
	for i := range out {
		b := &out[i]
		limit := cacheLimit(r.Model.Layers[b.Layer], 0)
		b.Window = min(r.Window, limit)
		caps[i] = limit - b.Window
		b.Capped = max(0, int(math.RoundToEven(quotas[i]))+r.Window-limit)
	}
	if r.Fit {
		if context := r.context(); context > 0 {
			for i, b := range out {
				caps[i] = min(caps[i], max(0, context-b.Window))
			}
		}
		// The total counts windows, which are shorter where a sliding window is.
		total := r.Capacity * len(caps)
		for _, b := range out {
			total -= b.Window
		}
		budgets, err := fit(quotas, caps, total)
		if err != nil {
			return nil, err
		}
		for i, b := range budgets {
			out[i].Budget = b
		}
	} else {
		for i, q := range quotas {
			out[i].Budget = min(int(math.RoundToEven(q)), caps[i])
		}
	}
	for i := range out {
		out[i].Entries = out[i].Budget + out[i].Window
	}
	return out, nil
}

const unlimited = math.MaxInt32

// cacheLimit is the most entries a layer's cache can hold of a context.
func cacheLimit(l shape.Layer, context int) int {
	limit := unlimited
	if l.Window > 0 {
		limit = l.Window
	}
	if context > 0 {
		limit = min(limit, context)
	}
	return limit
}

// maxHeads of a whole model keep every sum within an int64.
const maxHeads = 1 << 20

func check(m Model, policy Policy, p Params) error {
	if len(m.Layers) == 0 {
		return fmt.Errorf("a model without layers has no budget")
	}
	total := 0
	for i, l := range m.Layers {
		total = min(total+l.Heads, maxHeads+1)
		if total > maxHeads {
			return fmt.Errorf("a budget for a model of more than %d heads cannot be made", maxHeads)
		}
		if !l.Attends() && l.KVHeads == 0 {
			continue // no attention, no cache
		}
		if l.Heads <= 0 || l.KVHeads <= 0 || l.Heads%l.KVHeads != 0 {
			return fmt.Errorf("layer %d: %d heads cannot share %d KV heads evenly", i, l.Heads, l.KVHeads)
		}
		if l.Shares > i || l.Shares > 0 && (m.Layers[i-l.Shares].KVHeads != l.KVHeads || m.Layers[i-l.Shares].Heads != l.Heads || m.Layers[i-l.Shares].Shares != 0) {
			return fmt.Errorf("layer %d shares the cache of a layer with other heads", i)
		}
		if l.Shares > 0 && p.Level == Head {
			return fmt.Errorf("layer %d has no cache of its own, so level %q, a copy for each query head, means nothing to it; use %s or %s", i, Head, KVHead, ByLayer)
		}
		if l.Kind == shape.Latent && p.Level == Head {
			return fmt.Errorf("layer %d has a latent cache, one entry per token for all heads, so level %q, a copy for each query head, means nothing to it; use %s or %s", i, Head, KVHead, ByLayer)
		}
		if l.Window < 0 || l.KeyDim < 0 || l.ValueDim < 0 {
			return fmt.Errorf("layer %d: negative window or head size", i)
		}
	}
	if err := param.Check(p); err != nil {
		return err
	}
	if err := param.Check(policy); err != nil {
		return err
	}
	return CheckCapacity(p.Capacity, p.Window)
}

// CheckCapacity holds a capacity against the window that it includes.
func CheckCapacity(capacity, window int) error {
	if capacity > param.Most {
		return fmt.Errorf("capacity %d: it must be at most %d", capacity, param.Most)
	}
	if capacity <= window {
		return fmt.Errorf("capacity %d must be larger than the window of %d tokens, which it includes", capacity, window)
	}
	return nil
}

// caches lists a model's caches at a level, by layer, then head.
func caches(m Model, level Level) []Budget {
	var out []Budget
	for l, layer := range m.Layers {
		if !layer.Stores() {
			continue
		}
		group := layer.Group()
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
	of := map[[2]int]Budget{}
	for _, c := range p.Caches {
		of[[2]int{c.Layer, c.KVHead}] = c
	}
	var out []Budget
	for l, layer := range p.Model.Layers {
		for h := range layer.Heads {
			b := of[[2]int{p.Model.Layers.Source(l), layer.KVHead(h)}]
			b.Layer, b.Head = l, h
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
			out[last].Capped += c.Capped
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
		if !layer.Stores() {
			continue
		}
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
