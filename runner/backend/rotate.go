package backend

import "math"

// Rotate rotates one head's query or key in place to a position, in float64:
// the rotation that Ops.Rope applies, for sums that are not tied to a step.
// The angle is a float32 product, as in every backend.
func (r Rope) Rotate(x []float64, position int) {
	for i := range r.Dims / 2 {
		sin, cos := math.Sincos(float64(float32(position) * r.InvFreq[i]))
		a, b := i, i+r.Dims/2
		if r.Interleaved {
			a, b = 2*i, 2*i+1
		}
		sin, cos = sin*float64(r.Scale), cos*float64(r.Scale)
		// The conversions forbid fused multiply-adds, which differ between processors.
		x[a], x[b] = float64(x[a]*cos)-float64(x[b]*sin), float64(x[b]*cos)+float64(x[a]*sin)
	}
}
