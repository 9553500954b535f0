package arch

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"reflect"
	"strings"

	"headprof/runner/backend"
	"headprof/runner/tensor"
)

// dims gives the sizes that shape tags name.
type dims map[string]int

// bind fills the backend.Weight fields of the struct that dst points to.
//
//	Q     backend.Weight `gguf:"attn_q.weight" shape:"q,width"`
//	QBias backend.Weight `gguf:"attn_q.bias,optional" shape:"q"`
//
// A tag's name is looked up behind prefix, the shape (outermost first) is
// checked against d; several names separated by | are tried in turn; a matrix
// tagged as:"vector" is bound as one row. Parts (parts.go) are embedded structs.
func bind(s Source, b backend.Backend, dst any, prefix string, d dims) error {
	return bindFields(s, b, reflect.ValueOf(dst).Elem(), prefix, d)
}

func bindFields(s Source, b backend.Backend, v reflect.Value, prefix string, d dims) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			if err := bindFields(s, b, v.Field(i), prefix, d); err != nil {
				return err
			}
			continue
		}
		tag, ok := f.Tag.Lookup("gguf")
		if !ok {
			continue
		}
		names, optional := strings.CutSuffix(tag, ",optional")
		w, err := bindOne(s, b, prefix, names, tensorTag{f.Tag.Get("shape"), optional, f.Tag.Get("as") == "vector"}, d)
		if err != nil {
			return err
		}
		if w != nil {
			v.Field(i).Set(reflect.ValueOf(w))
		}
	}
	return nil
}

// bindModel binds the tensors outside the blocks, and one B per layer from the
// tensors named blk.N.*.
func bindModel[B any](s Source, b backend.Backend, e *outer, c *Config) ([]B, error) {
	if err := bind(s, b, e, "", c.layerDims(0)); err != nil {
		return nil, err
	}
	blocks := make([]B, len(c.Layers))
	for l := range blocks {
		if err := bindBlock(s, b, &blocks[l], l, c); err != nil {
			return nil, err
		}
	}
	return blocks, nil
}

// bindBlock fills a part of layer l.
func bindBlock(s Source, b backend.Backend, part any, l int, c *Config) error {
	return bind(s, b, part, fmt.Sprintf("blk.%d.", l), c.layerDims(l))
}

// tensorTag is what a field's tags ask of a tensor.
type tensorTag struct {
	shape    string
	optional bool
	vector   bool // bound as one row, whatever its shape
}

func bindOne(s Source, b backend.Backend, prefix, names string, tag tensorTag, d dims) (backend.Weight, error) {
	if w, err := bindExperts(s, b, prefix+names, sizes(tag.shape, d)); w != nil || err != nil {
		return w, err
	}
	var t tensor.Tensor
	found := false
	for _, n := range strings.Split(names, "|") {
		if t, found = s.Tensor(prefix + n); found {
			break
		}
	}
	if !found {
		if tag.optional {
			return nil, nil
		}
		return nil, fmt.Errorf("tensor %s%s is missing; the file is incomplete or not of this family", prefix, names)
	}
	if want := sizes(tag.shape, d); !equal(t.Shape, want) {
		return nil, fmt.Errorf("tensor %s has shape %v, but the metadata asks for %v", t.Name, t.Shape, want)
	}
	if err := usable(t); err != nil {
		return nil, err
	}
	addOne, _, err := s.Bool("headprof.norm.add_one")
	if err != nil {
		return nil, err
	}
	if addOne && strings.HasSuffix(t.Name, "norm.weight") && !strings.HasSuffix(t.Name, "ssm_norm.weight") {
		t = plusOne(t)
	}
	if tag.vector {
		t.Shape = []int{t.Rows() * t.Cols()}
	}
	w, err := b.Weight(t)
	if err != nil {
		return nil, fmt.Errorf("tensor %s: %w", t.Name, err)
	}
	return w, nil
}

// bindExperts makes a stack of tensors that lie apart; nil where source or backend cannot.
func bindExperts(s Source, b backend.Backend, name string, want []int) (backend.Weight, error) {
	source, apart := s.(ExpertSource)
	stacker, able := b.(backend.Stacker)
	if !apart || !able || len(want) != 3 {
		return nil, nil
	}
	parts, ok := source.Experts(name)
	if !ok {
		return nil, nil
	}
	if shape := append([]int{len(parts)}, parts[0].Shape...); !equal(shape, want) {
		return nil, fmt.Errorf("tensor %s has shape %v, but the metadata asks for %v", name, shape, want)
	}
	w, err := stacker.Stack(parts)
	if err != nil {
		return nil, fmt.Errorf("tensor %s: %w", name, err)
	}
	return w, nil
}

// usable fails for a tensor that a source lists without being able to give it.
func usable(t tensor.Tensor) error {
	size, err := tensor.Size(t.Type, t.Shape)
	if err != nil {
		return fmt.Errorf("tensor %s: %w", t.Name, err)
	}
	if int64(len(t.Data)) != size {
		return fmt.Errorf("tensor %s has %d bytes of data where its shape takes %d: the file is cut off or damaged; fetch it again", t.Name, len(t.Data), size)
	}
	return nil
}

// plusOne gives 1 + t: Gemma's norms as Hugging Face stores them.
func plusOne(t tensor.Tensor) tensor.Tensor {
	x := t.F32()
	t.Type, t.Data = tensor.F32, make([]byte, 0, 4*len(x))
	for _, y := range x {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(1+y))
	}
	return t
}

func sizes(shape string, d dims) []int {
	var out []int
	for _, name := range strings.Split(shape, ",") {
		n, ok := d[name]
		if !ok {
			panic("arch: no size named " + name)
		}
		out = append(out, n)
	}
	return out
}

func equal(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// layerDims names the sizes of layer l for shape tags.
func (c *Config) layerDims(l int) dims {
	a := c.Layers[l]
	d := dims{
		"width": c.Width, "heads": a.Heads, "kvheads": a.KVHeads, "vocab": c.Vocab, "dim": a.KeyDim, "ff": a.FeedForward, "2ff": 2 * a.FeedForward, "experts": c.Experts, "eff": c.ExpertWidth, "sff": c.SharedWidth, "1": 1, "context": c.Context,
		"q": a.Heads * a.KeyDim, "k": a.KVHeads * a.KeyDim, "v": a.KVHeads * a.ValueDim, "o": a.Heads * a.ValueDim,
		"perlayer": c.vectorWidth, "allperlayer": len(c.Layers) * c.vectorWidth, "perlayervocab": c.vectorVocab, "2eff": 2 * c.ExpertWidth,
		"streams": c.streamCount, "streams²": c.streamCount * c.streamCount, "laurel": c.laurelRank,
		"qlora": c.latent.query, "klora": c.latent.rank, "kva": c.latent.rank + c.latent.rope, "qmla": a.Heads * (c.latent.rope + c.latent.key), "omla": a.Heads * c.latent.value,
		"qkv": a.Heads*a.KeyDim + a.KVHeads*(a.KeyDim+a.ValueDim),
		"2q":  2 * a.Heads * a.KeyDim,
	}
	maps.Copy(d, c.sizes)
	return d
}

// attention gives what Attend needs of layer l with the usual scale 1/√dim.
func (c *Config) attention(l int, scale float32) backend.Attention {
	a := c.Layers[l]
	return backend.Attention{Layer: l, Heads: a.Heads, KVHeads: a.KVHeads, KeyDim: a.KeyDim, ValueDim: a.ValueDim, Scale: scale, Window: a.Window}
}
