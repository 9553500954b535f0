package gguf

// locate maps every file that belongs to the model at path. When lenient,
// parts that cannot be mapped are problems rather than an error.
func locate(path string, lenient bool) (f *File, problems []error, err error) {
	p, err := mapFile(path)
	if err != nil {
		return nil, nil, err
	}
	return &File{name: path, parts: []*part{p}}, nil, nil
}
