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

// put uploads bytes to device memory of their own.
func (b *Backend) put(data []byte) (region, error) {
	r, err := b.weights.alloc(uint64(len(data)) + 4) // unaligned words are read in pairs
	if err != nil {
		return region{}, err
	}
	if r.b.mapped != nil {
		copy(r.bytes(), data)
		return r, nil
	}
	rec, err := b.recorder()
	if err != nil {
		return region{}, err
	}
	defer b.giveBack(rec)
	const piece = 32 << 20
	staging, err := b.uploads.alloc(uint64(min(len(data), piece)))
	if err != nil {
		return region{}, err
	}
	defer b.uploads.release(staging)
	for at := 0; at < len(data); at += piece {
		n := copy(staging.bytes(), data[at:])
		n = min(n, piece)
		rec.copy(r, uint64(at), staging, 0, uint64((n+3)/4*4))
		if err := rec.wait(); err != nil {
			return region{}, err
		}
	}
	return r, nil
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
