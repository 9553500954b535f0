package gpu

import (
	"errors"
	"fmt"
	"sort"

	"headprof/runner/backend"
	"headprof/runner/gpu/driver"
	"headprof/runner/tensor"
)

// maxPart is the most that one part of a weight takes.
func (v *device) maxPart() uint64 { return min(maxPart, v.maxAllocation) }

// placement says which weights stay on the device.
type placement struct {
	stay, stream []*weight
	staying      uint64 // bytes
	streaming    uint64
	slot         uint64 // of each of the two buffers through which the others are streamed; 0: none
}

// preferredSlot is about a layer of a 7B model in four bits: large enough that a
// submission per slot costs nothing.
const preferredSlot = 64 << 20

// plan chooses which of the weights stay in `space` bytes, given in the order of
// their use, where the staging slots of the others take of the same
// memory (two of them, and their halves on the host where the device's memory
// is the host's). Those that do not are spread evenly among the others, so that
// they arrive while the others compute. ok is false where not even the smallest
// fits; the placement then is that smallest.
func plan(all []*weight, space, slots uint64) (p placement, ok bool) {
	var matrices []*weight
	var total, smallest, largest uint64
	for _, w := range all {
		size := w.size()
		if w.vector() {
			p.stay = append(p.stay, w)
			p.staying += size
			continue
		}
		matrices = append(matrices, w)
		total += size
		if w.used == asTable {
			continue // its rows come alone (ops.Embed)
		}
		largest, smallest = max(largest, size), max(smallest, w.smallestSlot())
	}
	if p.staying+total <= space {
		p.stay, p.staying = append(p.stay, matrices...), p.staying+total
		return p, true
	}
	p.slot = min(max(smallest, min(largest, preferredSlot)), max(smallest, (space-min(space, p.staying))/(2*slots)/align*align))
	used := p.staying + slots*p.slot
	ok = used <= space
	left := space - min(space, used)
	// Tables cost smallest to leave out, so they come last.
	order := append([]*weight(nil), matrices...)
	sort.SliceStable(order, func(i, j int) bool { return order[i].used != asTable && order[j].used == asTable })
	stay := map[*weight]bool{}
	share := min(1, float64(left)/float64(total))
	var seen, kept float64
	take := func(w *weight) {
		stay[w], left, kept = true, left-w.size(), kept+float64(w.size())
	}
	for _, w := range order {
		seen += float64(w.size())
		if w.size() <= left && kept+float64(w.size()) <= share*seen+float64(largest)/2 {
			take(w)
		}
	}
	for _, w := range order { // what is left over
		if !stay[w] && w.size() <= left {
			take(w)
		}
	}
	for _, w := range matrices {
		if stay[w] {
			p.stay, p.staying = append(p.stay, w), p.staying+w.size()
		} else {
			p.stream, p.streaming = append(p.stream, w), p.streaming+w.stored()
		}
	}
	return p, ok
}

// stored is the weight's size in its file.
func (w *weight) stored() uint64 {
	return uint64(w.rows) * uint64(w.source[0].RowBytes())
}

// sizes are the regions that the weight takes on the device.
func (w *weight) sizes() (all []uint64) {
	if w.used == asVector {
		return []uint64{aligned(uint64(4*w.rows*w.cols) + 4)}
	}
	for _, rows := range w.cut(w.b.v.maxPart()) {
		all = append(all, w.bytes(0, rows))
	}
	return all
}

func (w *weight) size() (sum uint64) {
	for _, n := range w.sizes() {
		sum += n
	}
	return sum
}

// smallestSlot is the smallest slot through which the weight can be streamed.
func (w *weight) smallestSlot() uint64 {
	if w.whole {
		return w.size()
	}
	return w.bytes(0, 1)
}

// Predict gives what a run takes.
func (b *Backend) Predict(r backend.Run) (backend.DeviceMemory, error) {
	b.placing.Lock()
	defer b.placing.Unlock()
	m, p, _, _, err := b.predict(r)
	if b.reserved {
		p = b.placed
	}
	m.Weights, m.Staging, m.Streamed = int64(p.staying), int64(2*p.slot), int64(p.streaming)
	return m, err
}

// predict gives a run's memory without its weights, and where these would go.
func (b *Backend) predict(r backend.Run) (m backend.DeviceMemory, p placement, scratch uint64, fits bool, err error) {
	m = backend.DeviceMemory{Device: b.v.Info.Name, Shared: b.v.Info.Kind != driver.Discrete, Free: b.v.free() + b.held()}
	c, err := b.shape(r.Layers, r.KV)
	if err != nil {
		return m, p, 0, false, err
	}
	for _, n := range r.Sequences {
		for _, size := range c.sizes(n) {
			m.Cache += int64(size)
		}
	}
	m.Cache = max(m.Cache, int64(b.caches.chunk))
	d, err := b.tryOut(c, r)
	if err != nil {
		return m, p, 0, false, err
	}
	b.pending = inOrderOfUse(b.pending, d.weights)
	m.Scratch = int64(d.scratch.peak)
	put := func(kind driver.Memory, bytes uint64) {
		if b.v.OnDevice(kind) {
			m.Scratch += int64(bytes)
		} else {
			m.Host += int64(bytes)
		}
	}
	put(driver.Upload, d.uploads.peak+b.uploads.chunk)
	put(driver.Read, d.results.peak+b.results.chunk)
	space := uint64(max(0, m.Free-m.Cache-m.Scratch))
	p, fits = plan(b.pending, space, b.slots())
	if b.reserved {
		p, fits = b.placed, true
	}
	put(driver.Upload, 2*p.slot)
	return m, p, d.scratch.peak, fits, nil
}

// slots is how many of the staging buffers of streamed weights lie in device memory.
func (b *Backend) slots() uint64 {
	if b.v.OnDevice(driver.Upload) {
		return 4
	}
	return 2
}

// inOrderOfUse sorts weights by their first place in used; those that are not
// in it come last.
func inOrderOfUse(all, used []*weight) []*weight {
	turn := map[*weight]int{}
	for i, w := range used {
		if _, ok := turn[w]; !ok {
			turn[w] = i
		}
	}
	sorted := append([]*weight(nil), all...)
	sort.SliceStable(sorted, func(i, j int) bool {
		a, first := turn[sorted[i]]
		b, second := turn[sorted[j]]
		return first && (!second || a < b)
	})
	return sorted
}

// Reserve puts the weights in their places.
func (b *Backend) Reserve(r backend.Run) error {
	b.placing.Lock()
	defer b.placing.Unlock()
	if b.reserved {
		return nil
	}
	m, p, scratch, fits, err := b.predict(r)
	if err != nil {
		return err
	}
	if !fits {
		m.Weights, m.Staging = int64(p.staying), int64(2*p.slot)
		return fmt.Errorf("gpu: this needs %s and %s has %s of memory free: %s for the KV cache, %s for scratch and %s for weights with all that can be streamed left out; use a shorter context, a smaller --chunk, --cache-type f16 or --device cpu",
			megabytes(m.Total()), b.v.Info.Name, megabytes(m.Free), megabytes(m.Cache), megabytes(m.Scratch), megabytes(m.Weights+m.Staging))
	}
	b.reserved, b.scratch = true, scratch
	return b.place(p)
}

// ready places what was bound, where nobody has reserved memory for a run.
func (w *weight) ready() error {
	if w.placed.Load() {
		return nil
	}
	b := w.b
	b.placing.Lock()
	defer b.placing.Unlock()
	if w.placed.Load() {
		return nil
	}
	free := uint64(b.v.free())
	p, _ := plan(b.pending, free, b.slots())
	if p.slot > 0 { // half for caches and scratch
		p, _ = plan(b.pending, free/2, b.slots())
	}
	return b.place(p)
}

// place uploads what stays and cuts the rest into pieces. What the device has
// no space for after all goes with the rest.
func (b *Backend) place(p placement) error {
	if b.reserved {
		var sizes []uint64
		for _, w := range p.stay {
			sizes = append(sizes, w.sizes()...)
		}
		if err := b.weights.addBlocks(sizes); err != nil && !outOfMemory(err) {
			return err
		}
	}
	stream := p.stream
	for _, w := range p.stay {
		err := w.settle()
		if err != nil && outOfMemory(err) && !w.vector() {
			stream = append(stream, w)
			p.staying, p.streaming = p.staying-w.size(), p.streaming+w.stored()
			p.slot = max(p.slot, w.smallestSlot(), min(w.size(), preferredSlot))
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", w.source[0].Name, err)
		}
	}
	b.placed.staying += p.staying
	b.placed.streaming += p.streaming
	b.placed.slot = max(b.placed.slot, p.slot)
	var first, last *piece
	for _, w := range stream {
		w.pieces = []*piece{}
		from := 0
		for _, rows := range w.cut(b.placed.slot) {
			x := &piece{w: w, first: from, rows: rows}
			w.pieces, from = append(w.pieces, x), from+rows
			if w.used == asTable {
				continue
			}
			if last == nil {
				first = x
			} else {
				last.next = x
			}
			last = x
		}
	}
	if last != nil {
		last.next = first
	}
	for _, w := range b.pending {
		w.placed.Store(true)
	}
	b.pending = nil
	return nil
}

// settle puts a weight on the device for good.
func (w *weight) settle() error {
	if w.used == asVector && w.format != tensor.F32 {
		_, err := w.asFloat32()
		return err
	}
	return w.upload()
}

func outOfMemory(err error) bool {
	var e *driver.Error
	return errors.As(err, &e) && e.Cause == driver.OutOfDeviceMemory
}
