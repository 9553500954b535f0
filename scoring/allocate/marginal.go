package allocate

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"headprof/scoring"
)

func init() { register(50, func() Policy { return new(Marginal) }) }

// Marginal gives each next entry to the KV head to which it is worth most: the
// bytes that a model's caches may take in all are spent by the marginal
// utilities of measured curves, in nats per byte.
//
// With curves made convex this is the optimum of
//
//	min Σ_h loss_h(n_h)   subject to   Σ_h n_h·bytes_h ≤ capacity · Σ_h bytes_h
//
// over budgets n_h that are real numbers, and over whole entries where all
// entries have one size (Fox, Discrete Optimization via Marginal Analysis,
// Management Science 13(3), 1966). The losses of single heads are taken to add
// up, which is an approximation. Equal utilities go to the lowest layer, then
// head. Entries that are worth nothing to any head are shared out evenly, so
// that the total is the requested one to the entry, unless no cache can hold
// more.
//
// The convex form is [scoring.Curve.Hull]. Below its first point a curve goes on
// at its first slope; past its last nothing is gained.
type Marginal struct {
	Curves []scoring.Curve `param:"-"` // of every KV head, by layer and head
}

// Name implements Policy.
func (Marginal) Name() string { return "marginal" }

// Allocate implements Policy.
func (p Marginal) Allocate(r Request) ([]Budget, error) {
	if r.Level != KVHead {
		return nil, fmt.Errorf("marginal divides by what each KV head's cache is worth, so level %q means nothing to it; use %s", r.Level, KVHead)
	}
	out := caches(r.Model, r.Level)
	if err := p.fits(out); err != nil {
		return nil, err
	}
	floors, caps := make([]int, len(out)), make([]int, len(out))
	for i := range out {
		b := &out[i]
		limit := cacheLimit(r.Model.Layers[b.Layer], r.context())
		b.Window = min(r.Window, limit)
		floors[i], caps[i] = b.Window, limit
	}
	sizes := r.Model.entrySizes(out)
	var total int64
	for _, s := range sizes {
		total += int64(r.Capacity) * s
	}
	entries, left, err := spend(p.Curves, sizes, floors, caps, total)
	if err != nil {
		return nil, err
	}
	if r.Fit && left >= slices.Max(sizes) {
		return nil, fmt.Errorf("the caches can hold %d bytes' worth of entries less than were asked for; ask for less or drop the fit", left)
	}
	for i := range out {
		b := &out[i]
		b.Entries, b.Budget = entries[i], entries[i]-b.Window
	}
	return out, nil
}

// Share gives the entries of each cache, by layer and KV head, that are worth
// most where so large a share of the whole cache of a prompt of context tokens
// is kept, at least one entry in each; and what each would hold whole.
func (p Marginal) Share(m Model, context int, share float64) (kept, whole []int, err error) {
	out := caches(m, KVHead)
	if err := p.fits(out); err != nil {
		return nil, nil, err
	}
	sizes := m.entrySizes(out)
	floors := make([]int, len(out))
	var total, least int64
	for i, b := range out {
		floors[i] = 1
		whole = append(whole, cacheLimit(m.Layers[b.Layer], context))
		total += int64(whole[i]) * sizes[i]
		least += sizes[i]
	}
	kept, _, err = spend(p.Curves, sizes, floors, whole, max(least, int64(math.Round(share*float64(total)))))
	return kept, whole, err
}

// fits holds the curves against the caches that they are to divide.
func (p Marginal) fits(out []Budget) error {
	if len(p.Curves) == 0 {
		return errors.New("marginal divides by the curves of cache-cut; 'headprof score --method cache-cut --cut-curve auto' measures them")
	}
	if len(p.Curves) != len(out) {
		return fmt.Errorf("the curves are of %d KV heads, the model has %d", len(p.Curves), len(out))
	}
	for i, c := range p.Curves {
		if c.Layer != out[i].Layer || c.KVHead != out[i].KVHead {
			return fmt.Errorf("the curves lack layer %d, KV head %d", out[i].Layer, out[i].KVHead)
		}
	}
	return nil
}

// entrySizes are the bytes of an entry of each cache; 1 in each where a size is
// not known.
func (m Model) entrySizes(of []Budget) []int64 {
	sizes := make([]int64, len(of))
	for i, b := range of {
		l := m.Layers[b.Layer]
		sizes[i] = int64(l.KeyDim+l.ValueDim) * int64(m.ElementBytes)
	}
	if slices.Min(sizes) <= 0 {
		for i := range sizes {
			sizes[i] = 1
		}
	}
	return sizes
}

// piece is a stretch of a convex curve: entries of one cache that are worth
// the same.
type piece struct {
	cache    int
	from, to int
	worth    float64 // nats per byte
}

// spend divides total bytes over caches, each between its floor and its cap, by
// curves. It gives entries per cache and the bytes that are left: fewer than an
// entry's, or those that no cache can hold.
func spend(curves []scoring.Curve, sizes []int64, floors, caps []int, total int64) (entries []int, left int64, err error) {
	entries, left = slices.Clone(floors), total
	var all []piece
	for i, c := range curves {
		left -= int64(floors[i]) * sizes[i]
		for _, p := range pieces(c) {
			p.cache, p.from, p.to = i, max(p.from, floors[i]), min(p.to, caps[i])
			p.worth /= float64(sizes[i])
			if p.to > p.from && p.worth > 0 {
				all = append(all, p)
			}
		}
	}
	if left < 0 {
		return nil, 0, fmt.Errorf("the windows that every cache keeps take more than the capacity; ask for more or a smaller window")
	}
	// The pieces of a cache come in their order, each worth less than the one before.
	slices.SortStableFunc(all, func(a, b piece) int { return cmp.Compare(b.worth, a.worth) })
	for _, p := range all {
		n := min(int64(p.to-p.from), left/sizes[p.cache])
		entries[p.cache] += int(n)
		left -= n * sizes[p.cache]
	}
	return entries, shareEvenly(entries, sizes, caps, left), nil
}

// shareEvenly hands out bytes that are worth nothing, an entry to each cache in turn,
// and gives what is left: fewer than an entry's, or those that no cache can hold.
func shareEvenly(entries []int, sizes []int64, caps []int, left int64) int64 {
	for {
		var open []int
		var round int64 // bytes of an entry for each
		for i := range entries {
			if entries[i] < caps[i] && sizes[i] <= left {
				open = append(open, i)
				round += sizes[i]
			}
		}
		if len(open) == 0 {
			return left
		}
		rounds := max(1, left/round)
		for _, i := range open {
			n := min(rounds, int64(caps[i]-entries[i]), left/sizes[i])
			entries[i] += int(n)
			left -= n * sizes[i]
		}
	}
}

// pieces are the stretches of a curve's convex form, from 0 entries on, with
// worth in nats per entry.
func pieces(c scoring.Curve) []piece {
	kept, loss := c.Hull()
	var out []piece
	for i := 1; i < len(kept); i++ {
		p := piece{from: kept[i-1], to: kept[i], worth: (loss[i-1] - loss[i]) / float64(kept[i]-kept[i-1])}
		if i == 1 {
			p.from = 0
		}
		out = append(out, p)
	}
	return out
}
