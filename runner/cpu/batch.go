package cpu

import (
	"errors"
	"fmt"

	"headprof/runner/backend"
	"headprof/runner/kvcache"
)

// batch is a step of rows against several caches. What treats each row on its
// own is done for all rows at once; what depends on position or cache goes
// part by part.
type batch struct {
	*ops          // of the first part: arena, threads and errors of all
	each   []*ops // one per part
	from   []int  // the first row of each part, and the number of all rows
	commit bool   // Flush commits what was stored
}

// BeginBranches implements backend.Brancher.
func (b *Backend) BeginBranches(caches []backend.Cache, n int) (backend.Ops, error) {
	parts := make([]backend.Part, len(caches))
	for i, c := range caches {
		if c.Len() != caches[0].Len() {
			return nil, fmt.Errorf("cpu: the branches of a step need caches of one length; number %d has %d tokens, the first %d", i, c.Len(), caches[0].Len())
		}
		parts[i] = backend.Part{Cache: c, Rows: n}
	}
	return b.begin(parts, false)
}

// BeginBatch implements backend.Batcher.
func (b *Backend) BeginBatch(parts []backend.Part) (backend.Ops, error) { return b.begin(parts, true) }

func (b *Backend) begin(parts []backend.Part, commit bool) (backend.Ops, error) {
	if len(parts) == 0 {
		return nil, errors.New("cpu: a step without caches")
	}
	t := &batch{commit: commit, from: []int{0}}
	for i, p := range parts {
		if i > 0 {
			host, ok := p.Cache.(*kvcache.Host)
			if !ok {
				return nil, fmt.Errorf("cpu: a cache of type %T belongs to another backend", p.Cache)
			}
			if err := check(p.Rows, p.Watch); err != nil {
				return nil, err
			}
			host.Rollback()
			o := *t.ops
			o.cache, o.first, o.n, o.watch = host, host.Len(), p.Rows, p.Watch
			t.each = append(t.each, &o)
		} else {
			o, err := b.Begin(p.Cache, p.Rows, p.Watch)
			if err != nil {
				return nil, err
			}
			t.ops = o.(*ops)
			t.each = append(t.each, t.ops)
		}
		t.from = append(t.from, t.from[i]+p.Rows)
	}
	return t, nil
}

// Position implements backend.Ops.
func (t *batch) Position(row int) int {
	i := 0
	for row >= t.from[i+1] {
		i++
	}
	return t.each[i].Position(row - t.from[i])
}

// of gives the rows of part i.
func (t *batch) of(x backend.Value, i int) *value {
	return x.(*value).part(t.from[i], t.from[i+1])
}

// part gives rows [from, to).
func (v *value) part(from, to int) *value {
	p := *v
	p.x, p.rows = v.x[from*v.stride:], to-from
	return &p
}

// count is how many parts a value has rows of.
func (t *batch) count(x backend.Value) int {
	n := 0
	for n < len(t.each) && t.from[n+1] <= x.Rows() {
		n++
	}
	return n
}

// Rope implements backend.Ops.
func (t *batch) Rope(x backend.Value, heads int, r backend.Rope) {
	for i := range t.count(x) {
		o := t.each[i]
		if o.first == t.first && o.n == t.n {
			o = t.ops // has the angles
		}
		o.Rope(t.of(x, i), heads, r)
	}
}

// Store implements backend.Ops.
func (t *batch) Store(layer int, k, v backend.Value) {
	for i := range t.count(k) {
		t.each[i].Store(layer, t.of(k, i), t.of(v, i))
	}
}

// Attend implements backend.Ops. The parts' tasks share the threads.
func (t *batch) Attend(q backend.Value, a backend.Attention, rows []int) backend.Value {
	n := q.Rows()
	if rows != nil {
		n = len(rows)
	}
	out := t.arena.value(n, a.Heads*a.ValueDim)
	var calls []*attend
	var ends []int // of each call's tasks among all
	tasks, done := 0, 0
	for i := range t.count(q) {
		to := t.from[i+1]
		var local []int
		if rows != nil {
			local = []int{}
			for to = done; to < len(rows) && rows[to] < t.from[i+1]; to++ {
				local = append(local, rows[to]-t.from[i])
			}
		}
		if to == done {
			continue
		}
		c := t.each[i].attend(out.part(done, to), t.of(q, i), a, local)
		calls, tasks = append(calls, c), tasks+c.tasks()
		ends = append(ends, tasks)
		done = to
	}
	t.run(tasks, func(worker, task int) {
		i := 0
		for task >= ends[i] {
			i++
		}
		calls[i].task(worker, task-ends[i]+calls[i].tasks())
	})
	for _, c := range calls {
		c.finish()
	}
	return out
}

// Flush ends the step.
func (t *batch) Flush() error {
	for _, o := range t.each[1:] {
		if t.commit && t.err == nil && !t.ended {
			o.cache.Commit(o.first + o.n)
		} else {
			o.cache.Rollback()
		}
	}
	if !t.commit {
		t.cache.Rollback()
		t.n = 0 // nothing is committed
	}
	return t.ops.Flush()
}

// Row implements backend.HostOps.
func (o *ops) Row(x backend.Value, i int) []float32 { return x.(*value).row(i) }
