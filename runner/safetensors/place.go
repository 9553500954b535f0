package safetensors

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"strings"

	"headprof/runner/tensor"
)

// place finds every tensor's name in GGUF's vocabulary.
func (f *Folder) place() error {
	fam := f.builder.family
	for name, t := range f.builder.made {
		f.sources[name] = &source{parts: []tensor.Tensor{t}}
	}
	all := map[string]entry{}
	for _, s := range f.shards {
		for _, e := range s.entries {
			all[e.name] = e
		}
	}
	for _, s := range f.shards {
		for _, e := range s.entries {
			if err := f.placeOne(fam, e, all); err != nil {
				return fmt.Errorf("%s: tensor %q: %w", s.path, e.name, err)
			}
		}
	}
	if err := f.checkScales(); err != nil {
		return err
	}
	if err := f.tie(); err != nil {
		return err
	}
	if err := f.checkOptional(fam); err != nil {
		return err
	}
	for name, s := range f.sources {
		f.names = append(f.names, name)
		if err := s.finish(f.builder); err != nil {
			return fmt.Errorf("%s: tensor %q: %w; fetch the model again", f.dir, name, err)
		}
	}
	slices.Sort(f.names)
	return nil
}

func (f *Folder) placeOne(fam *family, e entry, all map[string]entry) error {
	if f.packing.layout != unpackedLayout {
		if done, err := f.placePacked(fam, e, all); done {
			return err
		}
	}
	if f.fp8.on {
		if done, err := f.placeScale(fam, e); done {
			return err
		}
	}
	for _, end := range []string{"_scale_inv", ".weight_scale", ".input_scale", ".qweight", ".qzeros"} {
		if strings.HasSuffix(e.name, end) {
			return fmt.Errorf("it belongs to quantised weights, which headprof does not read in this form; use the unquantised model or a GGUF file")
		}
	}
	p, ok := fam.translate(e.name)
	switch {
	case !ok && ignored(e.name):
		return nil
	case ok && p.layer >= f.builder.layers && p.layer < f.builder.layers+f.builder.drafts, !ok && f.isDraft(fam, e.name):
		return nil
	case !ok || p.layer >= f.builder.layers:
		return fmt.Errorf("model type %q has no such tensor, and leaving it out could change every result; is this an adapter or a variant of the model?", f.builder.text("model_type"))
	}
	typ, ok := readable[e.dtype]
	if e.dtype == "U8" && fam.quantised != "" {
		typ, ok = tensor.F8E4M3, true // bytes: a reshape takes them as they are
	}
	if !ok {
		return fmt.Errorf("its elements are %s, where headprof reads F32, F16, BF16 and F8_E4M3; use the unquantised model or a GGUF file", e.dtype)
	}
	if _, err := tensor.Size(typ, e.shape); err != nil {
		return fmt.Errorf("%w; fetch the file again", err)
	}
	for _, p := range p.places() {
		if err := f.addPart(fam, p, tensor.Tensor{Name: e.name, Type: typ, Shape: e.shape, Data: e.data}); err != nil {
			return err
		}
	}
	return nil
}

// isDraft tells whether a tensor that the family does not know belongs to the
// draft model behind the last layer.
func (f *Folder) isDraft(fam *family, name string) bool {
	for l := range f.builder.drafts {
		if strings.HasPrefix(name, fmt.Sprintf("%s%d.", fam.prefix, f.builder.layers+l)) {
			return true
		}
	}
	return false
}

func (f *Folder) addPart(fam *family, p place, t tensor.Tensor) error {
	s := f.sources[p.name]
	if s == nil {
		s = &source{}
		if r, ok := fam.made[p.base]; ok {
			s.made = &r
		}
		f.sources[p.name] = s
	} else if (p.member < 0 || s.numbers == nil) && (s.made == nil || len(s.parts) >= s.made.parts) {
		return fmt.Errorf("%q is the same tensor under another name; fetch the model again", s.parts[0].Name)
	}
	s.parts = append(s.parts, t)
	if p.member >= 0 {
		s.numbers = append(s.numbers, p.member)
	}
	return nil
}

// tie drops the output matrix where config.json says that it is the embedding.
func (f *Folder) tie() error {
	const output = "output.weight"
	matrix := f.sources[output]
	switch tied := f.builder.boolOr("tie_word_embeddings", false); {
	case !tied && matrix == nil:
		return fmt.Errorf("%s: the output matrix is missing (lm_head.weight), and \"tie_word_embeddings\" is not true; fetch the whole model", f.dir)
	case tied && matrix != nil:
		if e := f.sources["token_embd.weight"]; e != nil && !bytes.Equal(e.parts[0].Data, matrix.parts[0].Data) {
			return fmt.Errorf("%s: \"tie_word_embeddings\" is true, but %q differs from the embedding: transformers 4 uses the embedding and 5 the matrix; set it to what the model was trained with", f.dir, matrix.parts[0].Name)
		}
		delete(f.sources, output)
	}
	return *f.builder.err
}

// checkOptional compares the tensors that are there with what settings say.
// transformers leaves out those that it does not expect, and makes up others.
func (f *Folder) checkOptional(fam *family) error {
	for base, setting := range fam.optional {
		want := setting == "true"
		if name, not := strings.CutPrefix(setting, "!"); name != "" && !want {
			want = f.builder.boolOr(name, false) != not
		}
		for l := range f.builder.layers {
			name, want := fmt.Sprintf("blk.%d.%s", l, base), want
			if attend := f.builder.attend; attend != nil && attend[l] != strings.HasPrefix(base, "attn_") {
				want = false // it belongs to the other kind of layer
			}
			switch s := f.sources[name]; {
			case want && s == nil:
				return fmt.Errorf("%s: layer %d has no tensor for %s, which %s asks for; fetch the whole model", f.dir, l, base, stated(setting, f.builder.text("model_type")))
			case !want && s != nil && f.zeroBias(s):
				delete(f.sources, name)
			case !want && s != nil:
				return fmt.Errorf("%s: tensor %q is not used by transformers, since %s rules it out; correct config.json or remove the tensor", f.dir, s.parts[0].Name, stated(setting, f.builder.text("model_type")))
			}
		}
	}
	return nil
}

// stated names what decides over an optional tensor, for messages.
func stated(setting, modelType string) string {
	if name := strings.TrimPrefix(setting, "!"); name != "" && name != "true" {
		return fmt.Sprintf("%q of config.json", name)
	}
	return fmt.Sprintf("model type %q", modelType)
}

// finish orders the parts and checks that they are complete and fit.
func (s *source) finish(b *builder) error {
	if s.numbers != nil {
		sort.Sort(byNumber{s})
		for i, n := range s.numbers {
			if n != i {
				return fmt.Errorf("part %d of %d is missing or there twice (%q is next)", i, len(s.numbers), s.parts[i].Name)
			}
		}
	}
	if s.numbers != nil && s.made == nil {
		return fmt.Errorf("%q is a part of a tensor that headprof does not know", s.parts[0].Name)
	}
	if s.made != nil {
		return s.made.check(s.parts, b)
	}
	return nil
}

type byNumber struct{ *source }

func (b byNumber) Len() int           { return len(b.parts) }
func (b byNumber) Less(i, j int) bool { return b.numbers[i] < b.numbers[j] }
func (b byNumber) Swap(i, j int) {
	b.parts[i], b.parts[j] = b.parts[j], b.parts[i]
	b.numbers[i], b.numbers[j] = b.numbers[j], b.numbers[i]
}
