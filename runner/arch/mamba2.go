package arch

import "headprof/runner/backend"

// mamba2 is a Mamba-2 layer (arXiv 2405.21060, figure 6): one projection to a
// gate, the convolved inputs, B and C, and the steps; the scan; and in most
// models a norm by groups.
type mamba2 struct {
	In       backend.Weight `gguf:"ssm_in.weight" shape:"projected,width"`
	InBias   backend.Weight `gguf:"ssm_in.bias,optional" shape:"projected"`
	Conv     backend.Weight `gguf:"ssm_conv1d.weight" shape:"convolved,taps" as:"vector"`
	ConvBias backend.Weight `gguf:"ssm_conv1d.bias,optional" shape:"convolved"`
	Bias     backend.Weight `gguf:"ssm_dt.bias" shape:"scans"`
	Rate     backend.Weight `gguf:"ssm_a|ssm_a.weight" shape:"scans,1" as:"vector"`
	Skip     backend.Weight `gguf:"ssm_d|ssm_d.weight" shape:"scans,1" as:"vector"`
	Norm     backend.Weight `gguf:"ssm_norm.weight,optional" shape:"groups,grouped" as:"vector"`
	Out      backend.Weight `gguf:"ssm_out.weight" shape:"width,inner"`
	OutBias  backend.Weight `gguf:"ssm_out.bias,optional" shape:"width"`
}

// mambaSettings are what all Mamba-2 layers of a model share.
type mambaSettings struct {
	conv      backend.Convolution
	scan      backend.Scan
	eps       float32
	normFirst bool      // the norm is before the gate
	scales    []float32 // multiply the gate, the inputs, B, C and the steps as they are projected; nil: none
}

// mamba reads the sizes of a family's Mamba-2 layers.
func (m *metadata) mamba() (s mambaSettings) {
	s.conv = backend.Convolution{Width: m.count("ssm.conv_kernel", 64, required), SiLU: true}
	s.scan = backend.Scan{Heads: m.count("ssm.time_step_rank", maxHeads, required), Groups: m.count("ssm.group_count", maxHeads, required),
		StateDim: m.count("ssm.state_size", 1<<12, required)}
	inner := m.count("ssm.inner_size", maxWidth, required)
	if m.err == nil && (inner%s.scan.Heads != 0 || s.scan.Heads%s.scan.Groups != 0) {
		m.fail("%d heads of a Mamba layer cannot share %d values and %d groups evenly", s.scan.Heads, inner, s.scan.Groups)
	}
	if m.err != nil {
		return s
	}
	s.scan.HeadDim = inner / s.scan.Heads
	s.scan.State = s.conv.Elements(s.convolved())
	s.eps = m.eps(required)
	m.NoGradient = recurrence
	m.sizes = dims{"projected": inner + s.convolved() + s.scan.Heads, "convolved": s.convolved(), "taps": s.conv.Width, "scans": s.scan.Heads,
		"inner": inner, "groups": s.scan.Groups, "grouped": inner / s.scan.Groups, "1": 1}
	return s
}

// convolved is the number of channels of the convolution: inputs, B and C.
func (s *mambaSettings) convolved() int {
	return s.scan.Heads*s.scan.HeadDim + 2*s.scan.Groups*s.scan.StateDim
}

// elements is the size of a layer's state.
func (s *mambaSettings) elements() int { return s.scan.State + s.scan.Elements() }

// mix gives what the layer adds to the residual stream, before its projection,
// of all rows of h.
func (k *mamba2) mix(o backend.Ops, l int, h backend.Value, s *mambaSettings) backend.Value {
	conv, scan := s.conv, s.scan
	conv.Layer, conv.Weight, conv.Bias = l, k.Conv, k.ConvBias
	scan.Layer, scan.Rate, scan.Bias, scan.Skip = l, k.Rate, k.Bias, k.Skip
	inner := scan.Heads * scan.HeadDim
	behind := inner + s.convolved()
	all := o.Linear(h, k.In, k.InBias)
	gate, dt := o.Split(all, 0, inner), o.Split(all, behind, behind+scan.Heads)
	xbc := o.Split(all, inner, behind)
	if s.scales != nil {
		states := scan.Groups * scan.StateDim
		x, b, c := o.Split(xbc, 0, inner), o.Split(xbc, inner, inner+states), o.Split(xbc, inner+states, inner+2*states)
		for i, v := range []backend.Value{gate, x, b, c, dt} {
			o.Scale(v, s.scales[i])
		}
		xbc = o.Join(x, b, c)
	}
	y := o.Scan(o.Convolve(xbc, conv), dt, scan)
	norm := backend.Norm{Weight: k.Norm, Eps: s.eps}
	if k.Norm != nil && s.normFirst {
		o.HeadNorm(y, scan.Groups, norm)
	}
	y = o.Gate(gate, y, backend.SiLU)
	if k.Norm != nil && !s.normFirst {
		o.HeadNorm(y, scan.Groups, norm)
	}
	return y
}
