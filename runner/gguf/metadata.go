package gguf

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// Metadata maps keys such as "llama.block_count" to values. Each typed lookup
// gives ok false when the key is absent, and an error when it is there but
// holds something else, so that a damaged setting is never taken for a default.
//
// The values of a File are gone once it is closed; what lookups returned stays.
type Metadata struct {
	source string
	keys   []string
	values map[string]value
}

// NewMetadata gives an empty table; source names it in errors.
func NewMetadata(source string) *Metadata {
	return &Metadata{source: source, values: map[string]value{}}
}

// Set stores a string, bool, integer or float, or a slice of one of these.
func (m *Metadata) Set(key string, v any) error {
	encoded, err := encode(v)
	if err != nil {
		return fmt.Errorf("%s: metadata %q: %w", m.source, key, err)
	}
	m.put(key, encoded)
	return nil
}

func (m *Metadata) put(key string, v value) {
	if _, had := m.values[key]; !had {
		m.keys = append(m.keys, key)
	}
	m.values[key] = v
}

// Keys lists all keys in the file's order.
func (m *Metadata) Keys() []string { return append([]string(nil), m.keys...) }

// Has reports whether key is there, whatever its kind.
func (m *Metadata) Has(key string) bool { _, ok := m.values[key]; return ok }

// String looks up a string.
func (m *Metadata) String(key string) (s string, ok bool, err error) {
	v, ok := m.values[key]
	if !ok || v.kind == String {
		return string(v.raw), ok, nil
	}
	return "", false, m.wrong(key, v, "a string")
}

// Int looks up an integer of any width.
func (m *Metadata) Int(key string) (n int64, ok bool, err error) {
	v, ok := m.values[key]
	if !ok {
		return 0, false, nil
	}
	if n, ok := integer(v.kind, v.raw); ok && v.kind != Bool {
		return n, true, nil
	}
	return 0, false, m.wrong(key, v, "an integer")
}

// Uint looks up an integer of any width that is not negative.
func (m *Metadata) Uint(key string) (n uint64, ok bool, err error) {
	i, ok, err := m.Int(key)
	if ok && i < 0 {
		return 0, false, fmt.Errorf("%s: metadata %q is %d, where a number of 0 or more is needed: the file is damaged or was converted wrongly", m.source, key, i)
	}
	return uint64(i), ok, err
}

// Float looks up a number.
func (m *Metadata) Float(key string) (f float64, ok bool, err error) {
	v, ok := m.values[key]
	if !ok {
		return 0, false, nil
	}
	if f, ok := float(v.kind, v.raw); ok {
		return f, true, nil
	}
	return 0, false, m.wrong(key, v, "a number")
}

// Bool looks up a truth value.
func (m *Metadata) Bool(key string) (b, ok bool, err error) {
	v, ok := m.values[key]
	if !ok {
		return false, false, nil
	}
	if v.kind == Bool {
		return v.raw[0] == 1, true, nil
	}
	return false, false, m.wrong(key, v, "a bool")
}

// Strings looks up an array of strings.
func (m *Metadata) Strings(key string) (list []string, ok bool, err error) {
	v, ok := m.values[key]
	if !ok {
		return nil, false, nil
	}
	if v.kind != Array || v.elem != String {
		return nil, false, m.wrong(key, v, "an array of strings")
	}
	all := string(v.raw) // one copy that every element is cut from
	list = make([]string, v.n)
	for i, at := 0, 0; i < v.n; i++ {
		n := int(binary.LittleEndian.Uint64(v.raw[at:]))
		list[i] = all[at+8 : at+8+n]
		at += 8 + n
	}
	return list, true, nil
}

// Ints looks up an array of integers or bools (as 0 and 1). A single integer
// or bool counts as an array of one: per-layer settings come in both forms.
func (m *Metadata) Ints(key string) (list []int64, ok bool, err error) {
	v, ok := m.values[key]
	if !ok {
		return nil, false, nil
	}
	list, ok = decode(v, integer)
	if !ok {
		return nil, false, m.wrong(key, v, "an array of integers")
	}
	return list, true, nil
}

// Floats looks up an array of numbers; a single number counts as an array of one.
func (m *Metadata) Floats(key string) (list []float64, ok bool, err error) {
	v, ok := m.values[key]
	if !ok {
		return nil, false, nil
	}
	list, ok = decode(v, float)
	if !ok {
		return nil, false, m.wrong(key, v, "an array of numbers")
	}
	return list, true, nil
}

func decode[T any](v value, one func(Kind, []byte) (T, bool)) ([]T, bool) {
	kind, n := v.kind, 1
	if kind == Array {
		kind, n = v.elem, v.n
	}
	size := kinds[kind].bytes
	if size == 0 {
		return nil, false
	}
	list := make([]T, n)
	for i := range list {
		x, ok := one(kind, v.raw[i*size:])
		if !ok {
			return nil, false
		}
		list[i] = x
	}
	return list, true
}

func (m *Metadata) wrong(key string, v value, want string) error {
	return fmt.Errorf("%s: metadata %q is %s, where %s is needed: the file is damaged or was converted wrongly", m.source, key, v.form(), want)
}

func (v value) form() string {
	if v.kind == Array {
		return fmt.Sprintf("an array of %d × %v", v.n, v.elem)
	}
	return "of kind " + v.kind.String()
}

// Describe gives a value in a few words for people: numbers and short strings
// as they are, arrays by length and kind; "" when absent.
func (m *Metadata) Describe(key string) string {
	v, ok := m.values[key]
	switch {
	case !ok:
		return ""
	case v.kind == String:
		const limit = 80
		if len(v.raw) > limit {
			return fmt.Sprintf("%s… (%d bytes)", strconv.Quote(string(v.raw[:limit])), len(v.raw))
		}
		return strconv.Quote(string(v.raw))
	case v.kind == Bool:
		return strconv.FormatBool(v.raw[0] == 1)
	case v.kind == Float32:
		f, _ := float(v.kind, v.raw)
		return strconv.FormatFloat(f, 'g', -1, 32)
	case v.kind == Float64:
		f, _ := float(v.kind, v.raw)
		return strconv.FormatFloat(f, 'g', -1, 64)
	case v.kind == Uint64:
		return strconv.FormatUint(binary.LittleEndian.Uint64(v.raw), 10)
	case v.kind == Array:
		return v.form()
	}
	n, _ := integer(v.kind, v.raw)
	return strconv.FormatInt(n, 10)
}
