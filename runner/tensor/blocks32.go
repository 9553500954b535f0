package tensor

import (
	"encoding/binary"
	"math"
)

// The 32-element formats: a half-precision scale d (and for the _1 kinds an
// offset m), then the codes. Byte j's low nibble belongs to element j, its
// high nibble to element j+16; the 5-bit kinds keep bit 4 of element j in bit
// j of a 32-bit mask.
//
// float32(...) around a product keeps compilers from fusing it with a sum.

func unpackQ4_0(dst []float32, b []byte) {
	d, codes := half(b), b[2:18]
	for j, c := range codes {
		dst[j] = d * float32(int(c&15)-8)
		dst[j+16] = d * float32(int(c>>4)-8)
	}
}

func unpackQ4_1(dst []float32, b []byte) {
	d, m, codes := half(b), half(b[2:]), b[4:20]
	for j, c := range codes {
		dst[j] = float32(d*float32(c&15)) + m
		dst[j+16] = float32(d*float32(c>>4)) + m
	}
}

func unpackQ5_0(dst []float32, b []byte) {
	d, high, codes := half(b), binary.LittleEndian.Uint32(b[2:]), b[6:22]
	for j, c := range codes {
		dst[j] = d * float32(int(uint32(c&15)|high>>j&1<<4)-16)
		dst[j+16] = d * float32(int(uint32(c>>4)|high>>(j+16)&1<<4)-16)
	}
}

func unpackQ5_1(dst []float32, b []byte) {
	d, m, high, codes := half(b), half(b[2:]), binary.LittleEndian.Uint32(b[4:]), b[8:24]
	for j, c := range codes {
		dst[j] = float32(d*float32(uint32(c&15)|high>>j&1<<4)) + m
		dst[j+16] = float32(d*float32(uint32(c>>4)|high>>(j+16)&1<<4)) + m
	}
}

func unpackQ8_0(dst []float32, b []byte) {
	d := half(b)
	for j, c := range b[2:34] {
		dst[j] = d * float32(int8(c))
	}
}

// iq4Values are the sixteen levels a 4-bit code of the IQ4 formats stands for.
var iq4Values = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

func unpackIQ4NL(dst []float32, b []byte) {
	unpackIQ4(dst, b[2:18], half(b))
}

func unpackIQ4(dst []float32, codes []byte, d float32) {
	for j, c := range codes {
		dst[j] = d * iq4Values[c&15]
		dst[j+16] = d * iq4Values[c>>4]
	}
}

// mxfp4Values are the doubled values of E2M1, the elements of OCP's MXFP4.
var mxfp4Values = [16]float32{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}

// unpackMXFP4: a power of two (E8M0), then the codes. The values are doubled, so
// the scale is half of what its byte stands for.
func unpackMXFP4(dst []float32, b []byte) {
	bits := uint32(0x00200000) << min(b[0], 1)
	if b[0] >= 2 {
		bits = uint32(b[0]-1) << 23
	}
	d := math.Float32frombits(bits)
	for j, c := range b[1:17] {
		dst[j] = d * mxfp4Values[c&15]
		dst[j+16] = d * mxfp4Values[c>>4]
	}
}
