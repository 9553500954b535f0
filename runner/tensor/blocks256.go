package tensor

import "encoding/binary"

// The 256-element formats ("K-quants"): groups of 16 or 32 elements have small
// integer scales (and minima), which one or two half-precision numbers of the
// whole block multiply.

// unpackQ2K: 16 bytes of scale (low nibble) and minimum (high nibble) per 16
// elements, 64 bytes of 2-bit codes, d, dmin.
func unpackQ2K(dst []float32, b []byte) {
	scales, codes, d, dmin := b[:16], b[16:80], half(b[80:]), half(b[82:])
	for g, s := range scales {
		dl, ml := d*float32(s&15), dmin*float32(s>>4)
		// 128 elements share 32 bytes; each run of 32 has its own two bits.
		part, shift := codes[g/8*32+g%2*16:][:16], g/2%4*2
		out := dst[g*16:][:16]
		for j, c := range part {
			out[j] = float32(dl*float32(c>>shift&3)) - ml
		}
	}
}

// unpackQ3K: 32 bytes of third bits, 64 bytes of low two bits, 12 bytes of
// packed 6-bit scales per 16 elements, d.
func unpackQ3K(dst []float32, b []byte) {
	high, codes, scales, d := b[:32], b[32:96], b[96:108], half(b[108:])
	for g := range 16 {
		low := scales[g%8] >> (g / 8 * 4) & 15
		dl := d * float32(int(low|scales[8+g%4]>>(g/4*2)&3<<4)-32)
		part, shift := codes[g/8*32+g%2*16:][:16], g/2%4*2
		mask, bit := high[g%2*16:][:16], g/2
		out := dst[g*16:][:16]
		for j, c := range part {
			out[j] = dl * float32(int(c>>shift&3)-4+int(mask[j]>>bit&1)*4)
		}
	}
}

// scaleMin unpacks 6-bit scale and minimum of group g of eight from the 12
// bytes that Q4_K and Q5_K pack them in.
func scaleMin(p []byte, g int) (scale, minimum byte) {
	if g < 4 {
		return p[g] & 63, p[g+4] & 63
	}
	return p[g+4]&15 | p[g-4]>>6<<4, p[g+4]>>4 | p[g]>>6<<4
}

// unpackQ4K: d, dmin, packed scales and minima per 32 elements, 128 bytes of
// codes: 32 bytes hold 32 elements in their low and the next 32 in their high
// nibbles.
func unpackQ4K(dst []float32, b []byte) {
	d, dmin, packed, codes := half(b), half(b[2:]), b[4:16], b[16:144]
	for g := range 8 {
		s, m := scaleMin(packed, g)
		dl, ml := d*float32(s), dmin*float32(m)
		out, shift := dst[g*32:][:32], g%2*4
		for j, c := range codes[g/2*32:][:32] {
			out[j] = float32(dl*float32(c>>shift&15)) - ml
		}
	}
}

// unpackQ5K: as Q4_K, with 32 bytes before the codes whose bit g is bit 4 of
// group g's elements.
func unpackQ5K(dst []float32, b []byte) {
	d, dmin, packed, high, codes := half(b), half(b[2:]), b[4:16], b[16:48], b[48:176]
	for g := range 8 {
		s, m := scaleMin(packed, g)
		dl, ml := d*float32(s), dmin*float32(m)
		out, shift := dst[g*32:][:32], g%2*4
		for j, c := range codes[g/2*32:][:32] {
			out[j] = float32(dl*float32(c>>shift&15|high[j]>>g&1<<4)) - ml
		}
	}
}

// unpackQ6K: 128 bytes of low nibbles, 64 bytes of high two bits, 16 signed
// scales, d. A half of 128 elements takes 64 nibble bytes and 32 high bytes.
func unpackQ6K(dst []float32, b []byte) {
	low, high, scales, d := b[:128], b[128:192], b[192:208], half(b[208:])
	for g := range 16 {
		dl := d * float32(int8(scales[g]))
		run := g / 2 % 4 // of 32 elements within the half
		codes := low[g/8*64+run%2*32+g%2*16:][:16]
		bits := high[g/8*32+g%2*16:][:16]
		out := dst[g*16:][:16]
		for j, c := range codes {
			out[j] = dl * float32(int(c>>(run/2*4)&15|bits[j]>>(run*2)&3<<4)-32)
		}
	}
}

// unpackIQ4XS: d, 16 bits of high scale bits, 4 bytes of low scale nibbles,
// and per 32 elements 16 bytes of codes as in IQ4_NL.
func unpackIQ4XS(dst []float32, b []byte) {
	d, high := half(b), binary.LittleEndian.Uint16(b[2:])
	for g := range 8 {
		scale := int(b[4+g/2]>>(g%2*4)&15) | int(high>>(g*2)&3)<<4
		unpackIQ4(dst[g*32:][:32], b[8+g*16:][:16], d*float32(scale-32))
	}
}

// unpackTQ2: 64 bytes of 2-bit codes, each run of 128 elements as in Q2_K, and
// d: a code stands for −d, 0 or d.
func unpackTQ2(dst []float32, b []byte) {
	codes, d := b[:64], half(b[64:])
	for g := range 8 { // runs of 32 elements
		out, shift := dst[g*32:][:32], g%4*2
		for j, c := range codes[g/4*32:][:32] {
			out[j] = d * float32(int(c>>shift&3)-1)
		}
	}
}

// unpackTQ1: base-3 digits, five to a byte (48 bytes for 240 elements, in runs
// of 32 and 16 bytes) and four to each of four more, as fractions of 256; then d.
func unpackTQ1(dst []float32, b []byte) {
	d := half(b[52:])
	digit := func(c byte, n int) float32 {
		for range n {
			c *= 3
		}
		return d * float32(int(uint16(c)*3>>8)-1)
	}
	at := 0
	for _, run := range [][]byte{b[:32], b[32:48], b[48:52]} {
		digits := 5
		if len(run) == 4 {
			digits = 4
		}
		for n := range digits {
			for _, c := range run {
				dst[at] = digit(c, n)
				at++
			}
		}
	}
}
