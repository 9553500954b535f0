package plain

import (
	"math"

	"headprof/runner/backend"
)

// Recurs implements backend.RecurrentBackend.
func (*Backend) Recurs() {}

func (o *ops) Convolve(x backend.Value, c backend.Convolution) backend.Value {
	in, w, bias := val(x), vec(c.Weight), vec(c.Bias)
	out := newValue(in.rows, in.width)
	last := o.c.states.Layer(c.Layer)[c.State:][:c.Elements(in.width)] // of the rows before
	before := c.Width - 1
	at := func(r, channel int) float64 {
		if r < 0 {
			return float64(last[(before+r)*in.width+channel])
		}
		return float64(in.row(r)[channel])
	}
	for r := range in.rows {
		for ch := range in.width {
			var y float64
			for j := range c.Width {
				y += float64(w[ch*c.Width+j]) * at(r-before+j, ch)
			}
			if bias != nil {
				y += float64(bias[ch])
			}
			if c.SiLU {
				y = activate(y, backend.SiLU)
			}
			out.row(r)[ch] = float32(y)
		}
	}
	next := make([]float32, len(last))
	for j := range before {
		for ch := range in.width {
			next[j*in.width+ch] = float32(at(in.rows-before+j, ch))
		}
	}
	copy(last, next)
	return out
}

func softplus(x float64) float64 {
	if x > 20 {
		return x
	}
	return math.Log1p(math.Exp(x))
}

// unit gives x divided by √(Σx² + eps), times scale.
func unit(x []float32, eps float32, scale float64) []float64 {
	y, sum := make([]float64, len(x)), float64(eps)
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	for i, v := range x {
		y[i] = float64(v) / math.Sqrt(sum) * scale
	}
	return y
}

func (o *ops) DeltaRule(qkv, alpha, beta backend.Value, d backend.DeltaRule) backend.Value {
	in := val(qkv)
	out := newValue(in.rows, d.Heads*d.ValueDim)
	all := o.c.states.Layer(d.Layer)[d.State:]
	rate, bias := vec(d.Rate), vec(d.Bias)
	keys := d.KeyHeads * d.KeyDim
	for r := range in.rows {
		for h := range d.Heads {
			kh := d.KeyHead(h)
			q := unit(in.row(r)[kh*d.KeyDim:][:d.KeyDim], d.Eps, 1/math.Sqrt(float64(d.KeyDim)))
			k := unit(in.row(r)[keys+kh*d.KeyDim:][:d.KeyDim], d.Eps, 1)
			v := in.row(r)[2*keys+h*d.ValueDim:][:d.ValueDim]
			decay := math.Exp(float64(rate[h]) * softplus(float64(val(alpha).row(r)[h])+float64(bias[h])))
			share := activate(float64(val(beta).row(r)[h]), backend.Sigmoid)
			state := all[h*d.KeyDim*d.ValueDim:][:d.KeyDim*d.ValueDim]
			for j := range v {
				var had float64
				for i := range k {
					had += k[i] * decay * float64(state[i*d.ValueDim+j])
				}
				delta := share * (float64(v[j]) - had)
				var y float64
				for i := range k {
					s := &state[i*d.ValueDim+j]
					*s = float32(decay*float64(*s) + k[i]*delta)
					y += q[i] * float64(*s)
				}
				out.row(r)[h*d.ValueDim+j] = float32(y)
			}
		}
	}
	return out
}

func (o *ops) Scan(xbc, dt backend.Value, s backend.Scan) backend.Value {
	in := val(xbc)
	out := newValue(in.rows, s.Heads*s.HeadDim)
	all := o.c.states.Layer(s.Layer)[s.State:]
	rate, bias, skip := vec(s.Rate), vec(s.Bias), vec(s.Skip)
	inner, groups := s.Heads*s.HeadDim, s.Groups*s.StateDim
	for r := range in.rows {
		for h := range s.Heads {
			g := h / (s.Heads / s.Groups)
			x := in.row(r)[h*s.HeadDim:][:s.HeadDim]
			b := in.row(r)[inner+g*s.StateDim:][:s.StateDim]
			c := in.row(r)[inner+groups+g*s.StateDim:][:s.StateDim]
			step := softplus(float64(val(dt).row(r)[h]) + float64(bias[h]))
			if s.Most > 0 {
				step = min(max(step, float64(s.Least)), float64(s.Most))
			}
			decay := math.Exp(step * float64(rate[h]))
			state := all[h*s.StateDim*s.HeadDim:][:s.StateDim*s.HeadDim]
			for j := range x {
				y := float64(skip[h]) * float64(x[j])
				for i := range b {
					e := &state[i*s.HeadDim+j]
					*e = float32(decay*float64(*e) + float64(b[i])*step*float64(x[j]))
					y += float64(c[i]) * float64(*e)
				}
				out.row(r)[h*s.HeadDim+j] = float32(y)
			}
		}
	}
	return out
}
