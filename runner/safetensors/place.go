package safetensors

import (
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
	for _, s := range f.shards {
		for _, e := range s.entries {
			if err := f.placeOne(fam, e); err != nil {
				return fmt.Errorf("%s: tensor %q: %w", s.path, e.name, err)
			}
		}
	}
	if err := f.tie(fam); err != nil {
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

func (f *Folder) placeOne(fam *family, e entry) error {
	for _, end := range []string{"_scale_inv", ".weight_scale", ".input_scale", ".qweight", ".qzeros"} {
		if strings.HasSuffix(e.name, end) {
			return fmt.Errorf("it belongs to quantised weights, which headprof does not read in this form; use the unquantised model or a GGUF file")
		}
	}
	p, ok := fam.translate(e.name)
	switch {
	case !ok && ignored(e.name):
		return nil
	case !ok || p.layer >= f.builder.layers:
		return fmt.Errorf("model type %q has no such tensor, and leaving it out could change every result; is this an adapter or a variant of the model?", f.builder.text("model_type"))
	}
	typ, ok := readable[e.dtype]
	if !ok {
		return fmt.Errorf("its elements are %s, where headprof reads F32, F16, BF16 and F8_E4M3; use the unquantised model or a GGUF file", e.dtype)
	}
	if _, err := tensor.Size(typ, e.shape); err != nil {
		return fmt.Errorf("%w; fetch the file again", err)
	}
	s := f.sources[p.name]
	if s == nil {
		s = &source{}
		if r, ok := fam.made[p.base]; ok {
			s.made = &r
		}
		f.sources[p.name] = s
	} else if p.member < 0 || s.numbers == nil {
		return fmt.Errorf("%q is the same tensor under another name; fetch the model again", s.parts[0].Name)
	}
	s.parts = append(s.parts, tensor.Tensor{Name: e.name, Type: typ, Shape: e.shape, Data: e.data})
	if p.member >= 0 {
		s.numbers = append(s.numbers, p.member)
	}
	return nil
}

// tie drops the output matrix where config.json says that it is the embedding.
func (f *Folder) tie(fam *family) error {
	const output = "output.weight"
	if f.builder.boolOr("tie_word_embeddings", fam.tied) {
		delete(f.sources, output)
	} else if f.sources[output] == nil {
		return fmt.Errorf("%s: the output matrix is missing (lm_head.weight), and \"tie_word_embeddings\" is not true; fetch the whole model", f.dir)
	}
	return *f.builder.err
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
