package gpu

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"headprof/runner/backend"
	"headprof/runner/tensor"
)

// part is a run of a weight's rows that lies in one allocation.
type part struct {
	region
	first, rows int
}

// weight is a tensor in its stored format, on the device or, where it does not
// fit, in the host's memory (place.go).
type weight struct {
	b          *Backend
	rows, cols int
	format     tensor.Type // on the device
	rowBytes   int
	whole      bool            // lies in one part: a stack of experts
	source     []tensor.Tensor // as in the file, one after the other

	used   use
	placed atomic.Bool
	parts  []part   // on the device
	pieces []*piece // nil: all of it is

	once  sync.Once
	plain uint64 // address of the elements as float32
	err   error
}

// use is what a model does with a weight.
type use uint8

const (
	asVector use = 1 << iota // a norm's weight or a bias
	asTable                  // rows are looked up
	asMatrix
)

func (w *weight) Rows() int { return w.rows }
func (w *weight) Cols() int { return w.cols }

// vector reports whether the elements are wanted as float32.
func (w *weight) vector() bool { return w.used == asVector || w.used == 0 && w.rows == 1 }

// inShaders are the formats that shaders/unpack.glsl reads.
var inShaders = []tensor.Type{tensor.F32, tensor.F16, tensor.BF16, tensor.Q4_0, tensor.Q4_1, tensor.Q5_0, tensor.Q5_1, tensor.Q8_0,
	tensor.Q2_K, tensor.Q3_K, tensor.Q4_K, tensor.Q5_K, tensor.Q6_K, tensor.IQ4_NL, tensor.IQ4_XS}

// maxPart bounds a part so that shaders can count its bytes in 31 bits.
const maxPart = 1<<31 - 1<<20

// Weight binds a tensor. Its bytes must stay as they are until Close: they are
// copied to the device when it is known how much memory it has. Formats that
// unpack.glsl does not read are converted: F8_E4M3 to F16, which holds each of
// its numbers, others to F32.
func (b *Backend) Weight(t tensor.Tensor) (backend.Weight, error) {
	return b.bind(len(t.Shape) > 2, t)
}

// Stack binds experts' matrices that lie apart, one after the other.
func (b *Backend) Stack(parts []tensor.Tensor) (backend.Weight, error) {
	if len(parts) == 0 {
		return nil, fmt.Errorf("a stack of no experts")
	}
	return b.bind(true, parts...)
}

func (b *Backend) bind(whole bool, source ...tensor.Tensor) (backend.Weight, error) {
	t := source[0]
	w := &weight{b: b, rows: len(source) * t.Rows(), cols: t.Cols(), format: t.Type, whole: whole, source: append([]tensor.Tensor(nil), source...)}
	switch {
	case t.Type == tensor.F8E4M3:
		w.format = tensor.F16
	case !slices.Contains(inShaders, t.Type):
		w.format = tensor.F32
	}
	w.rowBytes = tensor.Tensor{Type: w.format, Shape: t.Shape}.RowBytes()
	if size := w.bytes(0, w.rows); whole && size > b.v.maxPart() {
		return nil, fmt.Errorf("a stack of experts of %s is more than one buffer holds on this GPU (%s); use --device cpu", megabytes(int64(size)), megabytes(int64(b.v.maxPart())))
	}
	if w.bytes(0, 1) > b.v.maxPart() {
		return nil, fmt.Errorf("a row of %d bytes is more than the device can address", w.rowBytes)
	}
	b.placing.Lock()
	b.pending = append(b.pending, w)
	b.placing.Unlock()
	return w, nil
}

// bytes is what rows take on the device, to the next region.
func (w *weight) bytes(first, rows int) uint64 {
	return aligned(uint64(rows)*uint64(w.rowBytes) + 4) // unaligned words are read in pairs
}

// cut gives the rows of each part when none is larger than limit.
func (w *weight) cut(limit uint64) (rows []int) {
	each := w.rows
	if !w.whole && w.bytes(0, w.rows) > limit {
		each = max(1, int((limit-align)/uint64(w.rowBytes)))
	}
	for first := 0; first < w.rows; first += each {
		rows = append(rows, min(each, w.rows-first))
	}
	return rows
}

// read copies rows to dst in the format that the device has them in.
func (w *weight) read(dst []byte, first, rows int) {
	per := w.source[0].Rows()
	for at := 0; rows > 0; {
		t, from := w.source[first/per], first%per
		n := min(rows, per-from)
		from8 := t.RowBytes()
		data := t.Data[from*from8 : (from+n)*from8]
		switch w.format {
		case t.Type:
			copy(dst[at:], data)
		case tensor.F16:
			toF16(dst[at:], data)
		default:
			toF32(dst[at:], data, t.Type)
		}
		at, first, rows = at+n*w.rowBytes, first+n, rows-n
	}
}

// toF16 writes F8_E4M3 elements in binary16.
func toF16(dst, src []byte) {
	for i, x := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], eighths[x])
	}
}

// toF32 writes elements of any format in binary32.
func toF32(dst, src []byte, format tensor.Type) {
	elements, bytes := format.Block()
	values := make([]float32, len(src)/bytes*elements)
	tensor.Dequantize(values, src, format)
	for i, v := range values {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
	}
}

// eighths are all F8_E4M3 numbers in binary16.
var eighths = func() (all [256]uint16) {
	var x [1]float32
	for i := range all {
		tensor.Dequantize(x[:], []byte{byte(i)}, tensor.F8E4M3)
		all[i] = tensor.F32ToF16(x[0])
	}
	return all
}()

// upload copies the weight to device memory of its own.
func (w *weight) upload() error {
	var parts []part
	first := 0
	for _, rows := range w.cut(w.b.v.maxPart()) {
		r, err := w.b.put(rows*w.rowBytes, func(dst []byte, from, n int) { w.readBytes(dst, first*w.rowBytes+from, n) })
		if err != nil {
			for _, p := range parts {
				w.b.weights.release(p.region)
			}
			return err
		}
		parts = append(parts, part{r, first, rows})
		first += rows
	}
	w.parts = parts
	return nil
}

// readBytes copies n bytes from the given one on, which may begin and end within rows.
func (w *weight) readBytes(dst []byte, from, n int) {
	first, last := from/w.rowBytes, (from+n+w.rowBytes-1)/w.rowBytes
	if from == first*w.rowBytes && n == (last-first)*w.rowBytes {
		w.read(dst, first, last-first)
		return
	}
	rows := make([]byte, (last-first)*w.rowBytes)
	w.read(rows, first, last-first)
	copy(dst[:n], rows[from-first*w.rowBytes:])
}

// put makes a region of device memory of its own with size bytes; read gives n
// of them from the given one on.
func (b *Backend) put(size int, read func(dst []byte, from, n int)) (region, error) {
	r, err := b.weights.alloc(uint64(size) + 4)
	if err != nil {
		return region{}, err
	}
	if r.b.Host != nil {
		read(r.bytes(), 0, size)
		return r, nil
	}
	if err := b.send(r, size, read); err != nil {
		b.weights.release(r)
		return region{}, err
	}
	return r, nil
}

// sendAtOnce is how many bytes of a weight are on their way at once.
var sendAtOnce = 32 << 20

// send fills a region that the host does not see.
func (b *Backend) send(r region, size int, read func(dst []byte, from, n int)) error {
	rec, err := b.recorder()
	if err != nil {
		return err
	}
	defer b.giveBack(rec)
	staging, err := b.uploads.alloc(uint64(min(size+4, sendAtOnce)))
	if err != nil {
		return err
	}
	defer b.uploads.release(staging)
	for at := 0; at < size; at += sendAtOnce {
		n := min(size-at, sendAtOnce)
		read(staging.bytes(), at, n)
		rec.copy(r, uint64(at), staging, 0, uint64(n))
		if err := rec.wait(); err != nil {
			return err
		}
	}
	return nil
}

// float32 is the address of the weight's elements as float32, for norms and
// biases; what is stored otherwise is converted once.
func (w *weight) float32() (uint64, error) {
	if err := w.ready(); err != nil {
		return 0, err
	}
	return w.asFloat32()
}

func (w *weight) asFloat32() (uint64, error) {
	if w.format == tensor.F32 && len(w.parts) == 1 {
		return w.parts[0].address(), nil
	}
	w.once.Do(func() {
		var data []byte
		for _, t := range w.source {
			for _, f := range t.F32() {
				data = binary.LittleEndian.AppendUint32(data, math.Float32bits(f))
			}
		}
		r, err := w.b.put(len(data), func(dst []byte, from, n int) { copy(dst, data[from:from+n]) })
		if err != nil {
			w.err = err
			return
		}
		w.plain = r.address()
	})
	return w.plain, w.err
}
