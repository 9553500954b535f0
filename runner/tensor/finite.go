package tensor

import "math"

// FirstNotFinite finds the first element, row by row, that is NaN or infinite.
func (t Tensor) FirstNotFinite() (row, col int, found bool) {
	x := make([]float32, t.Cols())
	for r := range t.Rows() {
		Dequantize(x, t.Row(r), t.Type)
		for c, y := range x {
			if math.IsNaN(float64(y)) || math.IsInf(float64(y), 0) {
				return r, c, true
			}
		}
	}
	return 0, 0, false
}
