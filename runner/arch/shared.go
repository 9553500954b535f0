package arch

import (
	"fmt"
	"math"

	"headprof/runner/backend"
	"headprof/runner/tensor"
)

// slidingHeads gives windowed layers the head sizes that the metadata state for
// them (Gemma 4), and gives the rotated dimensions of both kinds of layers.
func (m *metadata) slidingHeads() (global, local int) {
	global = m.Layers[0].KeyDim
	key := m.count("attention.key_length_swa", maxWidth, global)
	value := m.count("attention.value_length_swa", maxWidth, key)
	if key%2 != 0 || key > 4096 || value > 4096 || key < 1 || value < 1 {
		m.fail("metadata keys %s and %s are %d and %d; they must be even and at most 4096", m.key("attention.key_length_swa"), m.key("attention.value_length_swa"), key, value)
		return global, global
	}
	for l := range m.Layers {
		if m.Layers[l].Window > 0 {
			m.Layers[l].KeyDim, m.Layers[l].ValueDim = key, value
		}
	}
	local = m.count("rope.dimension_count_swa", key, key)
	return global, local
}

// shareCaches lets the last n layers read the keys and values of the last layer
// before them that has the same kind of attention.
func (m *metadata) shareCaches(n int) {
	if n == 0 || m.err != nil {
		return
	}
	first := len(m.Layers) - n
	shape := m.Shape()
	for l := first; l < len(shape); l++ {
		from := first - 1
		for from >= 0 && shape[from].Window != shape[l].Window {
			from--
		}
		if from < 0 {
			m.fail("layer %d shares the keys and values of an earlier layer of its kind (metadata key %s is %d), and there is none", l, m.key("attention.shared_kv_layers"), n)
			return
		}
		m.check(shape.Share(l, from))
		m.Layers[l].Layer = shape[l]
	}
	m.NoGradient = "its layers share keys and values"
}

// keysValues are the projections of a layer that has a cache of its own. V
// absent: values are the keys before their norm and rotation.
type keysValues struct {
	K     backend.Weight `gguf:"attn_k.weight" shape:"k,width"`
	V     backend.Weight `gguf:"attn_v.weight,optional" shape:"v,width"`
	KNorm backend.Weight `gguf:"attn_k_norm.weight" shape:"dim"`
}

// bindKeysValues binds a layer's keys and values. Those that a file has of a
// layer that reads another one's are left alone, as transformers does.
func (m *metadata) bindKeysValues(b backend.Backend, kv *keysValues, l int, c *Config) error {
	if c.Layers[l].Stores() {
		return bindBlock(m.src, b, kv, l, c)
	}
	for _, name := range []string{"attn_k.weight", "attn_v.weight", "attn_k_norm.weight"} {
		m.src.Tensor(fmt.Sprintf("blk.%d.%s", l, name))
	}
	return nil
}

// store computes and stores keys and values from a layer's normalised input.
func (p *keysValues) store(o backend.Ops, l int, a Layer, x backend.Value, norm func(backend.Weight) backend.Norm, rope backend.Rope) {
	k := o.Linear(x, p.K, nil)
	var v backend.Value
	if p.V != nil {
		v = o.Linear(x, p.V, nil)
	} else {
		v = o.Split(k, 0, k.Width())
	}
	o.HeadNorm(k, a.KVHeads, norm(p.KNorm))
	o.Rope(k, a.KVHeads, rope)
	o.HeadNorm(v, a.KVHeads, norm(nil))
	o.Store(l, k, v)
}

// sharedBlock is what blocks of Gemma 3n and 4 have alike: norms before and after
// both parts, and queries whose keys and values may be another layer's.
type sharedBlock struct {
	AttnNorm     backend.Weight `gguf:"attn_norm.weight" shape:"width"`
	Q            backend.Weight `gguf:"attn_q.weight" shape:"q,width"`
	QNorm        backend.Weight `gguf:"attn_q_norm.weight" shape:"dim"`
	O            backend.Weight `gguf:"attn_output.weight" shape:"width,o"`
	PostAttnNorm backend.Weight `gguf:"post_attention_norm.weight" shape:"width"`
	FFNNorm      backend.Weight `gguf:"ffn_norm.weight" shape:"width"`
	PostFFNNorm  backend.Weight `gguf:"post_ffw_norm.weight" shape:"width"`
	gated
	kv    keysValues
	input perLayerInput
}

// attend is attention's output for a layer's normalised input.
func (b *sharedBlock) attend(o backend.Ops, l int, a Layer, x backend.Value, norm func(backend.Weight) backend.Norm, rope backend.Rope, how backend.Attention, rows []int) backend.Value {
	q := o.Linear(x, b.Q, nil)
	o.HeadNorm(q, a.Heads, norm(b.QNorm))
	o.Rope(q, a.Heads, rope)
	if a.Stores() {
		b.kv.store(o, l, a, x, norm, rope)
	}
	return o.Linear(o.Attend(q, how, rows), b.O, nil)
}

// perLayerTable adds a vector by token to every layer: the sum of a table's row
// and a projection of the embedding. The residual stream carries those of the
// layers to come behind it.
type perLayerTable struct {
	Table      backend.Weight `gguf:"per_layer_token_embd.weight" shape:"perlayervocab,allperlayer"`
	Projection backend.Weight `gguf:"per_layer_model_proj.weight" shape:"allperlayer,width"`
	TableNorm  backend.Weight `gguf:"per_layer_proj_norm.weight" shape:"perlayer"`
}

// perLayerInput is what a layer does with its vector.
type perLayerInput struct {
	InputGate backend.Weight `gguf:"inp_gate.weight" shape:"perlayer,width"`
	Project   backend.Weight `gguf:"proj.weight" shape:"width,perlayer"`
	InputNorm backend.Weight `gguf:"post_norm.weight" shape:"width"`
}

// readPerLayer reads the vectors' width, and what tokens the table has.
func (m *metadata) readPerLayer() {
	m.vectorWidth = m.count("embedding_length_per_layer_input", maxWidth/max(1, len(m.Layers)), 0)
	if m.vectorWidth == 0 {
		return
	}
	m.NoGradient = "its layers add embeddings of their own"
	if t, ok := m.src.Tensor("per_layer_token_embd.weight"); ok && len(t.Shape) == 2 {
		m.vectorVocab = t.Rows()
	}
}

// vectors gives those of all layers, for tokens whose scaled embedding is x.
func (p *perLayerTable) vectors(o backend.Ops, c *Config, ids []int32, x backend.Value, norm backend.Norm) backend.Value {
	y := o.Linear(x, p.Projection, nil)
	o.Scale(y, float32(1/math.Sqrt(float64(c.Width))))
	norm.Weight = p.TableNorm
	o.HeadNorm(y, len(c.Layers), norm)
	o.Add(y, o.Embed(p.Table, ids, float32(math.Sqrt(float64(c.vectorWidth)))))
	o.Scale(y, float32(math.Sqrt(0.5)))
	return y
}

// of is norm(project(gelu(gate(x)) ⊙ vector)).
func (p *perLayerInput) of(o backend.Ops, x, vector backend.Value, norm func(backend.Weight) backend.Norm) backend.Value {
	y := o.Gate(o.Linear(x, p.InputGate, nil), vector, backend.GELUTanh)
	return o.Norm(o.Linear(y, p.Project, nil), norm(p.InputNorm))
}

// halves binds a stack of experts' gate and up rows that lie one after the other
// in each expert, without a copy where the backend can.
func halves(s Source, b backend.Backend, name string, want []int) (gate, up backend.Weight, err error) {
	t, ok := s.Tensor(name)
	switch {
	case !ok:
		return nil, nil, fmt.Errorf("tensor %s is missing; the file is incomplete or not of this family", name)
	case !equal(t.Shape, want):
		return nil, nil, fmt.Errorf("tensor %s has shape %v, but the metadata asks for %v", name, t.Shape, want)
	}
	if err := usable(t); err != nil {
		return nil, nil, err
	}
	experts, rows := want[0], want[1]/2
	size := rows * t.RowBytes()
	var made [2]backend.Weight
	for i := range made {
		var parts []tensor.Tensor
		for e := range experts {
			from := (2*e + i) * size
			parts = append(parts, tensor.Tensor{Name: name, Type: t.Type, Shape: []int{rows, want[2]}, Data: t.Data[from : from+size : from+size]})
		}
		if stacker, able := b.(backend.Stacker); able {
			made[i], err = stacker.Stack(parts)
		} else {
			whole := tensor.Tensor{Name: name, Type: t.Type, Shape: []int{experts, rows, want[2]}}
			for _, p := range parts {
				whole.Data = append(whole.Data, p.Data...)
			}
			made[i], err = b.Weight(whole)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("tensor %s: %w", name, err)
		}
	}
	return made[0], made[1], nil
}
