package kvcache

import (
	"fmt"

	"headprof/runner/backend"
	"headprof/runner/shape"
)

// Layer is what a policy may look at when it chooses which entries of one
// layer to keep after prefill.
type Layer struct {
	shape.Layer
	Index         int
	Place, Places int // the layer's place among the layers with attention, and their number
	Entries       int // prompt tokens in the cache; entry index = position
	Pending       int // the prompt's last tokens, which are still to be fed
	// Attention[h][i] is how much the observation window (the prompt's last
	// tokens) attends to entry i, per KV head: the mean over the window's rows
	// and over the group's query heads, max-pooled over positions. It covers
	// the entries before the observation window.
	Attention [][]float32
}

// Visible is the first entry that a token after the prompt's last one but
// Pending can still see: those before it are outside the layer's window.
func (l Layer) Visible() int {
	if l.Window == 0 {
		return 0
	}
	return min(l.Entries, max(0, l.Entries+l.Pending-l.Window))
}

// Policy chooses which entries of a layer stay, for one prompt. A Preset makes it.
type Policy interface {
	// Keep gives, per KV head, the indexes of the entries to keep, ascending.
	// Capacities count the pending tokens, which join the cache afterwards.
	Keep(l Layer) [][]int32
}

// Selection holds the parameters that attention-based policies share; the
// published runs use a window of 8 and a kernel of 7.
type Selection struct {
	// The observation window α.
	Window int `param:"window" default:"8" min:"1" unit:"tokens" help:"last prompt tokens, always kept, whose attention selects the rest"`
	// 1 pools nothing.
	Kernel int `param:"kernel" default:"7" min:"1" odd:"true" unit:"positions" help:"width of the max-pooling over positions"`
}

// watches marks the policies that embed Selection.
func (Selection) watches() {}

// selected keeps the `budget` best entries before the observation window, and
// the window's own. Entries that a sliding window has left behind are never
// kept: no later token sees them.
func (s Selection) selected(l Layer, head, budget int) []int32 {
	first, earlier := l.Visible(), len(l.Attention[head])
	if first > earlier {
		return span(first, l.Entries)
	}
	keep := top(l.Attention[head][first:], budget)
	for i := range keep {
		keep[i] += int32(first)
	}
	return append(keep, span(earlier, l.Entries)...)
}

// span lists the entries [from, to).
func span(from, to int) []int32 {
	keep := make([]int32, max(0, to-from))
	for i := range keep {
		keep[i] = int32(from + i)
	}
	return keep
}

// firstAndLast keeps the first `sinks` and the last `recent` tokens of the prompt.
// Sinks outside a layer's sliding window go to its recent tokens.
func (l Layer) firstAndLast(sinks, recent int) []int32 {
	sinks, recent = max(0, sinks), max(0, recent-l.Pending)
	first := l.Visible()
	if first > 0 {
		sinks, recent = 0, sinks+recent
	}
	if sinks+recent >= l.Entries-first {
		return span(first, l.Entries)
	}
	return append(span(0, sinks), span(l.Entries-recent, l.Entries)...)
}

// perHead applies one choice to every KV head.
func perHead(l Layer, choose func(head int) []int32) [][]int32 {
	keep := make([][]int32, l.KVHeads)
	for h := range keep {
		keep[h] = choose(h)
	}
	return keep
}

// Compress applies a policy to every layer of a cache that holds the beginning
// of a prompt of so many tokens: all of it, or all but the last ones, which
// are fed afterwards. observed may be nil for policies that look at positions only.
func Compress(c backend.Cache, layers shape.Model, p Policy, observed *Observer, prompt int) error {
	n := c.Len()
	if prompt < n {
		return fmt.Errorf("the cache holds %d tokens, more than the prompt's %d; compress before decoding", n, prompt)
	}
	for i, s := range layers {
		if !s.Attends() || !s.Stores() {
			continue // it has no cache, or reads what its source keeps
		}
		l := Layer{Layer: s, Index: i, Place: layers[:i].Attending(), Places: layers.Attending(), Entries: n, Pending: prompt - n}
		if observed != nil {
			var err error
			if l.Attention, err = observed.Attention(i); err != nil {
				return err
			}
		}
		for h, keep := range p.Keep(l) {
			if len(keep) == n {
				continue
			}
			if err := c.Keep(i, h, keep); err != nil {
				return err
			}
		}
	}
	return nil
}

// watcher is a Policy that looks at attention: one that embeds Selection.
type watcher interface{ watches() }

// Watches reports whether a policy looks at attention, so that Compress needs
// an Observer: whether it embeds Selection.
func Watches(p Policy) bool {
	_, ok := p.(watcher)
	return ok
}
