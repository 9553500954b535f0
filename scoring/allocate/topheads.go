package allocate

import (
	"cmp"
	"fmt"
	"slices"

	"headprof/scoring"
)

// topHeads keeps the best-scored caches whole and streams the others with a
// few first and last tokens (DuoAttention, arXiv 2410.10819). It
// makes Full caches whole, or as many, best first, as Capacity × caches
// entries pay for.
func topHeads(heads []scoring.Head, m Model, p Params) ([]Budget, error) {
	if p.Context <= 0 {
		return nil, fmt.Errorf("top-heads keeps whole caches, whose size only the context length tells; give one")
	}
	if p.Level == ByLayer {
		return nil, fmt.Errorf("top-heads chooses heads, so level %q means nothing to it; use %s or %s", p.Level, KVHead, Head)
	}
	if p.Fit {
		return nil, fmt.Errorf("top-heads can only keep a cache whole or not, so its total cannot be fitted")
	}
	shares, err := shares(heads, m, 1)
	if err != nil {
		return nil, err
	}
	how := p.Reduce
	if how == "" {
		how = Max
	}
	weights := reduce(shares, m, p.Level, how)
	out := caches(m, p.Level)
	order := make([]int, len(out))
	total, requested := 0, p.Capacity*len(out)
	for i := range out {
		order[i] = i
		b := &out[i]
		limit := cacheLimit(m.Layers[b.Layer], p.Context)
		b.Window = min(p.Recent, limit)
		b.Budget = min(p.Sink, limit-b.Window)
		b.Entries = b.Budget + b.Window
		total += b.Entries
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(weights[b], weights[a]) })
	for n, i := range order {
		b := &out[i]
		limit := cacheLimit(m.Layers[b.Layer], p.Context)
		more := limit - b.Entries
		if p.Full > 0 && n >= p.Full || p.Full == 0 && total+more > requested {
			break
		}
		total += more
		b.Full, b.Entries, b.Budget = true, limit, limit-b.Window
	}
	return out, nil
}
