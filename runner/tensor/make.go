package tensor

import (
	"encoding/binary"
	"fmt"
	"math"
)

// FromF32 makes an F32 tensor of values in row-major order. It panics when
// the shape does not hold exactly that many.
func FromF32(name string, shape []int, values []float32) Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	if n != len(values) {
		panic(fmt.Sprintf("tensor: %q: %d values for shape %v", name, len(values), shape))
	}
	data := make([]byte, 4*n)
	for i, v := range values {
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(v))
	}
	return Tensor{Name: name, Type: F32, Shape: shape, Data: data}
}

// F32 gives all elements of t in row-major order, dequantised to a new slice.
func (t Tensor) F32() []float32 {
	out := make([]float32, t.Rows()*t.Cols())
	Dequantize(out, t.Data, t.Type)
	return out
}

// Size gives the bytes that shape takes in format t, or an error that says why
// there is no such tensor: an unknown format, an impossible dimension, a row
// that is no whole number of blocks, or a size beyond any file.
func Size(t Type, shape []int) (int64, error) {
	elements, bytes := t.Block()
	if elements == 0 {
		return 0, fmt.Errorf("format %v is not one headprof reads", t)
	}
	n := int64(1)
	for _, d := range shape {
		if d < 1 {
			return 0, fmt.Errorf("shape %v has a dimension below 1", shape)
		}
		if int64(d) > math.MaxInt64/16/n {
			return 0, fmt.Errorf("shape %v is too large", shape)
		}
		n *= int64(d)
	}
	if len(shape) > 0 && shape[len(shape)-1]%elements != 0 || len(shape) == 0 && elements > 1 {
		return 0, fmt.Errorf("rows of shape %v are not whole blocks of %d elements, as %v needs", shape, elements, t)
	}
	return n / int64(elements) * int64(bytes), nil
}
