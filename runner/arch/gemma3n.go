package arch

import (
	"fmt"
	"math"

	"headprof/runner/backend"
	"headprof/runner/tensor"
)

func init() { register("gemma3n", loadGemma3n) }

// gemma3n is Gemma 3n's language model: several residual streams, of which a
// layer computes one and predicts and corrects the others (AltUp, arXiv
// 2301.13310), a low-rank residual beside attention (LAuReL, arXiv 2411.07501),
// embeddings in every layer, sparse gates in some, and last layers that read the
// keys and values of earlier ones. The value that goes from layer to layer holds
// the streams side by side and, behind them, the vectors of the layers to come.
type gemma3n struct {
	config
	outer
	table         perLayerTable
	into, outOf   []backend.Weight // streams 1 … from the embedding, and back
	blocks        []gemma3nBlock
	global, local backend.Rope
	eps           float32
	logitsCap     float32
	streams       int
	active        int
}

type gemma3nBlock struct {
	sharedBlock
	Left       backend.Weight `gguf:"laurel_l.weight" shape:"laurel,width"`
	Right      backend.Weight `gguf:"laurel_r.weight" shape:"width,laurel"`
	LaurelNorm backend.Weight `gguf:"laurel_post_norm.weight" shape:"width"`
	Router     backend.Weight `gguf:"altup_router.weight" shape:"streams,width"`
	RouterNorm backend.Weight `gguf:"altup_router_norm.weight" shape:"width"`
	Predict    backend.Weight `gguf:"altup_predict_coef.weight" shape:"streams²,streams"`
	Correct    backend.Weight `gguf:"altup_correct_coef.weight" shape:"streams,streams"`
	Project    backend.Weight `gguf:"proj.weight" shape:"width,perlayer"`
	InputNorm  backend.Weight `gguf:"post_norm.weight" shape:"width"`
	above      float64        // standard deviations that a gate must exceed
}

func loadGemma3n(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	c.window(5, required)
	c.require("attention.shared_kv_layers")
	c.shareCaches(c.count("attention.shared_kv_layers", len(c.Layers)-1, 0))
	c.readPerLayer()
	if c.vectorWidth == 0 {
		c.fail("metadata key %s is missing or 0; the file is incomplete", c.key("embedding_length_per_layer_input"))
	}
	c.NoGradient = "it mixes several residual streams"
	m := &gemma3n{eps: c.eps(1e-6), logitsCap: float32(c.float("final_logit_softcapping", 30))}
	m.streams = c.count("altup.num_inputs", 16, required)
	m.active = c.count("altup.active_idx", 15, 0)
	if m.streams < 2 || m.active >= m.streams {
		c.fail("metadata keys %s and %s are %d and %d; there must be two streams or more, and the active one among them", c.key("altup.num_inputs"), c.key("altup.active_idx"), m.streams, m.active)
	}
	m.global = c.rope(false, 1e6)
	m.local = c.localRope(c.firstFloat(10000, "rope.freq_base_swa", "rope.local.freq_base"))
	c.require("activation_sparsity_scale")
	above, _, err := s.Floats(c.key("activation_sparsity_scale"))
	c.check(err)
	if len(above) != len(c.Layers) {
		c.fail("metadata key %s has %d numbers for %d layers", c.key("activation_sparsity_scale"), len(above), len(c.Layers))
	}
	c.streamCount = m.streams
	if t, ok := s.Tensor("blk.0.laurel_l.weight"); ok && len(t.Shape) == 2 && t.Rows() <= maxWidth {
		c.laurelRank = t.Rows()
	}
	scaled := !s.Has(keyAltUpScale) || c.flag(keyAltUpScale)
	if c.err != nil {
		return nil, c.err
	}
	m.config = c.Config
	if m.blocks, err = bindModel[gemma3nBlock](s, b, &m.outer, &m.config); err != nil {
		return nil, err
	}
	if err := bind(s, b, &m.table, "", m.layerDims(0)); err != nil {
		return nil, err
	}
	if m.into, err = c.streamMatrices(b, "altup_proj"); err == nil {
		m.outOf, err = c.streamMatrices(b, "altup_unembd_proj")
	}
	if err != nil {
		return nil, err
	}
	for l := range m.blocks {
		block := &m.blocks[l]
		block.above = above[l]
		if math.IsNaN(above[l]) || above[l] > 100 {
			return nil, fmt.Errorf("metadata key %s is %v in layer %d", c.key("activation_sparsity_scale"), above[l], l)
		}
		if err := c.bindKeysValues(b, &block.kv, l, &m.config); err != nil {
			return nil, err
		}
		if block.kv.V == nil && m.Layers[l].Stores() {
			return nil, fmt.Errorf("tensor blk.%d.attn_v.weight is missing; the file is incomplete or not of this family", l)
		}
		block.input.Project, block.input.InputNorm = block.Project, block.InputNorm
		if block.input.InputGate, err = c.scaledGate(b, l, scaled); err != nil {
			return nil, err
		}
	}
	return m, nil
}

const keyAltUpScale = "headprof.altup_correct_scale"

// streamMatrices binds the matrices [width × width] of streams 1 …, which a file
// has as one stack or apart.
func (m *metadata) streamMatrices(b backend.Backend, name string) (all []backend.Weight, err error) {
	n, w := m.streamCount-1, m.Width
	stack, stacked := m.src.Tensor(name + ".weight")
	if stacked && !equal(stack.Shape, []int{n, w, w}) {
		return nil, fmt.Errorf("tensor %s.weight has shape %v, but the metadata asks for %v", name, stack.Shape, []int{n, w, w})
	}
	for i := range n {
		t, ok := stack, stacked
		if !stacked {
			t, ok = m.src.Tensor(fmt.Sprintf("%s.%d.weight", name, i))
		}
		if !ok {
			return nil, fmt.Errorf("tensor %s.weight is missing; the file is incomplete or not of this family", name)
		}
		if err := usable(t); err != nil {
			return nil, err
		}
		if stacked {
			size := w * t.RowBytes()
			t.Shape, t.Data = []int{w, w}, t.Data[i*size:(i+1)*size]
		}
		if !equal(t.Shape, []int{w, w}) {
			return nil, fmt.Errorf("tensor %s has shape %v, but the metadata asks for %v", t.Name, t.Shape, []int{w, w})
		}
		weight, err := b.Weight(t)
		if err != nil {
			return nil, fmt.Errorf("tensor %s: %w", t.Name, err)
		}
		all = append(all, weight)
	}
	return all, nil
}

// scaledGate binds a layer's gate of its vector, with the scale of what it sees
// multiplied into its columns.
func (m *metadata) scaledGate(b backend.Backend, l int, scaled bool) (backend.Weight, error) {
	gate, ok1 := m.src.Tensor(fmt.Sprintf("blk.%d.inp_gate.weight", l))
	by, ok2 := m.src.Tensor(fmt.Sprintf("blk.%d.altup_correct_scale.weight", l))
	switch {
	case !ok1 || !ok2:
		return nil, fmt.Errorf("tensor blk.%d.inp_gate.weight or altup_correct_scale.weight is missing; the file is incomplete or not of this family", l)
	case !equal(gate.Shape, []int{m.vectorWidth, m.Width}) || !equal(by.Shape, []int{m.Width}):
		return nil, fmt.Errorf("tensors %s and %s have shapes %v and %v, but the metadata asks for %v and %v", gate.Name, by.Name, gate.Shape, by.Shape, []int{m.vectorWidth, m.Width}, []int{m.Width})
	}
	for _, t := range []tensor.Tensor{gate, by} {
		if err := usable(t); err != nil {
			return nil, err
		}
	}
	if scaled {
		x, s := gate.F32(), by.F32()
		for i := range x {
			x[i] *= s[i%m.Width]
		}
		gate = tensor.FromF32(gate.Name, gate.Shape, x)
	}
	w, err := b.Weight(gate)
	if err != nil {
		return nil, fmt.Errorf("tensor %s: %w", gate.Name, err)
	}
	return w, nil
}

func (m *gemma3n) Config() *Config { return &m.config }

func (m *gemma3n) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

// leastSquare is what a stream's mean square counts as at least.
const leastSquare = 1e-5

func (m *gemma3n) Embed(o backend.Ops, ids []int32) backend.Value {
	x := m.embed(o, ids, float32(math.Sqrt(float64(m.Width))))
	parts := []backend.Value{x}
	for _, w := range m.into {
		y := o.Linear(x, w, nil)
		o.Match(y, x, leastSquare)
		parts = append(parts, y)
	}
	listed := make([]int32, len(ids)) // tokens without a vector have that of token 0
	for i, id := range ids {
		if int(id) < m.vectorVocab {
			listed[i] = id
		}
	}
	return o.Join(append(parts, m.table.vectors(o, &m.config, listed, x, m.norm(nil)))...)
}

// split gives the streams of a layer's input.
func (m *gemma3n) split(o backend.Ops, x backend.Value) []backend.Value {
	streams := make([]backend.Value, m.streams)
	for i := range streams {
		streams[i] = o.Split(x, i*m.Width, (i+1)*m.Width)
	}
	return streams
}

// modalities are tanh(router(norm(x) / width)), [rows × streams].
func (m *gemma3n) modalities(o backend.Ops, b *gemma3nBlock, x backend.Value) backend.Value {
	y := o.Norm(x, m.norm(b.RouterNorm))
	o.Scale(y, float32(1/float64(m.Width)))
	y = o.Linear(y, b.Router, nil)
	o.SoftCap(y, 1)
	return y
}

// predict gives x_i + Σ_j c_ij·x_j.
func (m *gemma3n) predict(o backend.Ops, b *gemma3nBlock, streams []backend.Value) []backend.Value {
	coefs := o.Linear(m.modalities(o, b, streams[m.active]), b.Predict, nil)
	out := make([]backend.Value, m.streams)
	for i := range out {
		out[i] = o.Split(streams[i], 0, m.Width)
		for j, x := range streams {
			at := i*m.streams + j
			o.Add(out[i], o.Gate(o.Split(coefs, at, at+1), x, backend.Identity))
		}
	}
	return out
}

// correct adds (1 + c_i)·(active − predicted active) to each stream.
func (m *gemma3n) correct(o backend.Ops, b *gemma3nBlock, streams []backend.Value, active backend.Value) {
	coefs := o.Linear(m.modalities(o, b, active), b.Correct, nil)
	news := o.Split(streams[m.active], 0, m.Width)
	o.Scale(news, -1)
	o.Add(news, active)
	for i, x := range streams {
		o.Add(x, news)
		o.Add(x, o.Gate(o.Split(coefs, i, i+1), news, backend.Identity))
	}
}

func (m *gemma3n) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]
	rope := m.global
	if a.Window > 0 {
		rope = m.local
	}
	at := m.streams * m.Width
	vector := o.Split(x, at, at+m.vectorWidth)
	var later backend.Value
	if l < len(m.Layers)-1 {
		later = o.Split(x, at+m.vectorWidth, x.Width())
	}
	streams := m.predict(o, b, m.split(o, x))

	h := o.Norm(streams[m.active], m.norm(b.AttnNorm))
	attended := b.attend(o, l, a, h, m.norm, rope, m.attention(l, 1), rows)
	if rows != nil {
		for i := range streams {
			streams[i] = o.Gather(streams[i], rows)
		}
		h, vector = o.Gather(h, rows), o.Gather(vector, rows)
	}
	y := o.Split(streams[m.active], 0, m.Width)
	o.Add(y, o.Norm(attended, m.norm(b.PostAttnNorm)))
	o.Add(y, o.Norm(o.Linear(o.Linear(h, b.Left, nil), b.Right, nil), m.norm(b.LaurelNorm)))
	o.Add(y, h)
	o.Scale(y, float32(math.Sqrt(0.5)))

	h = o.Norm(y, m.norm(b.FFNNorm))
	gate := o.Linear(h, b.Gate, nil)
	if b.above > -100 { // −∞ where no gate is sparse
		o.Above(gate, float32(b.above))
	}
	h = o.Gate(gate, o.Linear(h, b.Up, nil), backend.GELUTanh)
	o.Add(y, o.Norm(o.Linear(h, b.Down, nil), m.norm(b.PostFFNNorm)))
	m.correct(o, b, streams, y)

	added := b.input.of(o, streams[m.active], vector, m.norm)
	for _, s := range streams[1:] {
		o.Add(s, added)
	}
	if later != nil {
		streams = append(streams, later)
	}
	return o.Join(streams...)
}

func (m *gemma3n) Logits(o backend.Ops, x backend.Value) backend.Value {
	streams := m.split(o, x)
	sum := o.Split(streams[0], 0, m.Width)
	for i, w := range m.outOf {
		y := o.Linear(streams[i+1], w, nil)
		o.Match(y, streams[0], leastSquare)
		o.Add(sum, y)
	}
	o.Scale(sum, float32(1/float64(m.streams)))
	y := m.logits(o, sum, m.norm(nil))
	if m.logitsCap > 0 {
		o.SoftCap(y, m.logitsCap)
	}
	return y
}
