package jinja

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
)

// JSON reads a value as Python's json module does; objects keep their order.
func JSON(data []byte) (Value, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := readJSON(d, 0)
	if err != nil {
		return nil, err
	}
	if d.More() {
		return nil, fmt.Errorf("there is more after the value")
	}
	return v, nil
}

func readJSON(d *json.Decoder, depth int) (Value, error) {
	if depth > maxCalls/2 {
		return nil, fmt.Errorf("it is nested too deep")
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Number:
		if i, ok := new(big.Int).SetString(string(t), 10); ok {
			if len(t) > maxDigits {
				return nil, fmt.Errorf("a number is too large")
			}
			return integer(i), nil
		}
		return t.Float64()
	case json.Delim:
		if t == '[' {
			items := []Value{}
			for d.More() {
				v, err := readJSON(d, depth+1)
				if err != nil {
					return nil, err
				}
				items = append(items, v)
			}
			_, err := d.Token()
			return &list{items}, err
		}
		o := newDict()
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := readJSON(d, depth+1)
			if err != nil {
				return nil, err
			}
			o.put(k, k, v)
		}
		_, err := d.Token()
		return o, err
	}
	return t, nil // nil, bool or string
}

// toJSON is the tojson filter as transformers defines it: Python's json.dumps.
func toJSON(s *state, v Value, a *args) Value {
	in := a.bind("tojson", "ensure_ascii?", "indent?", "separators?", "sort_keys?")
	w := &jsonWriter{s: s, b: &buffer{s: s}, ascii: truth(in[0]), sort: truth(in[3]), item: ", ", key: ": "}
	switch i := in[1].(type) {
	case nil:
	case string:
		w.lines, w.indent, w.item = true, i, ","
	default:
		n := index(i, "tojson's indent")
		w.lines, w.item = true, ","
		if n > 0 {
			w.indent = s.repeat(" ", big.NewInt(n))
		}
	}
	if in[2] != nil {
		pair := s.collect(in[2])
		if len(pair) != 2 {
			fail(0, "tojson's separators must be two strings")
		}
		w.item, w.key = str(pair[0], "tojson"), str(pair[1], "tojson")
	}
	w.write(v, 0)
	return w.b.b.String()
}

type jsonWriter struct {
	s           *state
	b           *buffer
	ascii, sort bool
	lines       bool
	indent      string
	item, key   string
}

func (w *jsonWriter) newline(depth int) {
	if w.lines {
		w.b.write("\n")
		for range depth {
			w.b.write(w.indent)
		}
	}
}

func (w *jsonWriter) write(v Value, depth int) {
	w.s.work(1)
	w.s.enter()
	defer w.s.leave()
	array := func(items []Value) {
		if len(items) == 0 {
			w.b.write("[]")
			return
		}
		w.b.write("[")
		for i, item := range items {
			if i > 0 {
				w.b.write(w.item)
			}
			w.newline(depth + 1)
			w.write(item, depth+1)
		}
		w.newline(depth)
		w.b.write("]")
	}
	switch v := v.(type) {
	case string:
		w.quote(v)
	case markup:
		w.quote(string(v))
	case *list:
		array(v.items)
	case tuple:
		array(v)
	case *group:
		array([]Value{v.key, v.list})
	case *dict:
		w.object(v, depth)
	case nil, bool, int64, *big.Int, float64:
		w.b.write(jsonScalar(w.s, v))
	default:
		fail(0, "tojson cannot write %s", typeName(v))
	}
}

func jsonScalar(s *state, v Value) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	}
	return s.repr(v)
}

func (w *jsonWriter) object(d *dict, depth int) {
	if len(d.entries) == 0 {
		w.b.write("{}")
		return
	}
	entries := d.entries
	if w.sort {
		items := make([]Value, len(entries))
		w.s.take(64 * int64(len(entries)))
		for i, e := range entries {
			items[i] = tuple{e.key, e.value}
		}
		items = w.s.sorted(items, func(v Value) Value { return v.(tuple)[0] }, false)
		entries = make([]entry, len(items))
		for i, v := range items {
			entries[i] = entry{v.(tuple)[0], v.(tuple)[1]}
		}
	}
	w.b.write("{")
	for i, e := range entries {
		if i > 0 {
			w.b.write(w.item)
		}
		w.newline(depth + 1)
		if t, ok := textOf(e.key); ok {
			w.quote(t)
		} else if e.key == nil || isNumber(e.key) {
			w.quote(jsonScalar(w.s, e.key))
		} else {
			fail(0, "tojson cannot write %s as a key", typeName(e.key))
		}
		w.b.write(w.key)
		w.write(e.value, depth+1)
	}
	w.newline(depth)
	w.b.write("}")
}

func (w *jsonWriter) quote(t string) {
	w.s.scan(8 * len(t))
	w.s.take(6 * int64(len(t)))
	var b strings.Builder
	b.WriteByte('"')
	unit := func(u uint16) { fmt.Fprintf(&b, `\u%04x`, u) }
	for _, r := range t {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\f':
			b.WriteString(`\f`)
		case r < 0x20:
			unit(uint16(r))
		case w.ascii && r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			unit(uint16(hi))
			unit(uint16(lo))
		case w.ascii && r > 0x7e:
			unit(uint16(r))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	w.b.write(b.String())
}
