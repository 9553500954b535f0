package gguf

import "headprof/runner/tensor"

// Report is what Probe found, problems included.
type Report struct {
	*Metadata
	Version   int
	Alignment int
	Size      int64 // bytes, all parts together
	Parts     []string
	Tensors   []Info
	Problems  []error // of the file as a whole; those of one tensor are in its Info

	file    *File
	tensors map[string]tensor.Tensor
	stacks  map[string][]string
}

// Probe looks at a file that Open may refuse, and lists all it holds and all
// that is wrong with it. It fails only where nothing can be said: the file
// cannot be read or is no GGUF. The metadata is valid until Close.
func Probe(path string) (*Report, error) {
	f, problems, err := locate(path, true)
	if err != nil {
		return nil, err
	}
	return f.probe(problems)
}

// probe reports on the parts that could be mapped; on an error it closes them.
func (f *File) probe(problems []error) (*Report, error) {
	r := &Report{Metadata: NewMetadata(f.name), Size: f.Size(), Problems: problems, file: f, tensors: map[string]tensor.Tensor{}}
	for i, p := range f.parts {
		h, err := parseHeader(p.name, p.data, true)
		if err != nil && i == 0 {
			f.Close()
			return nil, err
		}
		r.Parts = append(r.Parts, p.name)
		if err == nil && len(problems) == 0 {
			err = checkSplit(h, i, len(f.parts))
		}
		if err != nil {
			r.Problems = append(r.Problems, err)
		}
		if h == nil {
			continue
		}
		if i == 0 {
			r.Metadata, r.Version, r.Alignment = h.meta, int(h.version), h.alignment
		}
		r.Tensors = append(r.Tensors, h.infos...)
		for _, t := range h.infos {
			one := tensor.Tensor{Name: t.Name, Type: t.Type, Shape: t.Shape}
			if h.placed && t.Problem == nil {
				one.Data = p.data[t.Offset:][:t.Bytes]
			}
			r.tensors[t.Name] = one
		}
		r.Problems = append(r.Problems, h.problems...)
	}
	r.stacks = stacks(r.names())
	return r, nil
}

// Name is the path the file was opened by.
func (r *Report) Name() string { return r.file.name }

// Tensor finds a tensor by name. Data is nil for one that has a Problem, and
// valid until Close for the others.
func (r *Report) Tensor(name string) (tensor.Tensor, bool) {
	t, ok := r.tensors[name]
	if parts, apart := r.Experts(name); !ok && apart {
		return stack(name, parts), true
	}
	return t, ok
}

// Experts is File.Experts.
func (r *Report) Experts(name string) (parts []tensor.Tensor, ok bool) {
	return experts(r.stacks[name], func(name string) (tensor.Tensor, bool) {
		t, ok := r.tensors[name]
		return t, ok
	})
}

// TensorNames lists the names of all tensors in the file's order, experts that
// lie apart as their stack.
func (r *Report) TensorNames() []string { return stacked(r.names(), r.stacks) }

func (r *Report) names() []string {
	names := make([]string, len(r.Tensors))
	for i, t := range r.Tensors {
		names[i] = t.Name
	}
	return names
}

// Close unmaps the file.
func (r *Report) Close() error {
	r.Metadata, r.tensors, r.stacks = NewMetadata(r.file.name), nil, nil
	return r.file.Close()
}
