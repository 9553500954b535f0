package stats

import "math"

// Mean is the arithmetic mean, summed pairwise in the order of NumPy's
// np.mean (blocks of 128 in eight partial sums), so that means taken from
// published score files equal those of the published code to the last bit.
// NaN without values.
func Mean(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	return pairwise(values) / float64(len(values))
}

// MeanStdErr is the mean and its standard error, the sample standard deviation
// over √n; NaN where there are fewer than two values.
func MeanStdErr(values []float64) (mean, stdErr float64) {
	mean = Mean(values)
	var squares float64
	for _, v := range values {
		d := v - mean
		squares += float64(d * d)
	}
	n := float64(len(values)) // with one value 0/0
	return mean, math.Sqrt(squares / (n - 1) / n)
}

func pairwise(v []float64) float64 {
	n := len(v)
	switch {
	case n < 8:
		var sum float64
		for _, x := range v {
			sum += x
		}
		return sum
	case n <= 128:
		var p [8]float64
		copy(p[:], v)
		i := 8
		for ; i+8 <= n; i += 8 {
			for j := range p {
				p[j] += v[i+j]
			}
		}
		sum := ((p[0] + p[1]) + (p[2] + p[3])) + ((p[4] + p[5]) + (p[6] + p[7]))
		for ; i < n; i++ {
			sum += v[i]
		}
		return sum
	}
	half := n / 2
	half -= half % 8
	return pairwise(v[:half]) + pairwise(v[half:])
}

// Quantile is the linearly interpolated p-quantile of ascending values
// (Hyndman and Fan's type 7, numpy's default).
func Quantile(sorted []float64, p float64) float64 {
	at := float64(p * float64(len(sorted)-1)) // rounded: no fused multiply-add
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + float64((at-float64(i))*(sorted[i+1]-sorted[i]))
}
