package cpu

import (
	"math"

	"headprof/runner/backend"
)

// Gate is act(gate) ⊙ up. A gate of width 1 applies to the whole row of up.
func (o *ops) Gate(gate, up backend.Value, act backend.Activation) backend.Value {
	g := gate.(*value)
	width := g.width
	var u *value
	if up != nil {
		u = up.(*value)
		width = u.width
	}
	out := o.arena.value(g.rows, width)
	c1, c3 := float32(1), float32(0)
	if act == backend.GELUTanh {
		c1 = float32(2 * math.Sqrt2 / math.SqrtPi)
		c3 = float32(2 * math.Sqrt2 / math.SqrtPi * 0.044715)
	}
	vector := (act == backend.SiLU || act == backend.GELUTanh) && width == g.width
	o.perRow(g.rows, width, func(_ *scratch, lo, hi int) {
		for i := lo; i < hi; i++ {
			var by []float32
			if u != nil {
				by = u.row(i)
			}
			if !vector {
				gateRow(out.row(i), g.row(i), by, act, c1, c3)
				continue
			}
			var p *float32
			if by != nil {
				p = &by[0]
			}
			o.k.gate(roundUp(width, 16), out.at(i, 0), g.at(i, 0), p, c1, c3)
		}
	})
	return out
}

// gateRow is the rarer gates, element by element.
func gateRow(dst, g, up []float32, act backend.Activation, c1, c3 float32) {
	for j := range dst {
		x := g[0]
		if len(g) > 1 {
			x = g[j]
		}
		switch act {
		case backend.Sigmoid:
			x = 1 / onePlusExp(x)
		case backend.Identity:
		case backend.GELUErf:
			x = float32(0.5 * float64(x) * (1 + math.Erf(float64(x)/math.Sqrt2)))
		default:
			x = sigmoidGate(x, c1, c3)
		}
		if up != nil {
			x *= up[j]
		}
		dst[j] = x
	}
}
