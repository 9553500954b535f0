package kvcache

import (
	"fmt"
	"sort"

	"headprof/runner/backend"
)

// Layer is what a policy may look at when it chooses which entries of one
// layer to keep after prefill.
type Layer struct {
	Index, Layers int
	KVHeads       int
	Entries       int // prompt tokens in the cache
	Window        int // the layer's own sliding window; 0: global
	// Attention[h][i] is how much the observation window (the last prompt
	// tokens) attends to entry i, per KV head: the mean over the window's rows
	// and over the group's query heads, max-pooled over positions. It covers
	// the entries before the observation window.
	Attention [][]float32
}

// Policy chooses which entries of a layer stay. A policy is one file and one
// case where policies are named.
type Policy interface {
	// Name is the policy's name in flags and tables.
	Name() string
	// Keep gives, per KV head, the indexes of the entries to keep, ascending.
	Keep(l Layer) [][]int32
}

// Selection holds the settings that attention-based policies share; the
// published runs use a window of 8 and a kernel of 7.
type Selection struct {
	Window int // α: last prompt tokens, always kept, whose attention selects the rest
	Kernel int // odd width of the max-pooling over positions; 1: none
}

// selected keeps the `budget` best earlier entries and the window's own.
func (s Selection) selected(l Layer, head, budget int) []int32 {
	earlier := max(0, l.Entries-s.Window)
	keep := top(l.Attention[head], budget)
	for i := earlier; i < l.Entries; i++ {
		keep = append(keep, int32(i))
	}
	return keep
}

// top gives the indexes of the k largest values, ascending; of equals the
// lowest index wins.
func top(x []float32, k int) []int32 {
	order := make([]int32, len(x))
	for i := range order {
		order[i] = int32(i)
	}
	if k < len(x) {
		sort.SliceStable(order, func(i, j int) bool { return x[order[i]] > x[order[j]] })
		order = order[:max(0, k)]
		sort.Slice(order, func(i, j int) bool { return order[i] < order[j] })
	}
	return order
}

// all keeps every entry.
func all(n int) []int32 {
	keep := make([]int32, n)
	for i := range keep {
		keep[i] = int32(i)
	}
	return keep
}

// ends keeps the first `sinks` and the last `recent` entries.
func ends(n, sinks, recent int) []int32 {
	if sinks+recent >= n {
		return all(n)
	}
	keep := make([]int32, 0, sinks+recent)
	for i := range n {
		if i < sinks || i >= n-recent {
			keep = append(keep, int32(i))
		}
	}
	return keep
}

// perHead applies one choice to every KV head.
func perHead(l Layer, choose func(head int) []int32) [][]int32 {
	keep := make([][]int32, l.KVHeads)
	for h := range keep {
		keep[h] = choose(h)
	}
	return keep
}

// Compress applies a policy to every layer of a cache that holds a prefilled
// prompt. observed may be nil for policies that look at positions only.
func Compress(c backend.Cache, shape []backend.CacheLayer, windows []int, p Policy, observed *Observer) error {
	n := c.Len()
	for i, s := range shape {
		l := Layer{Index: i, Layers: len(shape), KVHeads: s.KVHeads, Entries: n, Window: windows[i]}
		if observed != nil {
			l.Attention = observed.Attention(i)
		}
		for h, keep := range p.Keep(l) {
			if len(keep) == n {
				continue
			}
			if err := c.Keep(i, h, keep); err != nil {
				return fmt.Errorf("policy %s, layer %d, KV head %d: %w", p.Name(), i, h, err)
			}
		}
	}
	return nil
}
