package arch

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"headprof/runner/backend"
	"headprof/runner/shape"
	"headprof/runner/tensor"
)

func init() { register("deepseek2", loadDeepSeek2) }

// deepseek2 is DeepSeek V2 and V3 (arXiv 2405.04434, 2412.19437): multi-head
// latent attention, dense first layers, then experts beside one that all tokens
// use. The cache holds one entry per token, a rotated key and the latent that
// keys and values are made of; each head's query goes into the latent's space and
// its output comes out of it (section 2.1.2 of the former, "absorbed").
type deepseek2 struct {
	config
	outer
	blocks []deepseek2Block
	rope   backend.Rope
	eps    float32
	scale  float32
	dense  int             // layers without experts
	route  backend.Experts // what all layers share
}

// latent are the sizes of latent attention: ranks of queries (0: they are not
// compressed) and of the latent, and the dimensions of a head's rotated part, of
// its other part, and of its value.
type latent struct{ query, rank, rope, key, value int }

type deepseek2Block struct {
	AttnNorm backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	KVA      backend.Weight `gguf:"attn_kv_a_mqa.weight" shape:"kva,width"`
	KVANorm  backend.Weight `gguf:"attn_kv_a_norm.weight" shape:"klora"`
	O        backend.Weight `gguf:"attn_output.weight" shape:"width,omla"`
	FFNNorm  backend.Weight `gguf:"ffn_norm.weight" shape:"width"`
	query    compressedQuery
	q, k, v  backend.Weight // a head's rows are its rotated part, then the other; [heads × rank × key], [heads × value × rank]
	mlp      gated
	moe      deepseek2Experts
}

type compressedQuery struct {
	QA     backend.Weight `gguf:"attn_q_a.weight" shape:"qlora,width"`
	QANorm backend.Weight `gguf:"attn_q_a_norm.weight" shape:"qlora"`
}

type deepseek2Experts struct {
	experts
	Selection backend.Weight `gguf:"exp_probs_b.bias,optional" shape:"experts"`
	sharedExpert
}

func loadDeepSeek2(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	m := &deepseek2{dense: c.count("leading_dense_block_count", len(c.Layers), 0)}
	m.route = c.deepseekExperts(m.dense)
	c.readLatent()
	if c.err != nil {
		return nil, c.err
	}
	m.eps, m.rope = c.eps(required), c.ropeOf(c.latent.rope, true, required)
	m.scale = inverseRoot(c.latent.rope + c.latent.key)
	// 0.1 times mscale_all_dim: YaRN's factor then is in the scale of scores, and in
	// sines and cosines what the settings of a folder say of it beside.
	if by := c.float("rope.scaling.yarn_log_multiplier", 0); by != 0 {
		factor := math.Log(max(1, c.float("rope.scaling.factor", 1)))
		m.scale *= float32((1 + by*factor) * (1 + by*factor))
		if !s.Has(c.key("rope.scaling.attn_factor")) {
			m.rope.Scale = 1
		}
	}
	if c.err != nil {
		return nil, c.err
	}
	m.config = c.Config
	var err error
	if m.blocks, err = bindModel[deepseek2Block](s, b, &m.outer, &m.config); err != nil {
		return nil, err
	}
	for l := range m.blocks {
		if err := m.bind(s, b, l); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// deepseekExperts reads how experts are chosen: by softmax (V2), or by sigmoids
// with a bias (V3).
func (m *metadata) deepseekExperts(dense int) backend.Experts {
	if m.Experts == 0 {
		return backend.Experts{}
	}
	m.require("expert_feed_forward_length")
	m.SharedWidth = m.ExpertWidth * m.count("expert_shared_count", maxExperts, required)
	gate := m.count("expert_gating_func", 1<<10, 0)
	if _, biased := m.src.Tensor(fmt.Sprintf("blk.%d.exp_probs_b.bias", dense)); gate == 0 && biased {
		gate = 2
	}
	if gate > 2 {
		m.fail("metadata key %s is %d; models of this family have 1, a softmax, or 2, a sigmoid", m.key("expert_gating_func"), gate)
	}
	e := backend.Experts{Sigmoid: gate == 2, NormaliseTop: m.flag(m.key("expert_weights_norm")), Scale: float32(m.float("expert_weights_scale", 1)),
		Groups: m.count("expert_group_count", maxExperts, 1), UsedGroups: m.count("expert_group_used_count", maxExperts, 1), GroupsByBest: gate != 2}
	if m.checkGroups(e); dense == len(m.Layers) {
		m.Experts = 0
	}
	return e
}

// readLatent reads latent attention's sizes and gives layers those of their
// cache: one KV head. Files from before April 2025 state the heads' own sizes.
func (m *metadata) readLatent() {
	heads := &m.Layers[0]
	x := &m.latent
	m.require("attention.kv_lora_rank")
	m.require("rope.dimension_count")
	x.query = m.count("attention.q_lora_rank", maxWidth, 0)
	x.rank = m.count("attention.kv_lora_rank", 4096, -1)
	x.rope = m.count("rope.dimension_count", 4096, -1)
	key, value := m.count("attention.key_length_mla", 4096, 0), m.count("attention.value_length_mla", 4096, 0)
	if key == 0 {
		key, value = heads.KeyDim, heads.ValueDim
	}
	x.key, x.value = key-x.rope, value
	if x.key < 1 || x.value < 1 || x.rope%2 != 0 || x.rank+x.rope > 4096 {
		m.fail("latent attention has heads of %d dimensions, %d of them rotated, values of %d and a latent of %d, which do not fit together", key, x.rope, x.value, x.rank)
		return
	}
	for l := range m.Layers {
		a := &m.Layers[l]
		a.Kind, a.KVHeads, a.KeyDim, a.ValueDim = shape.Latent, 1, x.rope+x.rank, x.rank
	}
	m.NoGradient = "it has latent attention"
	m.NoProjections = "all heads share one latent per token, and have no keys of their own"
}

// bind binds the matrices per head, and the feed-forward.
func (m *deepseek2) bind(s Source, b backend.Backend, l int) error {
	block, x, heads := &m.blocks[l], m.latent, m.Layers[l].Heads
	at := fmt.Sprintf("blk.%d.", l)
	name, in := at+"attn_q.weight", m.Width
	if x.query > 0 {
		if err := bindBlock(s, b, &block.query, l, &m.config); err != nil {
			return err
		}
		name, in = at+"attn_q_b.weight", x.query
	}
	q, err := sized(s, name, heads*(x.key+x.rope), in)
	if err != nil {
		return err
	}
	if block.q, err = b.Weight(rotatedFirst(q, heads, x)); err != nil {
		return fmt.Errorf("tensor %s: %w", name, err)
	}
	if err := m.bindLatent(s, b, l); err != nil {
		return err
	}
	var part any = &block.moe
	if m.Experts == 0 || l < m.dense {
		part = &block.mlp
	}
	return bindBlock(s, b, part, l, &m.config)
}

// bindLatent binds the ways into the latent and out of it, which files have apart
// or, before April 2025 and in folders, head by head in one matrix.
func (m *deepseek2) bindLatent(s Source, b backend.Backend, l int) (err error) {
	block, x, heads := &m.blocks[l], m.latent, m.Layers[l].Heads
	at := fmt.Sprintf("blk.%d.", l)
	var k, v tensor.Tensor
	if _, apart := s.Tensor(at + "attn_k_b.weight"); apart {
		if k, err = sized(s, at+"attn_k_b.weight", heads, x.rank, x.key); err != nil {
			return err
		}
		if v, err = sized(s, at+"attn_v_b.weight", heads, x.value, x.rank); err != nil {
			return err
		}
	} else {
		both, err := sized(s, at+"attn_kv_b.weight", heads*(x.key+x.value), x.rank)
		if err != nil {
			return err
		}
		k, v = splitLatent(both, heads, x)
	}
	if block.k, err = b.Weight(k); err == nil {
		block.v, err = b.Weight(v)
	}
	if err != nil {
		return fmt.Errorf("tensors %sattn_k_b.weight and attn_v_b.weight: %w", at, err)
	}
	return nil
}

// sized gives a tensor that must have a shape.
func sized(s Source, name string, want ...int) (tensor.Tensor, error) {
	t, ok := s.Tensor(name)
	if !ok {
		return t, fmt.Errorf("tensor %s is missing; the file is incomplete or not of this family", name)
	}
	if !equal(t.Shape, want) {
		return t, fmt.Errorf("tensor %s has shape %v, but the metadata asks for %v", name, t.Shape, want)
	}
	return t, usable(t)
}

// rotatedFirst moves the rows of each head's rotated part before its others.
func rotatedFirst(t tensor.Tensor, heads int, x latent) tensor.Tensor {
	data := make([]byte, 0, len(t.Data))
	for h := range heads {
		first := h * (x.key + x.rope)
		for _, part := range [][2]int{{x.key, x.key + x.rope}, {0, x.key}} {
			for r := part[0]; r < part[1]; r++ {
				data = append(data, t.Row(first+r)...)
			}
		}
	}
	t.Data = data
	return t
}

// splitLatent gives keys' rows, transposed, as F32, and values' rows.
func splitLatent(t tensor.Tensor, heads int, x latent) (k, v tensor.Tensor) {
	v = tensor.Tensor{Name: t.Name, Type: t.Type, Shape: []int{heads, x.value, x.rank}}
	data := make([]byte, heads*x.rank*x.key*4)
	row := make([]float32, x.rank)
	for h := range heads {
		first := h * (x.key + x.value)
		for j := range x.key {
			tensor.Dequantize(row, t.Row(first+j), t.Type)
			for i, y := range row {
				binary.LittleEndian.PutUint32(data[4*((h*x.rank+i)*x.key+j):], math.Float32bits(y))
			}
		}
		for j := range x.value {
			v.Data = append(v.Data, t.Row(first+x.key+j)...)
		}
	}
	k = tensor.Tensor{Name: t.Name, Type: tensor.F32, Shape: []int{heads, x.rank, x.key}, Data: slices.Clip(data)}
	return k, v
}

func (m *deepseek2) Config() *Config { return &m.config }

func (m *deepseek2) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *deepseek2) Embed(o backend.Ops, ids []int32) backend.Value { return m.embed(o, ids, 1) }

func (m *deepseek2) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a, size := &m.blocks[l], m.Layers[l], m.latent

	h := o.Norm(x, m.norm(b.AttnNorm))
	q := h
	if size.query > 0 {
		q = o.Norm(o.Linear(h, b.query.QA, nil), backend.Norm{Weight: b.query.QANorm, Eps: latentEps})
	}
	q = o.Linear(q, b.q, nil)
	o.Rope(q, a.Heads, m.rope)
	q = o.HeadLinear(q, a.Heads, size.rope, b.k)

	both := o.Linear(h, b.KVA, nil)
	value := o.Norm(o.Split(both, 0, size.rank), backend.Norm{Weight: b.KVANorm, Eps: latentEps})
	rotated := o.Split(both, size.rank, size.rank+size.rope)
	o.Rope(rotated, 1, m.rope)
	o.Store(l, o.Join(rotated, value), value)

	h = o.HeadLinear(o.Attend(q, m.attention(l, m.scale), rows), a.Heads, 0, b.v)
	if rows != nil {
		x = o.Gather(x, rows)
	}
	o.AddLinear(x, h, b.O, nil, 1)

	h = o.Norm(x, m.norm(b.FFNNorm))
	if m.Experts == 0 || l < m.dense {
		o.AddLinear(x, b.mlp.hidden(o, h, backend.SiLU), b.mlp.Down, nil, 1)
		return x
	}
	e := b.moe.mixture(&m.config, m.route.NormaliseTop)
	e.Sigmoid, e.Selection, e.Scale = m.route.Sigmoid, b.moe.Selection, m.route.Scale
	e.Groups, e.UsedGroups, e.GroupsByBest = m.route.Groups, m.route.UsedGroups, m.route.GroupsByBest
	o.MixExperts(x, h, e)
	b.moe.add(o, x, h, 1)
	return x
}

// latentEps is the epsilon of the norms of compressed queries and latents, in all
// models, whatever that of the others.
const latentEps = 1e-6

func (m *deepseek2) Logits(o backend.Ops, x backend.Value) backend.Value {
	return m.logits(o, x, m.norm(nil))
}
