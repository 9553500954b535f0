package gguf

// Report is what Probe found, problems included.
type Report struct {
	*Metadata
	Version   int
	Alignment int
	Size      int64 // bytes, all parts together
	Parts     []string
	Tensors   []Info
	Problems  []error // of the file as a whole; those of one tensor are in its Info

	file *File
}

// Probe looks at a file that Open may refuse, and lists all it holds and all
// that is wrong with it. It fails only where nothing can be said: the file
// cannot be read or is no GGUF. The metadata is valid until Close.
func Probe(path string) (*Report, error) {
	f, problems, err := locate(path, true)
	if err != nil {
		return nil, err
	}
	r := &Report{Size: f.Size(), Problems: problems, file: f}
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
		r.Problems = append(r.Problems, h.problems...)
	}
	return r, nil
}

// Close unmaps the file.
func (r *Report) Close() error {
	r.Metadata = NewMetadata(r.file.name)
	return r.file.Close()
}
