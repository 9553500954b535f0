package gguf

import (
	"fmt"
	"path/filepath"
	"strings"
)

// locate maps every file that belongs to the model at path: the file itself,
// a member of a zip, or all parts of a split model. When lenient, parts that
// cannot be mapped are problems rather than an error.
func locate(path string, lenient bool) (f *File, problems []error, err error) {
	f = &File{name: path, Metadata: NewMetadata(path)}
	first, err := mapModel(path)
	if err != nil {
		return nil, nil, err
	}
	place, split := parseSplitName(first.name)
	if !split {
		f.parts = []*part{first}
		return f, nil, nil
	}
	var missing []string
	for i := 1; i <= place.count; i++ {
		if i == place.index {
			f.parts = append(f.parts, first)
			continue
		}
		p, err := first.sibling(place.name(i))
		if err != nil {
			missing = append(missing, filepath.Base(place.name(i)))
			problems = append(problems, err)
			continue
		}
		f.parts = append(f.parts, p)
	}
	if len(missing) > 0 && !lenient {
		f.closeWith(first)
		return nil, nil, fmt.Errorf("%s: the model has %d parts, and these cannot be opened: %s (%w); put all parts into one folder",
			path, place.count, shortList(missing), problems[0])
	}
	return f, problems, nil
}

// closeWith closes all parts, and first also when it is not among them.
func (f *File) closeWith(first *part) {
	f.Close()
	first.close()
}

func shortList(names []string) string {
	const limit = 8
	if len(names) > limit {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:limit], ", "), len(names)-limit)
	}
	return strings.Join(names, ", ")
}
