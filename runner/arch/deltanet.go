package arch

import (
	"headprof/runner/backend"
	"headprof/runner/shape"
)

// deltaNet is a Gated DeltaNet layer (arXiv 2412.06464, figure 1): queries, keys
// and values through a short convolution, the gated delta rule, and a norm of
// each head that a gate multiplies. beta and alpha are the family's own.
type deltaNet struct {
	QKV  backend.Weight `gguf:"attn_qkv.weight" shape:"convolved,width"`
	Z    backend.Weight `gguf:"attn_gate.weight" shape:"inner,width"`
	Conv backend.Weight `gguf:"ssm_conv1d.weight" shape:"convolved,taps" as:"vector"`
	Bias backend.Weight `gguf:"ssm_dt.bias" shape:"values"`
	Rate backend.Weight `gguf:"ssm_a|ssm_a.weight" shape:"values"`
	Norm backend.Weight `gguf:"ssm_norm.weight" shape:"valuedim"`
	Out  backend.Weight `gguf:"ssm_out.weight" shape:"width,inner"`
}

// recurrence is why gradients are not computed.
const recurrence = "it has recurrent layers"

// deltaSettings are what all layers share.
type deltaSettings struct {
	rule backend.DeltaRule
	conv backend.Convolution
}

// deltaRule reads the sizes of a family's linear attention, and makes linear
// those layers that are not among its full ones.
func (m *metadata) deltaRule(full func(l int) bool) (s deltaSettings) {
	s.conv = backend.Convolution{Width: m.count("ssm.conv_kernel", 64, required), SiLU: true}
	d := backend.DeltaRule{KeyHeads: m.count("ssm.group_count", maxHeads, required), Heads: m.count("ssm.time_step_rank", maxHeads, required),
		KeyDim: m.count("ssm.state_size", 1<<12, required), Eps: 1e-6}
	inner := m.count("ssm.inner_size", maxWidth, required)
	if m.err != nil {
		return s
	}
	if d.Heads%d.KeyHeads != 0 || inner%d.Heads != 0 {
		m.fail("%d value heads of linear attention cannot share %d key heads and %d values evenly (metadata keys %s, %s and %s)",
			d.Heads, d.KeyHeads, inner, m.key("ssm.time_step_rank"), m.key("ssm.group_count"), m.key("ssm.inner_size"))
		return s
	}
	d.ValueDim = inner / d.Heads
	convolved := 2*d.KeyHeads*d.KeyDim + inner
	d.State = s.conv.Elements(convolved)
	m.sizes = dims{"convolved": convolved, "inner": inner, "taps": s.conv.Width, "values": d.Heads, "2values": 2 * d.Heads, "valuedim": d.ValueDim}
	m.NoGradient = recurrence
	for l := range m.Layers {
		if !full(l) {
			m.Layers[l].Layer = shape.Layer{Kind: shape.Linear, State: d.State + d.Elements()}
		}
	}
	s.rule = d
	return s
}

// mix gives what the layer adds to the residual stream, before its projection,
// of all rows of h.
func (n *deltaNet) mix(o backend.Ops, l int, h, alpha, beta backend.Value, s deltaSettings, eps float32) backend.Value {
	conv, rule := s.conv, s.rule
	conv.Layer, conv.Weight = l, n.Conv
	rule.Layer, rule.Rate, rule.Bias = l, n.Rate, n.Bias
	y := o.DeltaRule(o.Convolve(o.Linear(h, n.QKV, nil), conv), alpha, beta, rule)
	o.HeadNorm(y, rule.Heads, backend.Norm{Weight: n.Norm, Eps: eps})
	return o.Gate(o.Linear(h, n.Z, nil), y, backend.SiLU)
}
