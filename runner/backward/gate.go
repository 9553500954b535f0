package backward

import (
	"math"

	"headprof/runner/backend"
)

// Gate implements backend.Ops.
func (t *Tape) Gate(gate, up backend.Value, act backend.Activation) backend.Value {
	g := gate.(*node)
	gv := g.save()
	var u *node
	var uv backend.Value
	if up != nil {
		u = up.(*node)
		uv = u.save()
	}
	y := t.made(t.o.Gate(gv, uv, act))
	t.record(func() {
		dy, dg := t.gradient(y), t.gradient(g)
		var du backend.Value
		if u != nil {
			du = t.gradient(u)
		}
		if u != nil && (act == backend.SiLU || act == backend.GELUTanh) {
			value := t.o.Gate(gv, nil, act)
			t.each(dy, func(i int) {
				gateFast(t.o.Row(dg, i), t.o.Row(du, i), t.o.Row(dy, i), t.o.Row(gv, i), t.o.Row(uv, i), t.o.Row(value, i), act)
			})
			return
		}
		t.each(dy, func(i int) {
			var by, dby []float32
			if u != nil {
				by, dby = t.o.Row(uv, i), t.o.Row(du, i)
			}
			gateBack(t.o.Row(dg, i), dby, t.o.Row(dy, i), t.o.Row(gv, i), by, act)
		})
	})
	return y
}

// gateFast is gateBack for x·σ(c₁x + c₃x³), of which values has the values.
func gateFast(dg, du, dy, g, u, values []float32, act backend.Activation) {
	c1, c3 := float32(1), float32(0)
	if act == backend.GELUTanh {
		c1 = float32(2 * math.Sqrt2 / math.SqrtPi)
		c3 = 0.044715 * c1
	}
	for j, d := range dy {
		x, v := g[j], values[j]
		s := float32(0.5)
		if x > 1e-6 || x < -1e-6 {
			s = v / x
		}
		x2 := float32(x * x)
		slope := s + float32(float32(v*(1-s))*(c1+float32(3*c3*x2)))
		dg[j] += float32(float32(d*u[j]) * slope)
		du[j] += float32(d * v)
	}
}

// gateBack adds the gradients through y = act(g) ⊙ u; u nil: y = act(g). A g of
// one element applies to the whole row.
func gateBack(dg, du, dy, g, u []float32, act backend.Activation) {
	var value, slope float64
	for j, d := range dy {
		at := j
		if len(g) == 1 {
			at = 0
		}
		if j == at {
			value, slope = activation(float64(g[at]), act)
		}
		if u == nil {
			dg[at] += float32(float64(d) * slope)
			continue
		}
		dg[at] += float32(float64(d) * float64(u[j]) * slope)
		du[j] += float32(float64(d) * value)
	}
}

// activation gives an activation and its derivative.
func activation(x float64, act backend.Activation) (value, slope float64) {
	switch act {
	case backend.GELUTanh: // x·σ(2u), u = √(2/π)(x + 0.044715x³)
		c := 2 * math.Sqrt2 / math.SqrtPi
		s := sigmoid(c * (x + 0.044715*x*x*x))
		return x * s, s + x*s*(1-s)*c*(1+3*0.044715*x*x)
	case backend.GELUErf: // x·Φ(x)
		p := 0.5 * (1 + math.Erf(x/math.Sqrt2))
		return x * p, p + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	case backend.Sigmoid:
		s := sigmoid(x)
		return s, s * (1 - s)
	case backend.Identity:
		return x, 1
	}
	s := sigmoid(x) // SiLU
	return x * s, s + x*s*(1-s)
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
