package cpu

import (
	"math"

	"headprof/runner/backend"
)

// HeadLinear multiplies each head's slice of a row by a matrix of its own, behind
// its first keep elements.
func (o *ops) HeadLinear(x backend.Value, heads, keep int, w backend.Weight) backend.Value {
	v, stack := x.(*value), w.(*weight)
	dim, rows := v.width/heads, stack.rows/heads
	out := o.arena.value(v.rows, heads*(keep+rows))
	for h := range heads {
		in := o.Split(v, h*dim+keep, (h+1)*dim).(*value)
		y := o.arena.value(v.rows, rows)
		one, from := stack.expert(h, rows)
		o.linear(linear{dst: y, x: in, w: one, from: from, out: rows, scale: 1})
		o.perRow(v.rows, keep+rows, func(_ *scratch, lo, hi int) {
			for i := lo; i < hi; i++ {
				dst := out.row(i)[h*(keep+rows):]
				copy(dst, v.row(i)[h*dim:][:keep])
				copy(dst[keep:], y.row(i))
			}
		})
		o.arena.drop(in, y)
	}
	return out
}

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
