package cpu

import (
	"fmt"

	"headprof/runner/backend"
	"headprof/runner/kvcache"
	"headprof/runner/tensor"
)

// ops is one step. Each call computes at once.
type ops struct {
	b     *Backend
	k     *kernels
	pool  *pool
	cache *kvcache.Host
	first int
	n     int
	watch *backend.Watch
	arena *arena
	turns []turn
	err   error
	ended bool
	dry   *need // only counting: see ScratchBytes
}

// run is pool.run, but for a step that only counts.
func (o *ops) run(tasks int, f func(worker, task int)) {
	if o.dry == nil {
		o.pool.run(tasks, f)
	}
}

// Position is the position of a row in its sequence.
func (o *ops) Position(row int) int { return o.first + row }

// grain is about how many elements of a cheap operation make a task worthwhile.
const grain = 1 << 14

// perRow calls f for ranges of rows, several at once when width makes that worthwhile.
func (o *ops) perRow(rows, width int, f func(s *scratch, lo, hi int)) {
	step := max(1, grain/max(width, 1))
	if rows*width < 2*grain {
		step = rows
	}
	if rows == 0 {
		return
	}
	o.run((rows+step-1)/step, func(worker, t int) {
		f(&o.b.scratch[worker], t*step, min(rows, (t+1)*step))
	})
}

// Embed looks up rows of table and multiplies them by scale.
func (o *ops) Embed(table backend.Weight, ids []int32, scale float32) backend.Value {
	w := table.(*weight)
	out := o.arena.value(len(ids), w.cols)
	o.perRow(len(ids), w.cols, func(_ *scratch, lo, hi int) {
		for i := lo; i < hi; i++ {
			x := out.row(i)
			if id := int(ids[i]); id >= 0 && id < w.rows {
				tensor.Dequantize(x, w.row(id), w.format)
			} else {
				clear(x)
			}
			if scale != 1 {
				for j := range x {
					x[j] *= scale
				}
			}
		}
	})
	for _, id := range ids {
		if id < 0 || int(id) >= w.rows {
			o.err = fmt.Errorf("token id %d lies outside the model's vocabulary of %d", id, w.rows)
		}
	}
	return out
}

// Add is dst += src.
func (o *ops) Add(dst, src backend.Value) {
	d, s := dst.(*value), src.(*value)
	o.perRow(d.rows, d.width, func(_ *scratch, lo, hi int) {
		for i := lo; i < hi; i++ {
			x := d.row(i)
			for j, y := range s.row(i) {
				x[j] += y
			}
		}
	})
}

// Scale multiplies in place.
func (o *ops) Scale(x backend.Value, by float32) {
	v := x.(*value)
	o.perRow(v.rows, v.width, func(_ *scratch, lo, hi int) {
		for i := lo; i < hi; i++ {
			r := v.row(i)
			for j := range r {
				r[j] *= by
			}
		}
	})
}

// SoftCap is cap·tanh(x/cap) in place.
func (o *ops) SoftCap(x backend.Value, limit float32) {
	v := x.(*value)
	o.perRow(v.rows, v.width*4, func(_ *scratch, lo, hi int) {
		for i := lo; i < hi; i++ {
			r := v.row(i)
			for j := range r {
				r[j] = limit * tanh32(r[j]/limit)
			}
		}
	})
}

// tanh32 is tanh by way of exp2; its absolute error is below 2e-7.
func tanh32(x float32) float32 {
	a := x
	if a < 0 {
		a = -a
	}
	e := exp2(float32(a * (-2 * log2e)))
	t := (1 - e) / (1 + e)
	if x < 0 {
		return -t
	}
	return t
}

// Gather copies rows of x.
func (o *ops) Gather(x backend.Value, rows []int) backend.Value {
	v := x.(*value)
	out := o.arena.value(len(rows), v.width)
	if o.dry != nil {
		return out
	}
	for i, r := range rows {
		copy(out.row(i), v.row(r))
	}
	return out
}

// Split cuts columns [from, to) out of x.
func (o *ops) Split(x backend.Value, from, to int) backend.Value {
	v := x.(*value)
	out := o.arena.value(v.rows, to-from)
	o.perRow(v.rows, to-from, func(_ *scratch, lo, hi int) {
		for i := lo; i < hi; i++ {
			copy(out.row(i), v.row(i)[from:to])
		}
	})
	return out
}

// Join puts the columns of values side by side.
func (o *ops) Join(parts ...backend.Value) backend.Value {
	width := 0
	for _, p := range parts {
		width += p.Width()
	}
	out := o.arena.value(parts[0].Rows(), width)
	o.perRow(out.rows, width, func(_ *scratch, lo, hi int) {
		for i := lo; i < hi; i++ {
			row := out.row(i)
			for _, p := range parts {
				row = row[copy(row, p.(*value).row(i)):]
			}
		}
	})
	return out
}

// Keep makes x survive EndLayer.
func (o *ops) Keep(x backend.Value) backend.Value {
	x.(*value).kept = true
	return x
}

// EndLayer releases all values but kept ones.
func (o *ops) EndLayer() { o.arena.release(false) }

// Read gives x's elements, row-major.
func (o *ops) Read(x backend.Value) []float32 {
	v := x.(*value)
	if o.dry != nil {
		o.dry.read = max(o.dry.read, v.rows*v.width)
		return nil
	}
	if v.stride == v.width {
		return v.x[:v.rows*v.width]
	}
	r := &o.arena.read
	if cap(*r) < v.rows*v.width {
		*r = make([]float32, v.rows*v.width)
	}
	*r = (*r)[:v.rows*v.width]
	for i := range v.rows {
		copy((*r)[i*v.width:], v.row(i))
	}
	return *r
}

// Flush ends the step.
func (o *ops) Flush() error {
	if o.ended {
		return o.err
	}
	o.ended = true
	if o.dry != nil {
		return nil
	}
	o.arena.release(true)
	o.b.mu.Lock()
	o.b.arenas = append(o.b.arenas, o.arena)
	o.b.mu.Unlock()
	if o.err != nil {
		o.cache.Rollback()
		return o.err
	}
	o.cache.Commit(o.first + o.n)
	return nil
}
