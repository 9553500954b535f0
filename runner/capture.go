package runner

import (
	"slices"

	"headprof/runner/backend"
)

// rows gives the wanted rows of a chunk of n tokens from position first on.
func (b *Blocks) rows(first, n int) []int {
	if b == nil || b.Deliver == nil {
		return nil
	}
	var rows []int
	for p := max(b.From, first); p < min(b.To, first+n); p++ {
		rows = append(rows, p-first)
	}
	return rows
}

// rowByRow serves a watch of blocks by single rows, for backends that know
// only those.
func rowByRow(w backend.Watch, first int) backend.Watch {
	rows, blocks, deliver := w.Rows, w.Blocks, w.Deliver
	return backend.Watch{Rows: union(rows, blocks.Rows), Deliver: func(r backend.Row) {
		i := r.Position - first
		if _, ok := slices.BinarySearch(rows, i); ok && deliver != nil {
			deliver(r)
		}
		if _, ok := slices.BinarySearch(blocks.Rows, i); ok && (blocks.Wants == nil || blocks.Wants(r.Layer, r.Head)) {
			blocks.Deliver(backend.RowBlock{Layer: r.Layer, Head: r.Head, Positions: []int{r.Position},
				First: r.First, Width: len(r.Weights), Stride: len(r.Weights), Weights: r.Weights})
		}
	}}
}

// projecting wraps a step so that queries and keys are delivered as they were
// before their rotation; families need not know. Every family rotates a
// layer's queries, then its keys, or neither.
type projecting struct {
	backend.Ops
	deliver       func(backend.Projections)
	rope          backend.Rope
	queries, keys []float32
}

func (o *projecting) Rope(x backend.Value, heads int, r backend.Rope) {
	if o.queries == nil {
		o.rope, o.queries = r, slices.Clone(o.Read(x))
	} else {
		o.keys = slices.Clone(o.Read(x))
	}
	o.Ops.Rope(x, heads, r)
}

func (o *projecting) Store(layer int, k, v backend.Value) {
	if o.keys == nil {
		o.keys = slices.Clone(o.Read(k))
	}
	o.Ops.Store(layer, k, v)
}

func (o *projecting) Attend(q backend.Value, a backend.Attention, rows []int) backend.Value {
	if o.queries == nil {
		o.queries = slices.Clone(o.Read(q))
	}
	o.deliver(backend.Projections{Layer: a.Layer, First: o.Position(0), Queries: o.queries, Keys: o.keys, Rope: o.rope, Attention: a})
	o.rope, o.queries, o.keys = backend.Rope{}, nil, nil
	return o.Ops.Attend(q, a, rows)
}

// feeding wraps a step so that what attention takes is delivered; families need
// not know.
type feeding struct {
	backend.Ops
	vector       func(backend.Weight) []float32
	deliver      func(backend.AttentionInputs)
	keys, values []float32
}

func (o *feeding) Store(layer int, k, v backend.Value) {
	o.keys, o.values = slices.Clone(o.Read(k)), slices.Clone(o.Read(v))
	o.Ops.Store(layer, k, v)
}

func (o *feeding) Attend(q backend.Value, a backend.Attention, rows []int) backend.Value {
	o.deliver(backend.AttentionInputs{Layer: a.Layer, First: o.Position(0), Queries: o.Read(q), Keys: o.keys, Values: o.values,
		Sinks: o.vector(a.Sinks), Attention: a})
	return o.Ops.Attend(q, a, rows)
}

// outputting wraps a step so that heads' outputs are delivered; families need
// not know.
type outputting struct {
	backend.Ops
	n       int
	deliver func(backend.Outputs)
}

func (o *outputting) Attend(q backend.Value, a backend.Attention, rows []int) backend.Value {
	out := o.Ops.Attend(q, a, rows)
	at := slices.Clone(rows)
	if rows == nil {
		at = upTo(o.n)
	}
	for i := range at {
		at[i] += o.Position(0)
	}
	o.deliver(backend.Outputs{Layer: a.Layer, Positions: at, Heads: o.Read(out), Attention: a})
	return out
}
