package cpu

import (
	"math"

	"headprof/runner/backend"
)

// Above leaves of each row what lies above its mean and so many standard
// deviations, less those, in place.
func (o *ops) Above(x backend.Value, deviations float32) {
	v := x.(*value)
	o.perRow(v.rows, 4*v.width, func(_ *scratch, lo, hi int) {
		for i := lo; i < hi; i++ {
			row := v.row(i)
			var mean, square float64
			for _, y := range row {
				mean += float64(y)
			}
			mean /= float64(len(row))
			for _, y := range row {
				d := float64(y) - mean
				square += float64(d * d)
			}
			cut := mean + float64(float64(deviations)*math.Sqrt(square/float64(len(row))))
			for j, y := range row {
				row[j] = float32(max(0, float64(y)-cut))
			}
		}
	})
}

// Match scales each row of x to the root mean square of like's, in place.
func (o *ops) Match(x, like backend.Value, floor float32) {
	v, l := x.(*value), like.(*value)
	o.perRow(v.rows, 3*v.width, func(_ *scratch, lo, hi int) {
		for i := lo; i < hi; i++ {
			row := v.row(i)
			by := float32(math.Sqrt(meanSquare(l.row(i)) / max(float64(floor), meanSquare(row))))
			for j := range row {
				row[j] *= by
			}
		}
	})
}

func meanSquare(row []float32) (sum float64) {
	for _, x := range row {
		sum += float64(float64(x) * float64(x))
	}
	return sum / float64(len(row))
}
