package arch

import (
	"fmt"
	"math"

	"headprof/runner/backend"
)

func init() { register("gemma4", loadGemma4) }

// gemma4 is Gemma 4's language model. Global layers have larger heads than
// windowed ones, and may have fewer KV heads, whose keys before norm and rotation
// are their values; the last layers may read the keys and values of earlier ones,
// and every layer may add an embedding of its own. Mixtures have their experts
// beside a dense feed-forward.
type gemma4 struct {
	config
	outer
	table         perLayerTable
	blocks        []gemma4Block
	global, local backend.Rope
	eps           float32
	logitsCap     float32
}

type gemma4Block struct {
	sharedBlock
	moe    gemma4Experts
	scaled float32
}

type gemma4Experts struct {
	Router      backend.Weight `gguf:"ffn_gate_inp.weight" shape:"experts,width"`
	RouterScale backend.Weight `gguf:"ffn_gate_inp.scale|ffn_gate_inp.scale.weight" shape:"width"`
	DownExps    backend.Weight `gguf:"ffn_down_exps.weight" shape:"experts,width,eff"`
	DownScale   backend.Weight `gguf:"ffn_down_exps.scale|ffn_down_exps.scale.weight" shape:"experts"`
	DenseNorm   backend.Weight `gguf:"post_ffw_norm_1.weight" shape:"width"`
	PreNorm     backend.Weight `gguf:"pre_ffw_norm_2.weight" shape:"width"`
	PostNorm    backend.Weight `gguf:"post_ffw_norm_2.weight" shape:"width"`
	gate, up    backend.Weight
}

func loadGemma4(s Source, b backend.Backend) (Model, error) {
	c := readConfig(s)
	if c.err != nil {
		return nil, c.err
	}
	c.require("attention.key_length")
	c.require("attention.key_length_swa")
	c.window(6, required)
	global, local := c.slidingHeads()
	c.shareCaches(c.count("attention.shared_kv_layers", len(c.Layers)-1, 0))
	c.readPerLayer()
	if c.vectorWidth > 0 && c.vectorVocab < c.Vocab {
		c.fail("tensor per_layer_token_embd.weight has %d rows for %d tokens", c.vectorVocab, c.Vocab)
	}
	if c.Experts > 0 {
		c.NoGradient = "its experts are routed by another input than their own"
	}
	m := &gemma4{eps: c.eps(1e-6), logitsCap: float32(c.float("final_logit_softcapping", 0))}
	m.global = c.ropeOf(global, false, required)
	c.require("rope.freq_base_swa")
	m.local = c.localRopeOf(local, c.float("rope.freq_base_swa", 10000))
	same := c.marked("headprof.values_are_keys", func(int) bool { return false })
	if c.err != nil {
		return nil, c.err
	}
	m.config = c.Config
	var err error
	if m.blocks, err = bindModel[gemma4Block](s, b, &m.outer, &m.config); err != nil {
		return nil, err
	}
	if m.vectorWidth > 0 {
		if err := bind(s, b, &m.table, "", m.layerDims(0)); err != nil {
			return nil, err
		}
	}
	for l := range m.blocks {
		if err := m.bind(c, b, l, s.Has("headprof.values_are_keys"), same[l]); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// bind binds the parts that not every layer has.
func (m *gemma4) bind(c *metadata, b backend.Backend, l int, stated, same bool) error {
	s, block, a := c.src, &m.blocks[l], m.Layers[l]
	if err := c.bindKeysValues(b, &block.kv, l, &m.config); err != nil {
		return err
	}
	if alone := a.Stores() && block.kv.V == nil; alone && a.KeyDim != a.ValueDim || stated && a.Stores() && alone != same {
		return fmt.Errorf("layer %d has values of its own: %t, where the settings say %t; fetch the model again", l, !alone, !same)
	}
	block.scaled = 1
	if t, ok := s.Tensor(fmt.Sprintf("blk.%d.layer_output_scale.weight", l)); ok {
		if err := usable(t); err != nil || t.Rows()*t.Cols() != 1 {
			return fmt.Errorf("tensor %s has shape %v, where one number is needed", t.Name, t.Shape)
		}
		block.scaled = t.F32()[0]
	}
	if m.vectorWidth > 0 {
		if err := bindBlock(s, b, &block.input, l, &m.config); err != nil {
			return err
		}
	}
	if m.Experts == 0 {
		return nil
	}
	err := bindBlock(s, b, &block.moe, l, &m.config)
	if err == nil {
		block.moe.gate, block.moe.up, err = halves(s, b, fmt.Sprintf("blk.%d.ffn_gate_up_exps.weight", l), []int{m.Experts, 2 * m.ExpertWidth, m.Width})
	}
	return err
}

func (m *gemma4) Config() *Config { return &m.config }

func (m *gemma4) norm(w backend.Weight) backend.Norm { return backend.Norm{Weight: w, Eps: m.eps} }

func (m *gemma4) Embed(o backend.Ops, ids []int32) backend.Value {
	x := m.embed(o, ids, float32(math.Sqrt(float64(m.Width))))
	if m.vectorWidth == 0 {
		return x
	}
	return o.Join(x, m.table.vectors(o, &m.config, ids, x, m.norm(nil)))
}

func (m *gemma4) Layer(o backend.Ops, l int, x backend.Value, rows []int) backend.Value {
	b, a := &m.blocks[l], m.Layers[l]
	rope := m.global
	if a.Window > 0 {
		rope = m.local
	}
	var vector, later backend.Value // this layer's and those of the layers to come
	if from := m.Width + m.vectorWidth; m.vectorWidth > 0 {
		vector = o.Split(x, m.Width, from)
		if l < len(m.Layers)-1 {
			later = o.Split(x, from, x.Width())
		}
		x = o.Split(x, 0, m.Width)
	}

	h := o.Norm(x, m.norm(b.AttnNorm))
	h = b.attend(o, l, a, h, m.norm, rope, m.attention(l, 1), rows)
	if rows != nil {
		x = o.Gather(x, rows)
		if vector != nil {
			vector = o.Gather(vector, rows)
		}
	}
	o.Add(x, o.Norm(h, m.norm(b.PostAttnNorm)))

	h = o.Linear(b.hidden(o, o.Norm(x, m.norm(b.FFNNorm)), backend.GELUTanh), b.Down, nil)
	if m.Experts > 0 {
		h = o.Norm(h, m.norm(b.moe.DenseNorm))
		o.Add(h, o.Norm(m.mix(o, &b.moe, x), m.norm(b.moe.PostNorm)))
	}
	o.Add(x, o.Norm(h, m.norm(b.PostFFNNorm)))
	if vector != nil {
		o.Add(x, b.input.of(o, x, vector, m.norm))
	}
	if b.scaled != 1 {
		o.Scale(x, b.scaled)
	}
	if later != nil {
		return o.Join(x, later)
	}
	return x
}

// mix is what the experts give for x.
func (m *gemma4) mix(o backend.Ops, e *gemma4Experts, x backend.Value) backend.Value {
	asked := o.Norm(x, m.norm(e.RouterScale))
	o.Scale(asked, float32(1/math.Sqrt(float64(m.Width))))
	y := o.Split(x, 0, m.Width)
	o.Scale(y, 0)
	o.MixExperts(y, o.Norm(x, m.norm(e.PreNorm)), backend.Experts{Router: e.Router, Gate: e.gate, Up: e.up, Down: e.DownExps, RouterInput: asked,
		ShareScales: e.DownScale, Count: m.Experts, Used: m.Used, Act: backend.GELUTanh, NormaliseTop: true})
	return y
}

func (m *gemma4) Logits(o backend.Ops, x backend.Value) backend.Value {
	y := m.logits(o, x, m.norm(nil))
	if m.logitsCap > 0 {
		o.SoftCap(y, m.logitsCap)
	}
	return y
}
