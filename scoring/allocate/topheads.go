package allocate

import (
	"cmp"
	"fmt"
	"slices"
)

func init() { register(40, func() Policy { return new(TopHeads) }) }

// TopHeads keeps the best-scored caches whole and streams the others with a
// few first and last tokens (DuoAttention, arXiv 2410.10819). The context
// length must be known; the window means nothing to it.
type TopHeads struct {
	Full   *int `param:"full-heads" min:"0" absent:"as many as the capacity pays for" unit:"caches" help:"caches kept whole, best first"`
	Sink   int  `param:"sink" default:"128" min:"0" unit:"tokens" help:"first tokens that a streaming head keeps"`
	Recent int  `param:"recent" default:"256" min:"0" unit:"tokens" help:"last tokens that a streaming head keeps"`
}

// Name implements Policy.
func (TopHeads) Name() string { return "top-heads" }

// Allocate implements Policy.
func (p TopHeads) Allocate(r Request) ([]Budget, error) {
	context := r.context()
	if context == 0 {
		return nil, fmt.Errorf("top-heads keeps whole caches, whose size is the context length; give it (--context)")
	}
	if r.Level == ByLayer {
		return nil, fmt.Errorf("top-heads chooses heads, so level %q means nothing to it; use %s or %s", r.Level, KVHead, Head)
	}
	if r.Fit {
		return nil, fmt.Errorf("top-heads can only keep a cache whole or not, so its total cannot be fitted")
	}
	shares, err := shares(r.Heads, r.Model, 1)
	if err != nil {
		return nil, err
	}
	how := r.Reduce
	if how == Auto {
		how = Max
	}
	weights := reduce(shares, r.Model, r.Level, how)
	out := caches(r.Model, r.Level)
	order := make([]int, len(out))
	total, requested := 0, r.Capacity*len(out)
	for i := range out {
		order[i] = i
		b := &out[i]
		limit := cacheLimit(r.Model.Layers[b.Layer], context)
		b.Window = min(p.Recent, limit)
		b.Budget = min(p.Sink, limit-b.Window)
		b.Entries = b.Budget + b.Window
		b.Capped = max(0, min(p.Sink+p.Recent, context)-limit)
		total += b.Entries
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(weights[b], weights[a]) })
	for n, i := range order {
		b := &out[i]
		limit := cacheLimit(r.Model.Layers[b.Layer], context)
		more := limit - b.Entries
		if p.Full != nil && n >= *p.Full || p.Full == nil && total+more > requested {
			break
		}
		total += more
		b.Full, b.Entries, b.Budget, b.Capped = true, limit, limit-b.Window, 0
	}
	return out, nil
}
