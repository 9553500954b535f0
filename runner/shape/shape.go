// Package shape describes a model as far as everyone must know it: what each
// layer attends with, and how large its heads are. It imports nothing, so
// that caches, allocation, tables and manifests share one description.
// Layers may differ in everything, the number of heads included.
package shape

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Kind says how a layer carries information from token to token.
type Kind int

// Kinds of layers. Only Attention has softmaxed attention rows and entries
// that a policy can choose among.
const (
	Attention Kind = iota // softmax attention over cached keys and values
	Latent                // attention over a compressed cache that all heads share (MLA)
	Linear                // linear attention: a state of fixed size
	Recurrent             // a state-space layer or a short convolution
	None                  // no mixing of tokens
)

var kindNames = []string{"attention", "latent", "linear", "recurrent", "none"}

func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind %d", int(k))
	}
	return kindNames[k]
}

// MarshalText gives the kind's name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a kind's name.
func (k *Kind) UnmarshalText(text []byte) error {
	for i, name := range kindNames {
		if name == string(text) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("no kind of layer is called %q; known: %v", text, kindNames)
}

// Layer is the shape of one layer. Sizes are elements; 0 where they are not known.
type Layer struct {
	Kind     Kind `json:"kind,omitempty"`
	Heads    int  `json:"heads"`               // query heads; 0 without attention
	KVHeads  int  `json:"kv_heads,omitempty"`  // key/value heads; 0: not known
	KeyDim   int  `json:"key_dim,omitempty"`   // of one head's query or key
	ValueDim int  `json:"value_dim,omitempty"` // of one head's value
	Window   int  `json:"window,omitempty"`    // keys a position sees, itself included; 0: all before it
	Shares   int  `json:"shares,omitempty"`    // it reads the cache of the layer so many before it and has none of its own; 0: its own
	State    int  `json:"state,omitempty"`     // float32 numbers of recurrent state that a sequence keeps, whatever its length; 0: none
}

// Stores tells whether the layer has keys and values of its own in the cache.
func (l Layer) Stores() bool { return l.Shares == 0 }

// Caches is the number of KV heads that the layer keeps: none where it reads
// another layer's.
func (l Layer) Caches() int {
	if !l.Stores() {
		return 0
	}
	return l.KVHeads
}

// Attends tells whether the layer has attention heads. One that has none may
// hold a recurrent state, and one that has some may, too.
func (l Layer) Attends() bool { return l.Heads > 0 || l.KVHeads > 0 }

// Group is the number of query heads that share a KV head; 1 where KV heads are not known.
func (l Layer) Group() int {
	if l.KVHeads <= 0 {
		return 1
	}
	return max(1, l.Heads/l.KVHeads)
}

// KVHead is the KV head that a query head reads.
func (l Layer) KVHead(head int) int { return head / l.Group() }

// EntryElements is the number of elements of one cached key and value.
func (l Layer) EntryElements() int { return l.KeyDim + l.ValueDim }

// Check fails where query heads cannot share KV heads evenly.
func (l Layer) Check() error {
	if l.KVHeads < 0 || l.Heads < 0 || l.KVHeads > 0 && l.Heads%l.KVHeads != 0 {
		return fmt.Errorf("%d heads cannot share %d KV heads evenly", l.Heads, l.KVHeads)
	}
	if l.Shares < 0 || l.Window < 0 || l.KeyDim < 0 || l.ValueDim < 0 || l.State < 0 {
		return fmt.Errorf("negative window, head size or state")
	}
	return nil
}

// Model is a model's layers, in order.
type Model []Layer

// Uniform is a model of equal layers.
func Uniform(layers int, l Layer) Model {
	m := make(Model, layers)
	for i := range m {
		m[i] = l
	}
	return m
}

// Heads is the number of query heads of all layers.
func (m Model) Heads() (n int) {
	for _, l := range m {
		n += l.Heads
	}
	return n
}

// KVHeads is the number of KV heads of all layers that have a cache.
func (m Model) KVHeads() (n int) {
	for _, l := range m {
		if l.Stores() {
			n += l.KVHeads
		}
	}
	return n
}

// Shares tells whether any layer reads another one's cache.
func (m Model) Shares() bool {
	return slices.ContainsFunc(m, func(l Layer) bool { return !l.Stores() })
}

// Source is the layer whose cache a layer reads.
func (m Model) Source(layer int) int { return layer - m[layer].Shares }

// Share makes layer's keys and values those of an earlier layer, which must have
// heads of the same sizes and the same window.
func (m Model) Share(layer, with int) error {
	a, b := m[layer], m[with]
	if with >= layer || b.Shares != 0 || a.KVHeads != b.KVHeads || a.KeyDim != b.KeyDim || a.ValueDim != b.ValueDim || a.Window != b.Window {
		return fmt.Errorf("layer %d cannot read the keys and values of layer %d, whose heads or window differ", layer, with)
	}
	m[layer].Shares = layer - with
	return nil
}

// MaxHeads is the number of query heads of the widest layer: the columns of a
// grid of layers and heads, in which narrower layers have no cell.
func (m Model) MaxHeads() (n int) {
	for _, l := range m {
		n = max(n, l.Heads)
	}
	return n
}

// Attending is the number of layers with attention.
func (m Model) Attending() (n int) {
	for _, l := range m {
		if l.Attends() {
			n++
		}
	}
	return n
}

// State is the recurrent state of all layers, in float32 numbers.
func (m Model) State() (n int) {
	for _, l := range m {
		n += l.State
	}
	return n
}

// Has tells whether the model has this query head.
func (m Model) Has(layer, head int) bool {
	return layer >= 0 && layer < len(m) && head >= 0 && head < m[layer].Heads
}

// String says the shape in words: "30 layers × 9 heads", or a range of heads,
// or "6 of 24 layers × 8 heads" where the others have no attention.
func (m Model) String() string {
	attending, many := m.Attending(), m.MaxHeads()
	few := many
	for _, l := range m {
		if l.Attends() {
			few = min(few, l.Heads)
		}
	}
	layers := fmt.Sprintf("%d layers", len(m))
	switch {
	case attending == 0:
		return layers
	case attending < len(m):
		layers = fmt.Sprintf("%d of %d layers", attending, len(m))
	}
	if many != few {
		return fmt.Sprintf("%s × %d to %d heads", layers, few, many)
	}
	return fmt.Sprintf("%s × %d heads", layers, few)
}

// run is the form in which a Model is written: equal layers in a row once.
type run struct {
	Layers int `json:"layers"`
	Layer
}

// maxLayers bounds what a file may ask for.
const maxLayers = 1 << 20

// MarshalJSON writes runs of equal layers: [{"layers":5,"heads":4,…},…].
func (m Model) MarshalJSON() ([]byte, error) {
	runs := []run{}
	for _, l := range m {
		if n := len(runs); n > 0 && runs[n-1].Layer == l {
			runs[n-1].Layers++
			continue
		}
		runs = append(runs, run{1, l})
	}
	return json.Marshal(runs)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (m *Model) UnmarshalJSON(data []byte) error {
	var runs []run
	if err := json.Unmarshal(data, &runs); err != nil {
		return err
	}
	var all Model
	for _, r := range runs {
		if r.Layers < 1 || len(all)+r.Layers > maxLayers {
			return fmt.Errorf("a model of %d and %d layers cannot be", len(all), r.Layers)
		}
		if err := r.Layer.Check(); err != nil {
			return fmt.Errorf("layer %d: %w", len(all), err)
		}
		all = append(all, Uniform(r.Layers, r.Layer)...)
	}
	for l := range all {
		if s := all[l].Shares; s > 0 {
			all[l].Shares = 0
			if s > l {
				return fmt.Errorf("layer %d reads a cache %d layers before it", l, s)
			} else if err := all.Share(l, l-s); err != nil {
				return err
			}
		}
	}
	*m = all
	return nil
}
