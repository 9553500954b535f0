package vulkan

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"headprof/runner/backend"
	"headprof/runner/tensor"
)

// part is a run of a weight's rows that lies in one allocation.
type part struct {
	region
	first, rows int
}

// weight is a tensor on the device in its stored format.
type weight struct {
	b          *Backend
	rows, cols int
	format     tensor.Type
	rowBytes   int
	parts      []part

	source tensor.Tensor // for float32
	once   sync.Once
	plain  uint64 // address of the elements as float32
	err    error
}

func (w *weight) Rows() int { return w.rows }
func (w *weight) Cols() int { return w.cols }

// maxPart bounds a part so that shaders can count its bytes in 31 bits.
const maxPart = 1<<31 - 1<<20

// Weight copies a tensor to the device. Formats that the shaders do not know
// are converted: F8_E4M3 to F16, which holds each of its numbers.
func (b *Backend) Weight(t tensor.Tensor) (backend.Weight, error) {
	if t.Type == tensor.F8E4M3 {
		t = toF16(t)
	}
	w := &weight{b: b, rows: t.Rows(), cols: t.Cols(), format: t.Type, rowBytes: t.RowBytes(), source: t}
	most := min(maxPart, int(min(b.v.maxAllocation, math.MaxInt32))) / max(1, w.rowBytes)
	if most == 0 {
		return nil, fmt.Errorf("a row of %d bytes is more than the device can address", w.rowBytes)
	}
	for first := 0; first < w.rows; first += most {
		rows := min(most, w.rows-first)
		r, err := b.put(t.Data[first*w.rowBytes : (first+rows)*w.rowBytes])
		if err != nil {
			return nil, err
		}
		w.parts = append(w.parts, part{r, first, rows})
	}
	return w, nil
}

// toF16 rewrites a tensor in binary16.
func toF16(t tensor.Tensor) tensor.Tensor {
	data := make([]byte, 0, 2*t.Rows()*t.Cols())
	for _, x := range t.F32() {
		data = binary.LittleEndian.AppendUint16(data, tensor.F32ToF16(x))
	}
	return tensor.Tensor{Name: t.Name, Type: tensor.F16, Shape: t.Shape, Data: data}
}

// Stack copies experts' matrices to one place on the device, one after the other.
func (b *Backend) Stack(parts []tensor.Tensor) (backend.Weight, error) {
	if len(parts) == 0 {
		return nil, fmt.Errorf("a stack of no experts")
	}
	parts = append([]tensor.Tensor(nil), parts...)
	for i, t := range parts {
		if t.Type == tensor.F8E4M3 {
			parts[i] = toF16(t)
		}
	}
	t := parts[0]
	w := &weight{b: b, rows: len(parts) * t.Rows(), cols: t.Cols(), format: t.Type, rowBytes: t.RowBytes()}
	if size := int64(w.rows) * int64(w.rowBytes); size > maxPart {
		return nil, fmt.Errorf("a stack of experts of %s is more than one buffer holds on a GPU; use --device cpu", megabytes(size))
	}
	var pieces [][]byte
	for _, t := range parts {
		pieces = append(pieces, t.Data)
	}
	r, err := b.put(pieces...)
	if err != nil {
		return nil, err
	}
	w.parts = []part{{r, 0, w.rows}}
	return w, nil
}

// put uploads bytes to device memory of their own.
func (b *Backend) put(pieces ...[]byte) (region, error) {
	size := 0
	for _, p := range pieces {
		size += len(p)
	}
	r, err := b.weights.alloc(uint64(size) + 4) // unaligned words are read in pairs
	if err != nil {
		return region{}, err
	}
	at := 0
	for _, p := range pieces {
		if r.b.mapped != nil {
			copy(r.bytes()[at:], p)
		} else if err := b.send(r, at, p); err != nil {
			return region{}, err
		}
		at += len(p)
	}
	return r, nil
}

// send copies bytes to a region that the host does not see.
func (b *Backend) send(r region, off int, data []byte) error {
	rec, err := b.recorder()
	if err != nil {
		return err
	}
	defer b.giveBack(rec)
	const piece = 32 << 20
	staging, err := b.uploads.alloc(uint64(min(len(data)+4, piece)))
	if err != nil {
		return err
	}
	defer b.uploads.release(staging)
	for at := 0; at < len(data); at += piece {
		n := copy(staging.bytes()[:min(len(data)-at, piece)], data[at:])
		rec.copy(r, uint64(off+at), staging, 0, uint64(n))
		if err := rec.wait(); err != nil {
			return err
		}
	}
	return nil
}

// float32 is the address of the weight's elements as float32, for norms and
// biases; what is stored otherwise is converted once.
func (w *weight) float32() (uint64, error) {
	if w.format == tensor.F32 && len(w.parts) == 1 {
		return w.parts[0].address(), nil
	}
	w.once.Do(func() {
		x := w.source.F32()
		data := make([]byte, 0, 4*len(x))
		for _, f := range x {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(f))
		}
		r, err := w.b.put(data)
		if err != nil {
			w.err = err
			return
		}
		w.plain = r.address()
	})
	return w.plain, w.err
}
