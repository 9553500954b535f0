package arch

import (
	"fmt"

	"headprof/runner/backend"
	"headprof/runner/shape"
)

func init() {
	register("lfm2", loadLFM2)
	register("lfm2moe", loadLFM2)
}

// lfm2 is LFM2 (arXiv 2511.23404): most layers are short convolutions between
// two gates, the others attention with normalised queries and keys. Its mixtures
// have experts behind the first layers.
type lfm2 struct {
	config
	outer
	blocks []lfm2Block
	rope   backend.Rope
	eps    float32
	conv   backend.Convolution
	route  backend.Experts // what all mixtures share
}

type lfm2Block struct {
	AttnNorm  backend.Weight   `gguf:"attn_norm.weight" shape:"width"`
	FFNNorm   backend.Weight   `gguf:"ffn_norm.weight" shape:"width"`
	attention *normedAttention // one of the two
	conv      *shortConv
	mlp       *gated // one of the two
	moe       *lfm2Experts
}

type lfm2Experts struct {
	experts
	Selection backend.Weight `gguf:"exp_probs_b.bias" shape:"experts"`
}

// normedAttention is attention with normalised queries and keys.
type normedAttention struct {
	qkv
	headNorms
	output
}

// shortConv is a gated short convolution: out(C ⊙ conv(B ⊙ x)), where one
// projection gives B, C and x.
type shortConv struct {
	In       backend.Weight `gguf:"shortconv.in_proj.weight" shape:"3width,width"`
	InBias   backend.Weight `gguf:"shortconv.in_proj.bias,optional" shape:"3width"`
	Conv     backend.Weight `gguf:"shortconv.conv.weight" shape:"width,taps" as:"vector"`
	ConvBias backend.Weight `gguf:"shortconv.conv.bias,optional" shape:"width"`
	Out      backend.Weight `gguf:"shortconv.out_proj.weight" shape:"width,width"`
	OutBias  backend.Weight `gguf:"shortconv.out_proj.bias,optional" shape:"width"`
}

func loadLFM2(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	if c.keyDim() == 0 {
		return nil, fmt.Errorf("no layer has attention, so there are no heads to profile")
	}
	m := &lfm2{rope: c.rope(false, required), eps: c.eps(required)}
	m.conv = backend.Convolution{Width: c.count("shortconv.l_cache", 64, required)}
	c.NoGradient = recurrence
	c.sizes = dims{"3width": 3 * c.Width, "taps": m.conv.Width}
	for l := range c.Layers {
		if !c.Layers[l].Attends() {
			c.Layers[l].Layer = shape.Layer{Kind: shape.Recurrent, State: m.conv.Elements(c.Width)}
		}
	}
	dense := len(c.Layers)
	if c.Family == "lfm2moe" {
		c.require("leading_dense_block_count")
		dense = c.count("leading_dense_block_count", len(c.Layers), 0)
		c.require("expert_feed_forward_length")
		if g := c.count("expert_gating_func", 1<<10, required); g != 2 {
			c.fail("metadata key %s is %d; models of this family have 2, a sigmoid", c.key("expert_gating_func"), g)
		}
		m.route = backend.Experts{Sigmoid: true, NormaliseTop: true, Least: 1e-6, Scale: float32(c.float("expert_weights_scale", 1))}
		if s.Has(c.key("expert_weights_norm")) {
			m.route.NormaliseTop = c.flag(c.key("expert_weights_norm"))
		}
		c.checkGroups(m.route)
	}
	m.config = c.Config
	if c.err != nil {
		return nil, c.err
	}
	var err error
	if m.blocks, err = bindModel[lfm2Block](s, b, &m.outer, &m.config); err != nil {
		return nil, err
	}
	for l := range m.blocks {
		k := &m.blocks[l]
		var part, ff any
		if m.Layers[l].Attends() {
			k.attention = &normedAttention{}
			part = k.attention
		} else {
			k.conv = &shortConv{}
			part = k.conv
		}
		if l < dense {
			k.mlp = &gated{}
			ff = k.mlp
		} else {
			k.moe = &lfm2Experts{}
			ff = k.moe
		}
		for _, p := range []any{part, ff} {
			if err := bindBlock(s, b, p, l, &m.config); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}

func (m *lfm2) Config() *Config { return &m.config }

func (m *lfm2) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *lfm2) Embed(o backend.Ops, ids []int32) backend.Value { return m.embed(o, ids, 1) }

func (m *lfm2) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]
	h := o.Norm(x, m.norm(b.AttnNorm))
	if at := b.attention; at != nil {
		q, k, v := at.project(o, h)
		o.HeadNorm(q, a.Heads, m.norm(at.QNorm))
		o.HeadNorm(k, a.KVHeads, m.norm(at.KNorm))
		o.Rope(q, a.Heads, m.rope)
		o.Rope(k, a.KVHeads, m.rope)
		o.Store(l, k, v)
		h = o.Attend(q, m.attention(l, inverseRoot(a.KeyDim)), rows)
		if rows != nil {
			x = o.Gather(x, rows)
		}
		o.AddLinear(x, h, at.O, at.OBias, 1)
	} else {
		h = b.conv.mix(o, l, h, m.conv)
		if rows != nil {
			x, h = o.Gather(x, rows), o.Gather(h, rows)
		}
		o.AddLinear(x, h, b.conv.Out, b.conv.OutBias, 1)
	}
	h = o.Norm(x, m.norm(b.FFNNorm))
	if b.mlp != nil {
		o.AddLinear(x, b.mlp.hidden(o, h, backend.SiLU), b.mlp.Down, nil, 1)
		return x
	}
	e := b.moe.mixture(&m.config, m.route.NormaliseTop)
	e.Sigmoid, e.Selection, e.Scale, e.Least = true, b.moe.Selection, m.route.Scale, m.route.Least
	o.MixExperts(x, h, e)
	return x
}

// mix is C ⊙ conv(B ⊙ x).
func (n *shortConv) mix(o backend.Ops, l int, h backend.Value, c backend.Convolution) backend.Value {
	c.Layer, c.Weight, c.Bias = l, n.Conv, n.ConvBias
	all, w := o.Linear(h, n.In, n.InBias), h.Width()
	x := o.Gate(o.Split(all, 0, w), o.Split(all, 2*w, 3*w), backend.Identity)
	return o.Gate(o.Split(all, w, 2*w), o.Convolve(x, c), backend.Identity)
}

func (m *lfm2) Logits(o backend.Ops, x backend.Value) backend.Value {
	return m.logits(o, x, m.norm(nil))
}
