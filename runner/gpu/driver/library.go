package driver

import "errors"

// ErrNotBuilt is the reason why a binary opens no library.
var ErrNotBuilt = errors.New("gpu: this binary was built without GPU support (tag nogpu)")

// Library is an open shared library.
type Library struct{ handle uintptr }

// Open opens the first library that is there, by its names in their order; the
// errors say why none is.
func Open(names []string) (*Library, []string) {
	var tried []string
	for _, name := range names {
		h, err := openLibrary(name)
		if err == nil && h != 0 {
			return &Library{h}, nil
		}
		if err != nil {
			tried = append(tried, err.Error())
		}
	}
	return nil, tried
}

// Symbol is the address of a function; 0 where the library has none of that name.
func (l *Library) Symbol(name string) uintptr {
	p, err := symbol(l.handle, name)
	if err != nil {
		return 0
	}
	return p
}

// CString is a string as C has it.
func CString(s string) []byte { return append([]byte(s), 0) }
