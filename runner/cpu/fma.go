package cpu

import "math"

// fma32 is a·b + c rounded once to float32. The product is exact in float64;
// the float64 sum is rounded, and rounding it again to float32 is wrong only
// when it lies exactly between two float32 (its low 28 bits are then zero,
// subnormal results included).
func fma32(a, b, c float32) float32 {
	s := float64(a)*float64(b) + float64(c)
	if math.Float64bits(s)&0x0fffffff == 0 {
		return fmaTie(a, b, c)
	}
	return float32(s)
}

// fmaTie rounds a sum whose float64 value may be a tie that the exact sum is
// not: the sum's error (Knuth's TwoSum) says to which side to lean.
func fmaTie(a, b, c float32) float32 {
	p, z := float64(a)*float64(b), float64(c)
	s := p + z
	t := s - p
	e := (p - (s - t)) + (z - t)
	switch {
	case e > 0:
		s = math.Nextafter(s, math.Inf(1))
	case e < 0:
		s = math.Nextafter(s, math.Inf(-1))
	}
	return float32(s)
}
