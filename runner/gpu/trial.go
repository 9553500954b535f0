package gpu

import "headprof/runner/backend"

// trial is a step that is tried out: its operations take memory of heaps that
// have none, and are not recorded.
type trial struct {
	scratch, uploads, results *heap
	weights                   []*weight // in the order of their use
}

// tryOut runs the model's equations to see what a step takes, and notes what
// each weight is for.
func (b *Backend) tryOut(shape *Cache, r backend.Run) (*trial, error) {
	t := &trial{scratch: &heap{dry: true}, uploads: &heap{dry: true}, results: &heap{dry: true}}
	for l := range shape.heads {
		k, v := shape.entryBytes(l)
		for i := range shape.heads[l] {
			shape.heads[l][i] = kvHead{region: region{b: &block{}, len: uint64(r.Entries * (k + v))}, n: max(0, r.Entries-r.Rows), capacity: r.Entries}
		}
	}
	shape.n = max(0, r.Entries-r.Rows)
	o := &ops{
		recorder: &recorder{b: b, dry: t}, uploads: t.uploads, results: t.results, c: shape, first: shape.n, n: r.Rows,
		watch: &backend.Watch{Rows: r.Watched, Deliver: func(backend.Row) {}}, turns: map[turnKey]uint64{}, tables: make([]uint64, len(shape.layers)),
	}
	o.recorder.scratch.dry = true
	t.scratch = &o.recorder.scratch
	r.Step(o)
	return t, o.err
}

// uses notes that a weight is used, and for what.
func (t *trial) uses(w *weight, as use) {
	w.used |= as
	t.weights = append(t.weights, w)
}
