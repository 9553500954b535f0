package tensor

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Dequantize writes the float32 values of src, a whole number of blocks of
// type t (one row, or several), to dst, which must have exactly as many
// elements as those blocks hold. Values equal the `gguf` Python package's to
// the bit: each product and sum is rounded to float32 on its own.
//
// It panics when t is unknown or the lengths disagree: files are checked
// where they are opened.
func Dequantize(dst []float32, src []byte, t Type) {
	l := layouts[t]
	elements, bytes := l.block, l.bytes
	if elements == 0 {
		panic(fmt.Sprintf("tensor: cannot dequantize %v", t))
	}
	blocks := len(src) / bytes
	if blocks*bytes != len(src) || blocks*elements != len(dst) {
		panic(fmt.Sprintf("tensor: %d bytes of %v do not make %d elements", len(src), t, len(dst)))
	}
	unpack := l.unpack
	if elements == 1 {
		unpack(dst, src)
		return
	}
	for i := range blocks {
		unpack(dst[i*elements:][:elements], src[i*bytes:][:bytes])
	}
}

func unpackF32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func unpackF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = half(src[2*i:])
	}
}

func unpackBF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = BF16ToF32(binary.LittleEndian.Uint16(src[2*i:]))
	}
}

func unpackF8E4M3(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = f8e4m3[src[i]]
	}
}

func unpackF8E4M3x128(dst []float32, src []byte) {
	d := math.Float32frombits(binary.LittleEndian.Uint32(src))
	for i, c := range src[4:132] {
		dst[i] = d * f8e4m3[c]
	}
}

// half reads a little-endian binary16.
func half(b []byte) float32 { return F16ToF32(binary.LittleEndian.Uint16(b)) }
