package cpu

import "math"

// exp2 gives 2^x in the same steps as the assembly kernels: n = round(x),
// 2^(x−n) by a polynomial on [−½, ½] in Horner form, then n into the exponent.
// Below −126 the result is 0, so that it is never subnormal; above 127 it is 2^127.
func exp2(x float32) float32 {
	if x < -126 {
		return 0
	}
	if x > 127 {
		x = 127
	}
	n := float32(math.RoundToEven(float64(x)))
	return exp2Part(x-n, n)
}

// exp2Part is 2^n · 2^r for whole n in [−126, 127] and |r| ≤ ½ or so.
func exp2Part(r, n float32) float32 {
	p := float32(exp2C6)
	p = fma32(p, r, exp2C5)
	p = fma32(p, r, exp2C4)
	p = fma32(p, r, exp2C3)
	p = fma32(p, r, exp2C2)
	p = fma32(p, r, exp2C1)
	p = fma32(p, r, 1)
	return p * math.Float32frombits(uint32(int32(n)+127)<<23)
}

const log2e = 1.4426950408889634

// sigmoidGate is x / (1 + e^−(c1·x + c3·x³)): SiLU with (1, 0), GELU's tanh
// approximation with (2√(2/π), 2√(2/π)·0.044715), since ½(1+tanh u) is the
// logistic function of 2u.
func sigmoidGate(x, c1, c3 float32) float32 {
	x2 := float32(x * x)
	return x / onePlusExp(float32(x*fma32(c3, x2, c1)))
}

// onePlusExp is 1 + e^−u, e^−u held between 2^−126 and 2^127.
func onePlusExp(u float32) float32 {
	y := float32(u * -log2e)
	switch {
	case y < -126:
		y = -126
	case y > 127:
		y = 127
	}
	n := float32(math.RoundToEven(float64(y)))
	return 1 + exp2Part(y-n, n)
}

// Coefficients of 2^r − 1 = r·(C1 + r·(C2 + …)), fitted on [−½, ½] for least
// largest relative error (Lawson's iteration); as float32 it is 1.7e-8.
const (
	exp2C1 = 0.6931471824645996
	exp2C2 = 0.24022647738456726
	exp2C3 = 0.05550329387187958
	exp2C4 = 0.009618449956178665
	exp2C5 = 0.0013400169555097818
	exp2C6 = 0.0001535231713205576
)
