package cpu

import "unsafe"

// value is a [rows × width] matrix whose rows lie stride floats apart. What
// follows a row's width is scratch.
type value struct {
	rows, width, stride int
	x                   []float32
	kept                bool
	lent                int // size of the buffer, where only counting
}

func (v *value) Rows() int  { return v.rows }
func (v *value) Width() int { return v.width }

func (v *value) row(i int) []float32         { return v.x[i*v.stride : i*v.stride+v.width] }
func (v *value) at(row, column int) *float32 { return &v.x[row*v.stride+column] }

// strideOf pads rows to whole cache lines, and by one more where the distance
// of rows would be a multiple of 1 KiB: rows read side by side would then
// compete for the same few sets of the first-level cache.
func strideOf(width int) int {
	s := roundUp(width, 16)
	if s%256 == 0 {
		s += 16
	}
	return s
}

// arena lends the buffers of a step's values and takes them back at the end
// of each layer, so that a step allocates for its widest layer only.
type arena struct {
	free [][]float32
	live []*value
	read []float32
	dry  *need // count only
}

func (a *arena) value(rows, width int) *value {
	v := &value{rows: rows, width: width, stride: strideOf(width)}
	if a.dry == nil {
		v.x = a.take(rows * v.stride)
	} else {
		v.lent = a.dry.take(rows * v.stride)
	}
	a.live = append(a.live, v)
	return v
}

// take gives a buffer of n floats with unknown contents: the smallest free one that fits.
func (a *arena) take(n int) []float32 {
	best := -1
	for i, f := range a.free {
		if cap(f) >= n && (best < 0 || cap(f) < cap(a.free[best])) {
			best = i
		}
	}
	if best < 0 {
		return aligned(n)
	}
	x := a.free[best][:n]
	last := len(a.free) - 1
	a.free[best] = a.free[last]
	a.free = a.free[:last]
	return x
}

// release takes back the buffers of all values, or of those not kept.
func (a *arena) release(all bool) {
	live := a.live[:0]
	for _, v := range a.live {
		if v.kept && !all {
			live = append(live, v)
			continue
		}
		a.give(v)
		v.x = nil
	}
	clear(a.live[len(live):])
	a.live = live
}

func (a *arena) give(v *value) {
	if a.dry == nil {
		a.free = append(a.free, v.x)
	} else {
		a.dry.give(v.lent)
	}
}

// aligned makes n floats that begin at a cache line.
func aligned(n int) []float32 {
	x := make([]float32, n+16)
	off := int(-uintptr(unsafe.Pointer(&x[0]))&63) / 4
	return x[off : off+n : len(x)]
}

// drop takes back the newest values early.
func (a *arena) drop(values ...*value) {
	for range values {
		last := len(a.live) - 1
		a.give(a.live[last])
		a.live[last] = nil
		a.live = a.live[:last]
	}
}
