package cpu

import (
	"math"

	"headprof/runner/backend"
)

// turn holds the sines and cosines of a step's rows under one Rope.
type turn struct {
	freq     *float32
	dims     int
	scale    float32
	sin, cos []float32 // [rows][dims/2]
}

// turn computes or recalls the angles of r. As the reference implementations
// do, an angle is a float32 product of position and inverse frequency.
func (o *ops) turn(r backend.Rope) *turn {
	half := r.Dims / 2
	for i := range o.turns {
		if t := &o.turns[i]; t.freq == &r.InvFreq[0] && t.dims == r.Dims && t.scale == r.Scale {
			return t
		}
	}
	t := turn{freq: &r.InvFreq[0], dims: r.Dims, scale: r.Scale}
	if o.dry != nil {
		o.dry.turns += 2 * o.n * half
		o.turns = append(o.turns, t)
		return &o.turns[len(o.turns)-1]
	}
	t.sin, t.cos = make([]float32, o.n*half), make([]float32, o.n*half)
	o.perRow(o.n, half*16, func(_ *scratch, lo, hi int) {
		for i := lo; i < hi; i++ {
			for j := range half {
				sin, cos := math.Sincos(float64(float32(o.first+i) * r.InvFreq[j]))
				t.sin[i*half+j] = float32(sin * float64(r.Scale))
				t.cos[i*half+j] = float32(cos * float64(r.Scale))
			}
		}
	})
	o.turns = append(o.turns, t)
	return &o.turns[len(o.turns)-1]
}

// Rope rotates each head of x in place (RoFormer, arXiv 2104.09864, eq. 34).
func (o *ops) Rope(x backend.Value, heads int, r backend.Rope) {
	half := r.Dims / 2
	if half == 0 || len(r.InvFreq) == 0 {
		return
	}
	v, t := x.(*value), o.turn(r)
	dim := v.width / heads
	o.perRow(v.rows, v.width, func(_ *scratch, lo, hi int) {
		for i := lo; i < hi; i++ {
			sin, cos := t.sin[i*half:][:half], t.cos[i*half:][:half]
			for h := range heads {
				p := v.row(i)[h*dim:][:r.Dims]
				if r.Interleaved {
					turnPairs(p, sin, cos)
				} else {
					turnHalves(p[:half], p[half:2*half], sin, cos)
				}
			}
		}
	})
}

func turnPairs(p, sin, cos []float32) {
	cos = cos[:len(sin)]
	p = p[:2*len(sin)]
	for j, s := range sin {
		c, a, b := cos[j], p[2*j], p[2*j+1]
		p[2*j] = float32(a*c) - float32(b*s)
		p[2*j+1] = float32(b*c) + float32(a*s)
	}
}

func turnHalves(p, q, sin, cos []float32) {
	cos, p, q = cos[:len(sin)], p[:len(sin)], q[:len(sin)]
	for j, s := range sin {
		c, a, b := cos[j], p[j], q[j]
		p[j] = float32(a*c) - float32(b*s)
		q[j] = float32(b*c) + float32(a*s)
	}
}
