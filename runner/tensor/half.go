package tensor

import "math"

// F16ToF32 converts IEEE 754 binary16 bits to float32. Every half, subnormals
// and infinities included, is exactly representable; NaN payloads are kept.
func F16ToF32(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exponent := uint32(h>>10) & 0x1f
	fraction := uint32(h & 0x3ff)
	switch exponent {
	case 0: // zero or subnormal: fraction · 2⁻²⁴, a product float32 holds exactly
		return math.Float32frombits(math.Float32bits(float32(fraction)*0x1p-24) | sign)
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

// F32ToF16 rounds to the nearest binary16, ties to even. What is too large
// becomes infinite, what is too small a signed zero; a NaN stays a (quiet) NaN.
func F32ToF16(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits>>16) & 0x8000
	abs := bits & 0x7fffffff
	switch {
	case abs > 0x7f800000:
		return sign | 0x7e00 | uint16(abs>>13)&0x1ff
	case abs >= 0x477ff000: // 65520, halfway between the largest half and 2¹⁶
		return sign | 0x7c00
	case abs < 0x38800000: // below 2⁻¹⁴: subnormal. Adding 0.5 makes float32's own rounding cut at 2⁻²⁴.
		return sign | uint16(math.Float32bits(math.Float32frombits(abs)+0.5)-0x3f000000)
	}
	// Rebias the exponent; a carry out of the fraction rightly bumps it.
	return sign | uint16((abs-0x38000000+0xfff+(abs>>13&1))>>13)
}

// BF16ToF32 converts bfloat16 bits, the upper half of a float32.
func BF16ToF32(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// F32ToBF16 rounds to the nearest bfloat16, ties to even; a NaN stays a (quiet) NaN.
func F32ToBF16(f float32) uint16 {
	bits := math.Float32bits(f)
	if bits&0x7fffffff > 0x7f800000 {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + (bits >> 16 & 1)) >> 16)
}

// F8E4M3ToF32 converts an 8-bit float of the "fn" kind (Micikevicius et al.,
// "FP8 Formats for Deep Learning", 2022, table 1): bias 7, no infinities, NaN
// only where all exponent and fraction bits are set.
func F8E4M3ToF32(b byte) float32 { return f8e4m3[b] }

var f8e4m3 = func() (t [256]float32) {
	for i := range t {
		exponent, fraction := i>>3&15, float64(i&7)
		v := math.Ldexp(1+fraction/8, exponent-7)
		switch {
		case i&0x7f == 0x7f:
			v = math.NaN()
		case exponent == 0:
			v = math.Ldexp(fraction, -9)
		}
		if i >= 0x80 {
			v = math.Copysign(v, -1)
		}
		t[i] = float32(v)
	}
	return t
}()
