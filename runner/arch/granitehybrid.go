package arch

import (
	"headprof/runner/backend"
	"headprof/runner/shape"
)

func init() { register("granitehybrid", loadGraniteHybrid) }

// granitehybrid is Granite 4 with Mamba-2 layers (arXiv 2405.21060): Granite's
// multipliers, an expert that all tokens use, and in mixtures routed ones. It is
// read from Hugging Face folders.
type granitehybrid struct {
	granite
	mixers   []*mamba2 // nil: attention
	mixtures []experts // nil: none
	norms    []ffnNorm
	shared   []sharedExpert
	conv     backend.Convolution
	scan     backend.Scan
}

type ffnNorm struct {
	AttnNorm backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	FFNNorm  backend.Weight `gguf:"ffn_norm.weight" shape:"width"`
}

// mamba2 is a Mamba-2 layer (figure 6 of the paper): one projection to a gate,
// the convolved inputs, B and C, and the steps; the scan; a norm by groups.
type mamba2 struct {
	In       backend.Weight `gguf:"ssm_in.weight" shape:"projected,width"`
	InBias   backend.Weight `gguf:"ssm_in.bias,optional" shape:"projected"`
	Conv     backend.Weight `gguf:"ssm_conv1d.weight" shape:"convolved,taps" as:"vector"`
	ConvBias backend.Weight `gguf:"ssm_conv1d.bias,optional" shape:"convolved"`
	Bias     backend.Weight `gguf:"ssm_dt.bias" shape:"scans"`
	Rate     backend.Weight `gguf:"ssm_a.weight" shape:"scans"`
	Skip     backend.Weight `gguf:"ssm_d.weight" shape:"scans"`
	Norm     backend.Weight `gguf:"ssm_norm.weight" shape:"inner"`
	Out      backend.Weight `gguf:"ssm_out.weight" shape:"width,inner"`
	OutBias  backend.Weight `gguf:"ssm_out.bias,optional" shape:"width"`
}

func loadGraniteHybrid(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	if !c.flag("headprof.rope.half_split") {
		c.fail("Granite 4 with Mamba layers is read from Hugging Face folders only; open the folder that the file was made of")
	}
	if c.keyDim() == 0 {
		c.fail("no layer has attention, so there are no heads to profile")
	}
	if c.err != nil {
		return nil, c.err
	}
	m := &granitehybrid{granite: *c.granite()}
	m.conv = backend.Convolution{Width: c.count("ssm.conv_kernel", 64, required), SiLU: true}
	m.scan = backend.Scan{Heads: c.count("ssm.time_step_rank", maxHeads, required), Groups: c.count("ssm.group_count", maxHeads, required),
		StateDim: c.count("ssm.state_size", 1<<12, required)}
	inner := c.count("ssm.inner_size", maxWidth, required)
	if c.err == nil && (inner%m.scan.Heads != 0 || m.scan.Heads%m.scan.Groups != 0) {
		c.fail("%d heads of a Mamba layer cannot share %d values and %d groups evenly", m.scan.Heads, inner, m.scan.Groups)
	}
	if c.err != nil {
		return nil, c.err
	}
	m.scan.HeadDim = inner / m.scan.Heads
	convolved := inner + 2*m.scan.Groups*m.scan.StateDim
	m.scan.State = m.conv.Elements(convolved)
	m.NoGradient = recurrence
	m.sizes = dims{"projected": inner + convolved + m.scan.Heads, "convolved": convolved, "taps": m.conv.Width, "scans": m.scan.Heads, "inner": inner}
	n := len(m.Layers)
	for l := range m.Layers {
		if !m.Layers[l].Attends() {
			m.Layers[l].Layer = shape.Layer{Kind: shape.Recurrent, State: m.scan.State + m.scan.Elements()}
		}
	}
	m.mixers, m.shared, m.blocks = make([]*mamba2, n), make([]sharedExpert, n), make([]graniteBlock, n)
	if m.Experts > 0 {
		m.mixtures = make([]experts, n)
	}
	var err error
	if m.norms, err = bindModel[ffnNorm](s, b, &m.outer, &m.config); err != nil {
		return nil, err
	}
	for l := range n {
		parts := []any{&m.shared[l]}
		if m.Layers[l].Attends() {
			parts = append(parts, &m.blocks[l].graniteAttention)
		} else {
			m.mixers[l] = &mamba2{}
			parts = append(parts, m.mixers[l])
		}
		if m.mixtures != nil {
			parts = append(parts, &m.mixtures[l])
		}
		for _, p := range parts {
			if err := bindBlock(s, b, p, l, &m.config); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}

func (m *granitehybrid) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	if k := m.mixers[l]; k != nil {
		h := k.mix(o, l, o.Norm(x, m.norm(m.norms[l].AttnNorm)), m.conv, m.scan, m.eps)
		if rows != nil {
			x, h = o.Gather(x, rows), o.Gather(h, rows)
		}
		o.AddLinear(x, h, k.Out, k.OutBias, m.residual)
	} else {
		x = m.attend(o, l, x, rows)
	}
	h := o.Norm(x, m.norm(m.norms[l].FFNNorm))
	if m.mixtures != nil {
		e := m.mixtures[l].mixture(&m.config, true)
		e.Scale = m.residual
		o.MixExperts(x, h, e)
	}
	m.shared[l].add(o, x, h, m.residual)
	return x
}

// mix gives what the layer adds to the residual stream, before its projection,
// of all rows of h.
func (k *mamba2) mix(o backend.Ops, l int, h backend.Value, c backend.Convolution, s backend.Scan, eps float32) backend.Value {
	c.Layer, c.Weight, c.Bias = l, k.Conv, k.ConvBias
	s.Layer, s.Rate, s.Bias, s.Skip = l, k.Rate, k.Bias, k.Skip
	inner := s.Heads * s.HeadDim
	convolved := inner + 2*s.Groups*s.StateDim
	all := o.Linear(h, k.In, k.InBias)
	y := o.Scan(o.Convolve(o.Split(all, inner, inner+convolved), c), o.Split(all, inner+convolved, inner+convolved+s.Heads), s)
	y = o.Gate(o.Split(all, 0, inner), y, backend.SiLU)
	o.HeadNorm(y, s.Groups, backend.Norm{Weight: k.Norm, Eps: eps})
	return y
}
