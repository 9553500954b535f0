package cpu

import "math"

// exp64 is e^x in the same float64 operations on every kind of CPU: the
// conversions keep a compiler from fusing them. Its relative error is below 1e-15.
func exp64(x float64) float64 {
	if x < -700 {
		return 0
	}
	x = min(x, 700)
	const high, low = 6.93147180369123816490e-01, 1.90821492927058770002e-10 // ln 2 in two parts
	n := math.RoundToEven(x * (1 / math.Ln2))
	r := float64(x-float64(n*high)) - float64(n*low)
	p := 1.0
	for i := 14.0; i > 0; i-- { // Σ rⁱ/i! in Horner form
		p = 1 + float64(float64(r/i)*p)
	}
	return math.Ldexp(p, int(n))
}

// softplus is ln(1 + e^x), in the same operations on every kind of CPU.
func softplus(x float64) float64 {
	if x > 20 {
		return x // as in PyTorch
	}
	y := exp64(x)
	e := 0
	m := 1 + y
	if y > 0.4 {
		m, e = math.Frexp(m)
		if m < math.Sqrt2/2 {
			m, e = 2*m, e-1
		}
		y = m - 1
	}
	// ln m = 2 artanh s for s = (m−1)/(m+1)
	s := y / (2 + y)
	s2, sum := float64(s*s), 0.0
	for i := 25.0; i > 0; i -= 2 {
		sum = 1/i + float64(sum*s2)
	}
	return float64(2*float64(s*sum)) + float64(float64(e)*math.Ln2)
}
