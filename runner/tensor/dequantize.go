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
	elements, bytes := t.Block()
	if elements == 0 {
		panic(fmt.Sprintf("tensor: cannot dequantize %v", t))
	}
	blocks := len(src) / bytes
	if blocks*bytes != len(src) || blocks*elements != len(dst) {
		panic(fmt.Sprintf("tensor: %d bytes of %v do not make %d elements", len(src), t, len(dst)))
	}
	if plain := plainFormats[t]; plain != nil {
		plain(dst, src)
		return
	}
	unpack := blockFormats[t]
	for i := range blocks {
		unpack(dst[i*elements:][:elements], src[i*bytes:][:bytes])
	}
}

// plainFormats convert element by element.
var plainFormats = map[Type]func(dst []float32, src []byte){
	F32: func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	},
	F16: func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = half(src[2*i:])
		}
	},
	BF16: func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = BF16ToF32(binary.LittleEndian.Uint16(src[2*i:]))
		}
	},
	F8E4M3: func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = f8e4m3[src[i]]
		}
	},
}

// blockFormats unpack one block.
var blockFormats = map[Type]func(dst []float32, b []byte){
	Q4_0: unpackQ4_0, Q4_1: unpackQ4_1, Q5_0: unpackQ5_0, Q5_1: unpackQ5_1, Q8_0: unpackQ8_0,
	Q2_K: unpackQ2K, Q3_K: unpackQ3K, Q4_K: unpackQ4K, Q5_K: unpackQ5K, Q6_K: unpackQ6K,
	IQ4_NL: unpackIQ4NL, IQ4_XS: unpackIQ4XS,
}

// half reads a little-endian binary16.
func half(b []byte) float32 { return F16ToF32(binary.LittleEndian.Uint16(b)) }
