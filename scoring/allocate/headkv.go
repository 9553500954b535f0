package allocate

import (
	"fmt"
	"math"
	"slices"

	"headprof/scoring"
)

func init() { register(10, func() Policy { return new(HeadKV) }) }

// HeadKV is HeadKV's allocation (arXiv 2410.19258, head-level KV cache
// allocation): each cache keeps a floor, and what was taken off the base above
// the floor is one pool divided by score.
//
//	base = c − α    pool = ⌊base/β⌋·caches    floor = base − ⌊base/β⌋
//	quota_i = share_i·pool + floor
//
// The published code computes this in float64 and divides as Python's // does,
// which is not always floor(base/β): 11 // 1.1 is 9. So do we.
//
// At levels KVHead and ByLayer shares are first taken per query head, temp
// included, then reduced over the group.
type HeadKV struct {
	Beta float64 `param:"beta" default:"1.2" above:"1" help:"the smaller, the more is divided by score"`
	Temp float64 `param:"temp" default:"1" above:"0" help:"exponent on the normalised scores"`
}

// Name implements Policy.
func (HeadKV) Name() string { return "headkv" }

// Allocate implements Policy.
func (p HeadKV) Allocate(r Request) ([]Budget, error) {
	shares, err := shares(r.Heads, r.Model, p.Temp)
	if err != nil {
		return nil, err
	}
	weights := reduce(shares, r.Model, r.Level, r.Reduce)
	base := float64(r.Capacity - r.Window)
	divided := floorDiv(base, p.Beta)
	pool := divided * float64(len(weights))
	floor := base - divided
	quotas := make([]float64, len(weights))
	for i, w := range weights {
		quotas[i] = float64(w*pool) + floor
	}
	return r.Budgets(quotas)
}

// floorDiv is Python's floor division of non-negative floats, which takes the
// exact remainder first.
func floorDiv(a, b float64) float64 {
	q := (a - math.Mod(a, b)) / b
	floor := math.Floor(q)
	if q-floor > 0.5 {
		floor++
	}
	return floor
}

// shares gives every query head's part of the sum of scores, raised to temp
// and normalised again: one number per head, by layer, then head.
func shares(heads []scoring.Head, m Model, temp float64) ([]float64, error) {
	var want int
	for _, l := range m.Layers {
		want += l.Heads
	}
	if len(heads) != want {
		return nil, fmt.Errorf("the scores name %d heads, the model has %d", len(heads), want)
	}
	out := make([]float64, want)
	var sum float64
	i := 0
	for l, layer := range m.Layers {
		for h := range layer.Heads {
			row := heads[i]
			if row.Layer != l || row.Head != h {
				return nil, fmt.Errorf("the scores lack layer %d, head %d", l, h)
			}
			if !(row.Mean >= 0) || math.IsInf(row.Mean, 1) {
				return nil, fmt.Errorf("score %v of layer %d, head %d is no share of anything; scores must be finite and not negative", row.Mean, l, h)
			}
			out[i] = row.Mean
			sum += row.Mean
			i++
		}
	}
	if sum == 0 || math.IsInf(sum, 1) {
		return nil, fmt.Errorf("the scores add up to %v, so they cannot be shared out; profile with more trials or another method", sum)
	}
	for i := range out {
		out[i] = math.Pow(out[i]/sum, temp)
	}
	var total float64
	for _, v := range out {
		total += v
	}
	if !(total > 0) {
		return nil, fmt.Errorf("with temp %v every share vanishes; use a smaller one", temp)
	}
	for i := range out {
		out[i] /= total
	}
	return out, nil
}

// reduce turns shares of query heads into shares of caches that sum to 1.
func reduce(shares []float64, m Model, level Level, how Reduce) []float64 {
	if level == Head {
		return shares
	}
	var out []float64
	i := 0
	shares = foldReaders(shares, m, how)
	for _, layer := range m.Layers {
		if !layer.Stores() {
			i += layer.Heads
			continue
		}
		group := layer.Group()
		if level == ByLayer {
			group = max(1, layer.Heads)
		}
		for at := 0; at < layer.Heads; at += group {
			var v float64
			for _, s := range shares[i+at : i+at+group] {
				if how == Max {
					v = max(v, s)
				} else {
					v += s
				}
			}
			if level == ByLayer {
				// The layer's KV heads divide its share evenly.
				for range layer.KVHeads {
					out = append(out, v/float64(layer.KVHeads))
				}
				continue
			}
			if how != Max {
				// Groups may differ in size between layers: a mean, not a sum.
				v *= float64(layer.KVHeads) / float64(layer.Heads)
			}
			out = append(out, v)
		}
		i += layer.Heads
	}
	var sum float64
	for _, v := range out {
		sum += v
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

// foldReaders gives each head of a layer whose cache other layers read as well
// the mean, or the largest, share of the heads of its number in all of them.
func foldReaders(shares []float64, m Model, how Reduce) []float64 {
	out, first, read := slices.Clone(shares), make([]int, len(m.Layers)), make([]int, len(m.Layers))
	at := 0
	for l, layer := range m.Layers {
		first[l] = at
		at += layer.Heads
		if from := m.Layers.Source(l); !layer.Stores() {
			read[from]++
			for h := range layer.Heads {
				into := &out[first[from]+h]
				if s := shares[first[l]+h]; how == Max {
					*into = max(*into, s)
				} else {
					*into += s
				}
			}
		}
	}
	for l, n := range read {
		for h := range m.Layers[l].Heads {
			if how != Max && n > 0 {
				out[first[l]+h] /= float64(n + 1)
			}
		}
	}
	return out
}
