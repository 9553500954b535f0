package cpu

import (
	"errors"
	"fmt"

	"headprof/runner/backend"
	"headprof/runner/kvcache"
)

// branches is a step of the same rows against several caches. What treats each
// row on its own is done for all rows at once; what depends on position or
// cache goes branch by branch.
type branches struct {
	*ops
	each []*ops
}

// BeginBranches implements backend.Brancher.
func (b *Backend) BeginBranches(caches []backend.Cache, n int) (backend.Ops, error) {
	if len(caches) == 0 {
		return nil, errors.New("cpu: a step without caches")
	}
	t := &branches{}
	for i, c := range caches {
		if i == 0 {
			o, err := b.Begin(c, n, nil)
			if err != nil {
				return nil, err
			}
			t.ops = o.(*ops)
			t.each = append(t.each, t.ops)
			continue
		}
		host, ok := c.(*kvcache.Host)
		if !ok || host.Len() != t.first {
			return nil, fmt.Errorf("cpu: the branches of a step need caches of one length; number %d has %d tokens, the first %d", i, c.Len(), t.first)
		}
		host.Rollback()
		o := *t.ops
		o.cache = host
		t.each = append(t.each, &o)
	}
	return t, nil
}

// of gives the rows of branch b.
func (t *branches) of(x backend.Value, b int) *value {
	v := *x.(*value)
	v.x, v.rows = v.x[b*t.n*v.stride:], t.n
	return &v
}

// count is how many branches a value has rows of.
func (t *branches) count(x backend.Value) int { return x.Rows() / t.n }

// Rope implements backend.Ops.
func (t *branches) Rope(x backend.Value, heads int, r backend.Rope) {
	for b := range t.count(x) {
		t.ops.Rope(t.of(x, b), heads, r)
	}
}

// Store implements backend.Ops.
func (t *branches) Store(layer int, k, v backend.Value) {
	for b := range t.count(k) {
		t.each[b].Store(layer, t.of(k, b), t.of(v, b))
	}
}

// Attend implements backend.Ops.
func (t *branches) Attend(q backend.Value, a backend.Attention, _ []int) backend.Value {
	out := t.arena.value(q.Rows(), a.Heads*a.ValueDim)
	for b := range t.count(q) {
		t.each[b].attend(t.of(out, b), t.of(q, b), a, nil)
	}
	return out
}

// Flush ends the step.
func (t *branches) Flush() error {
	for _, o := range t.each {
		o.cache.Rollback()
	}
	t.ops.n = 0 // nothing is committed
	return t.ops.Flush()
}

// Row implements backend.HostOps.
func (o *ops) Row(x backend.Value, i int) []float32 { return x.(*value).row(i) }
