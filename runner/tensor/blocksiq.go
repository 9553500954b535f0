package tensor

import (
	_ "embed"
	"encoding/binary"
)

// The formats of 1 to 3 bits whose codes are indexes into a codebook ("grid") of
// four or eight values at a time. Blocks have 256 elements.

// grids holds the codebooks one after the other, a signed byte per value, as the
// gguf package has them; testdata/generate.py writes it.
//
//go:embed grids.bin
var grids string

var (
	gridIQ2XXS, gridIQ2XS, gridIQ2S = grids[:256*8], grids[256*8:][:512*8], grids[768*8:][:1024*8]
	gridIQ3XXS, gridIQ3S            = grids[1792*8:][:256*4], grids[1920*8:][:512*4]
	gridIQ1                         = grids[2176*8:][:2048*8]
)

// signed writes d times the values of codebook entry i, negated where signs has a bit.
func signed(dst []float32, grid string, i int, signs byte, d float32) {
	for j := range dst {
		x := float32(d * float32(int8(grid[i*len(dst)+j])))
		if signs>>j&1 != 0 {
			x = -x
		}
		dst[j] = x
	}
}

// evenSigns gives eight signs from seven: the last makes their number even.
func evenSigns(code uint32) byte {
	s := byte(code & 127)
	p := s ^ s>>4
	p ^= p >> 2
	p ^= p >> 1
	return s | p&1<<7
}

// unpackIQ2XXS: d, then per 32 elements four indexes, four signs of 7 bits and a
// scale of 4.
func unpackIQ2XXS(dst []float32, b []byte) {
	d := half(b)
	for g := range 8 {
		index, rest := b[2+8*g:][:4], binary.LittleEndian.Uint32(b[6+8*g:])
		db := d * (0.5 + float32(rest>>28)) * 0.25
		for k, i := range index {
			signed(dst[g*32+k*8:][:8], gridIQ2XXS, int(i), evenSigns(rest>>(7*k)), db)
		}
	}
}

// unpackIQ2XS: d, 32 codes of 9 bits of index and 7 of signs, and a scale of 4
// bits per 16 elements.
func unpackIQ2XS(dst []float32, b []byte) {
	d, codes, scales := half(b), b[2:66], b[66:74]
	for k := range 32 {
		code := binary.LittleEndian.Uint16(codes[2*k:])
		db := d * (0.5 + float32(scales[k/4]>>(k/2%2*4)&15)) * 0.25
		signed(dst[k*8:][:8], gridIQ2XS, int(code&511), evenSigns(uint32(code>>9)), db)
	}
}

// unpackIQ2S: d, the low bytes of 32 indexes, their signs, two high bits of each,
// and a scale of 4 bits per 16 elements.
func unpackIQ2S(dst []float32, b []byte) {
	d, low, signs, high, scales := half(b), b[2:34], b[34:66], b[66:74], b[74:82]
	for k := range 32 {
		i := int(low[k]) | int(high[k/4]>>(k%4*2)&3)<<8
		db := d * (0.5 + float32(scales[k/4]>>(k/2%2*4)&15)) * 0.25
		signed(dst[k*8:][:8], gridIQ2S, i, signs[k], db)
	}
}

// unpackIQ3XXS: d, 64 indexes, then per 32 elements four signs of 7 bits and a
// scale of 4.
func unpackIQ3XXS(dst []float32, b []byte) {
	d, index := half(b), b[2:66]
	for g := range 8 {
		rest := binary.LittleEndian.Uint32(b[66+4*g:])
		db := d * (0.5 + float32(rest>>28)) * 0.5
		for k := range 8 {
			signs := evenSigns(rest>>(k/2*7)) >> (k % 2 * 4)
			signed(dst[g*32+k*4:][:4], gridIQ3XXS, int(index[g*8+k]), signs, db)
		}
	}
}

// unpackIQ3S: d, the low bytes of 64 indexes, a high bit of each, 32 bytes of
// signs, and a scale of 4 bits per 32 elements.
func unpackIQ3S(dst []float32, b []byte) {
	d, low, high, signs, scales := half(b), b[2:66], b[66:74], b[74:106], b[106:110]
	for k := range 64 {
		i := int(low[k]) | int(high[k/8]>>(k%8)&1)<<8
		db := d * float32(1+2*(scales[k/16]>>(k/8%2*4)&15))
		signed(dst[k*4:][:4], gridIQ3S, i, signs[k/2]>>(k%2*4), db)
	}
}

const iq1Delta = 0.125

// unpackIQ1S: d, the low bytes of 32 indexes, and per 32 elements 16 bits: three
// high bits of each index, a scale of 3 and the sign of what is added to all.
func unpackIQ1S(dst []float32, b []byte) {
	d, low := half(b), b[2:34]
	for g := range 8 {
		high := binary.LittleEndian.Uint16(b[34+2*g:])
		dl := d * float32(2*(high>>12&7)+1)
		for k := range 4 {
			shifted(dst[g*32+k*8:][:8], int(low[g*4+k])|int(high>>(3*k)&7)<<8, high>>15 != 0, dl)
		}
	}
}

// unpackIQ1M: the low bytes of 32 indexes, a nibble for each of three high bits
// and the sign of what is added, then four times 16 bits: four scales of 3 bits,
// for 16 elements each, and four bits of d.
func unpackIQ1M(dst []float32, b []byte) {
	low, high, scales := b[:32], b[32:48], b[48:56]
	var packed uint16
	for i := range 4 {
		packed |= binary.LittleEndian.Uint16(scales[2*i:]) >> 12 << (4 * i)
	}
	d := F16ToF32(packed)
	for k := range 32 {
		h := high[k/2] >> (k % 2 * 4)
		scale := binary.LittleEndian.Uint16(scales[k/8*2:]) >> (k / 2 % 4 * 3) & 7
		shifted(dst[k*8:][:8], int(low[k])|int(h&7)<<8, h&8 != 0, d*float32(2*scale+1))
	}
}

// shifted writes d times the values of IQ1's codebook entry i, each moved by an eighth.
func shifted(dst []float32, i int, down bool, d float32) {
	delta := float32(iq1Delta)
	if down {
		delta = -delta
	}
	for j := range dst {
		dst[j] = d * (float32(int8(gridIQ1[i*8+j])) + delta)
	}
}
