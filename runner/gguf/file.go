package gguf

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"headprof/runner/tensor"
)

// File is an open model. Its methods may be called from several goroutines at
// once, but Close only when no tensor's Data is in use any more.
type File struct {
	*Metadata
	name    string
	parts   []*part
	tensors []tensor.Tensor
	byName  map[string]int
	stacks  map[string][]string // experts that lie apart, by their stack's name
}

// part is one file's bytes: mapped, or held by the caller (file nil).
type part struct {
	name    string
	file    *tensor.Mapped
	data    []byte // the GGUF within it
	offset  int64  // where data begins in file
	archive string // the zip it lies in, or ""
	member  string // its name there
}

// Open maps a GGUF file. Any part of a split model (…-00001-of-00003.gguf)
// stands for the whole; the path may also be a zip or wheel that holds one
// model uncompressed, or archive.zip:member where it holds several.
//
// Tensors point into the map; see tensor.Mapped.
func Open(path string) (*File, error) {
	f, _, err := locate(path, false)
	if err != nil {
		return nil, err
	}
	return f.load()
}

// OpenBytes reads a GGUF file that is in memory; name stands for it in errors.
// data must stay unchanged as long as the file is in use.
func OpenBytes(name string, data []byte) (*File, error) {
	f := &File{name: name, parts: []*part{{name: name, data: data}}}
	return f.load()
}

// load reads the parts' headers; on an error it closes them.
func (f *File) load() (*File, error) {
	f.byName = map[string]int{}
	for i, p := range f.parts {
		h, err := parseHeader(p.name, p.data, false)
		if err == nil {
			err = checkSplit(h, i, len(f.parts))
		}
		if err == nil {
			err = f.add(h, p)
		}
		if err == nil && i == len(f.parts)-1 {
			err = f.checkTotal()
		}
		if err != nil {
			f.Close()
			return nil, err
		}
	}
	f.stacks = stacks(f.names())
	return f, nil
}

// add takes over a part's tensors, and the first part's metadata.
func (f *File) add(h *header, p *part) error {
	if p == f.parts[0] {
		f.Metadata = h.meta
	}
	for _, t := range h.infos {
		if _, twice := f.byName[t.Name]; twice {
			return fmt.Errorf("%s: tensor %q is in an earlier part too: the parts do not belong together; fetch them again", p.name, t.Name)
		}
		f.byName[t.Name] = len(f.tensors)
		end := t.Offset + t.Bytes
		f.tensors = append(f.tensors, tensor.Tensor{Name: t.Name, Type: t.Type, Shape: t.Shape, Data: p.data[t.Offset:end:end]})
	}
	return nil
}

// Tensor finds a tensor by name. Its Data lies in the file's map, not
// necessarily aligned, and is valid until Close. A stack of experts that lie
// apart is a copy.
func (f *File) Tensor(name string) (tensor.Tensor, bool) {
	if i, ok := f.byName[name]; ok {
		return f.tensors[i], true
	}
	if parts, ok := f.Experts(name); ok {
		return stack(name, parts), true
	}
	return tensor.Tensor{}, false
}

// Experts gives the tensors that make up a stack and lie apart in the file, in
// order and without a copy; ok is false when name is no such stack.
func (f *File) Experts(name string) (parts []tensor.Tensor, ok bool) {
	return experts(f.stacks[name], func(name string) (t tensor.Tensor, ok bool) {
		i, ok := f.byName[name]
		if ok {
			t = f.tensors[i]
		}
		return t, ok
	})
}

// Tensors lists all tensors in the file's order.
func (f *File) Tensors() []tensor.Tensor { return append([]tensor.Tensor(nil), f.tensors...) }

// TensorNames lists the names of all tensors in the file's order, experts that
// lie apart as their stack.
func (f *File) TensorNames() []string { return stacked(f.names(), f.stacks) }

func (f *File) names() []string {
	names := make([]string, len(f.tensors))
	for i, t := range f.tensors {
		names[i] = t.Name
	}
	return names
}

// Mappings gives the mapped files; none when the model is held in memory.
func (f *File) Mappings() (all []*tensor.Mapped) {
	for _, p := range f.parts {
		if p.file != nil {
			all = append(all, p.file)
		}
	}
	return all
}

// Name is the path or name the file was opened by.
func (f *File) Name() string { return f.name }

// Size is the file's length in bytes, all parts together.
func (f *File) Size() (n int64) {
	for _, p := range f.parts {
		n += int64(len(p.data))
	}
	return n
}

// SHA256 reads the whole model and gives its hash as lower-case hexadecimal:
// of the GGUF's bytes, and of a split one, of all parts' bytes in order.
func (f *File) SHA256() (string, error) {
	h := sha256.New()
	for _, p := range f.parts {
		if p.file == nil {
			h.Write(p.data)
			continue
		}
		// Not through the map: a file's worth of resident pages would follow.
		n, err := io.Copy(h, io.NewSectionReader(p.file.File, p.offset, int64(len(p.data))))
		if err == nil && n != int64(len(p.data)) {
			err = fmt.Errorf("the file became shorter while it was open")
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Close unmaps the file. Tensors' Data must not be touched afterwards; lookups
// find nothing any more.
func (f *File) Close() error {
	f.Metadata, f.tensors, f.byName, f.stacks = NewMetadata(f.name), nil, nil, nil
	var first error
	for _, p := range f.parts {
		if err := p.close(); err != nil && first == nil {
			first = fmt.Errorf("%s: %w", p.name, err)
		}
	}
	f.parts = nil
	return first
}

func (p *part) close() error {
	p.data = nil
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

// mapFile maps a whole file as one part.
func mapFile(path string) (*part, error) {
	m, err := tensor.Map(path)
	if err != nil {
		return nil, err
	}
	return &part{name: path, file: m, data: m.Data}, nil
}
