package jinja

import (
	"math/big"
	"strings"
	"unicode/utf8"
)

// changing are the methods that jinja2's sandbox withholds: they would change
// a list or a dict.
var changing = map[string]map[string]bool{
	"list": set("append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"),
	"dict": set("clear", "pop", "popitem", "setdefault", "update"),
}

func set(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

// attribute is Python's getattr() within the sandbox.
func (s *state) attribute(v Value, name string) (Value, bool) {
	if strings.HasPrefix(name, "__") {
		fail(0, "the attribute %s is not supported", name)
	}
	withheld := func(kind string) (Value, bool) {
		return &undefined{"the method " + name + ", which would change " + typeName(v) + ","}, changing[kind][name]
	}
	switch v := v.(type) {
	case *undefined:
		fail(0, "%s, so it has no %s", v.what, name)
	case string:
		if m, ok := stringMethods[name]; ok {
			return s.method(name, func(s *state, a *args) Value { return m(s, v, a) }), true
		}
		return s.known(name, "a string", "maketrans translate encode")
	case markup:
		switch name {
		case "strip", "lstrip", "rstrip", "upper", "lower", "capitalize":
			m := stringMethods[name]
			return s.method(name, func(s *state, a *args) Value { return markup(m(s, string(v), a).(string)) }), true
		}
		if _, ok := stringMethods[name]; ok || name == "unescape" || name == "striptags" || name == "escape" {
			fail(0, "the method %s of a string marked as safe is not supported", name)
		}
		return s.known(name, "a string", "maketrans translate encode")
	case *list:
		if u, ok := withheld("list"); ok {
			return u, true
		}
		switch name {
		case "copy":
			return s.method(name, func(s *state, a *args) Value {
				a.bind(name)
				return &list{s.chain(v.items, nil)}
			}), true
		case "index", "count":
			return s.method(name, search(name, v.items)), true
		}
	case tuple:
		if name == "index" || name == "count" {
			return s.method(name, search(name, v)), true
		}
	case *group:
		switch name {
		case "grouper":
			return v.key, true
		case "list":
			return v.list, true
		case "index", "count":
			return s.method(name, search(name, []Value{v.key, v.list})), true
		}
	case *dict:
		if u, ok := withheld("dict"); ok {
			return u, true
		}
		return s.dictMethod(v, name)
	case *namespace:
		a, ok := v.attrs.get(s, name)
		return a, ok
	case *span:
		switch name {
		case "start":
			return v.start, true
		case "stop":
			return v.stop, true
		case "step":
			return v.step, true
		}
		return s.known(name, "a range", "index count")
	case *loopValue:
		return v.attr(s, name)
	case *macro:
		switch name {
		case "name":
			if v.anonymous {
				return nil, true
			}
			return v.name, true
		case "arguments":
			var t tuple
			for _, p := range v.params {
				t = append(t, p)
			}
			return t, true
		case "catch_kwargs":
			return v.kwargs, true
		case "catch_varargs":
			return v.varargs, true
		case "caller":
			return v.caller, true
		}
		return s.known(name, "a macro", "explicit_caller")
	case *cycler:
		switch name {
		case "current":
			return v.items[v.at], true
		case "next":
			return s.method(name, func(_ *state, a *args) Value {
				a.bind(name)
				item := v.items[v.at]
				v.at = (v.at + 1) % len(v.items)
				return item
			}), true
		case "reset":
			return s.method(name, func(_ *state, a *args) Value {
				a.bind(name)
				v.at = 0
				return nil
			}), true
		case "items":
			return tuple(v.items), true
		case "pos":
			return int64(v.at), true
		}
	case *joiner:
		switch name {
		case "sep":
			return v.separator, true
		case "used":
			return v.used, true
		}
	case bool, int64, *big.Int:
		i, _ := toInt(v)
		switch name {
		case "real", "numerator":
			return integer(i), true
		case "imag":
			return int64(0), true
		case "denominator":
			return int64(1), true
		}
		return s.known(name, "an int", "as_integer_ratio bit_count bit_length conjugate from_bytes to_bytes is_integer")
	case float64:
		switch name {
		case "real":
			return v, true
		case "imag":
			return 0.0, true
		case "is_integer":
			return s.method(name, func(_ *state, a *args) Value {
				a.bind(name)
				return exact(v).IsInt()
			}), true
		}
		return s.known(name, "a float", "as_integer_ratio conjugate fromhex hex")
	case *view:
		return s.known(name, "a view of a dict", "isdisjoint mapping")
	case *generator:
		return s.known(name, "an iterator", "close send throw gi_code gi_frame gi_running gi_suspended gi_yieldfrom")
	case *native:
		fail(0, "an attribute of %s is not supported", typeName(v))
	}
	return nil, false
}

// known refuses a method that Python has and this package does not.
func (s *state) known(name, of, methods string) (Value, bool) {
	for m := range strings.FieldsSeq(methods) {
		if m == name {
			fail(0, "the method %s of %s is not supported", name, of)
		}
	}
	return nil, false
}

func (s *state) method(name string, call func(*state, *args) Value) Value {
	s.take(96)
	return &native{name, call}
}

// search is index() or count() of a sequence.
func search(name string, items []Value) func(*state, *args) Value {
	return func(s *state, a *args) Value {
		in := a.bind(name, "value", "/", "start?", "stop?")
		if name == "count" && len(a.pos) != 1 || len(a.names) > 0 {
			fail(0, "%s takes one value", name)
		}
		from, to := s.bounds(len(items), in[1], in[2])
		n := int64(0)
		for i := from; i < to; i++ {
			if s.equal(items[i], in[0]) {
				if name == "index" {
					return int64(i)
				}
				n++
			}
		}
		if name == "index" {
			fail(0, "the value is not in the sequence")
		}
		return n
	}
}

// bounds gives the part of a sequence that start and stop name, as a slice does.
func (s *state) bounds(n int, start, stop Value) (int, int) {
	place := func(v Value, otherwise int) int {
		if v == nil {
			return otherwise
		}
		i, ok := toInt(v)
		if !ok {
			fail(0, "a place must be an int, not %s", typeName(v))
		}
		if !i.IsInt64() {
			if i.Sign() < 0 {
				return 0
			}
			return n
		}
		p := i.Int64()
		if p < 0 {
			p += int64(n)
		}
		return int(min(max(p, 0), int64(n)))
	}
	return place(start, 0), place(stop, n)
}

func (s *state) dictMethod(d *dict, name string) (Value, bool) {
	switch name {
	case "keys", "values", "items":
		return s.method(name, func(_ *state, a *args) Value {
			a.bind(name)
			return &view{d, name}
		}), true
	case "get":
		return s.method(name, func(s *state, a *args) Value {
			if len(a.names) > 0 {
				fail(0, "get takes no names")
			}
			in := a.bind(name, "key", "default?")
			if v, ok := d.get(s, in[0]); ok {
				return v
			}
			return in[1]
		}), true
	case "copy":
		return s.method(name, func(s *state, a *args) Value {
			a.bind(name)
			return s.makeDict(&args{pos: []Value{d}})
		}), true
	}
	return s.known(name, "a dict", "fromkeys")
}

// getattr is value.name: the attribute, or else the item.
func (s *state) getattr(v Value, name string) Value {
	if d, ok := v.(*dict); ok && strings.HasPrefix(name, "__") {
		if _, ok := d.get(s, name); ok {
			fail(0, "the attribute %s is not supported", name)
		}
	}
	if _, ok := v.(*namespace); ok && strings.HasPrefix(name, "_") {
		return &undefined{"the attribute " + name + " of a namespace"}
	}
	if a, ok := s.attribute(v, name); ok {
		return a
	}
	if d, ok := v.(*dict); ok {
		if item, ok := d.get(s, name); ok {
			return item
		}
	}
	return &undefined{typeName(v) + " has no attribute " + name}
}

// getitem is value[key]: the item, or else the attribute.
func (s *state) getitem(v, key Value) Value {
	if item, ok := s.item(v, key); ok {
		return item
	}
	if name, ok := textOf(key); ok {
		if _, ns := v.(*namespace); ns && strings.HasPrefix(name, "_") {
			return &undefined{"the attribute " + name + " of a namespace"}
		}
		if strings.HasPrefix(name, "__") {
			fail(0, "the attribute %s is not supported", name)
		}
		if a, ok := s.attribute(v, name); ok {
			return a
		}
	}
	return &undefined{typeName(v) + " has no such item"}
}

// item is value[key] alone.
func (s *state) item(v, key Value) (Value, bool) {
	if d, ok := v.(*dict); ok {
		switch key.(type) {
		case *list, *dict, *view:
			return nil, false // a TypeError, which gives undefined too
		}
		if t, ok := key.(tuple); ok && !hashable(t) {
			return nil, false
		}
		return d.get(s, key)
	}
	if u, ok := v.(*undefined); ok {
		fail(0, "%s, so it has no items", u.what)
	}
	i, ok := toInt(key)
	if !ok {
		return nil, false
	}
	if !i.IsInt64() {
		return nil, false // an IndexError
	}
	at := i.Int64()
	pick := func(items []Value) (Value, bool) {
		if at < 0 {
			at += int64(len(items))
		}
		if at < 0 || at >= int64(len(items)) {
			return nil, false
		}
		return items[at], true
	}
	switch v := v.(type) {
	case string:
		return s.character(v, at)
	case markup:
		c, ok := s.character(string(v), at)
		if !ok {
			return nil, false
		}
		return markup(c), true
	case *list:
		return pick(v.items)
	case tuple:
		return pick(v)
	case *group:
		return pick([]Value{v.key, v.list})
	case *span:
		if at < 0 {
			at += v.len()
		}
		if at < 0 || at >= v.len() {
			return nil, false
		}
		return v.start + at*v.step, true
	}
	return nil, false
}

func hashable(t tuple) bool {
	for _, v := range t {
		switch v := v.(type) {
		case *list, *dict, *view:
			return false
		case tuple:
			if !hashable(v) {
				return false
			}
		}
	}
	return true
}

func (s *state) character(text string, at int64) (string, bool) {
	s.scan(len(text))
	if !ascii(text) {
		n := int64(utf8.RuneCountInString(text))
		if at < 0 {
			at += n
		}
		if at < 0 || at >= n {
			return "", false
		}
		for range at {
			_, w := utf8.DecodeRuneInString(text)
			text = text[w:]
		}
		_, w := utf8.DecodeRuneInString(text)
		return text[:w], true
	}
	if at < 0 {
		at += int64(len(text))
	}
	if at < 0 || at >= int64(len(text)) {
		return "", false
	}
	return text[at : at+1], true
}

// slice is value[start:stop:step].
func (s *state) slice(v, start, stop, step Value) Value {
	by := int64(1)
	if step != nil {
		if _, ok := toInt(step); !ok {
			fail(0, "a slice by %s is not supported", typeName(step))
		}
		by = index(step, "a slice's step")
		if by == 0 {
			fail(0, "a slice by 0 is not supported")
		}
	}
	// places gives the first place and how many there are.
	places := func(n int) (int64, int64) {
		length := int64(n)
		place := func(v Value, otherwise int64) int64 {
			if v == nil {
				return otherwise
			}
			i, ok := toInt(v)
			if !ok {
				fail(0, "a slice by %s is not supported", typeName(v))
			}
			low, high := int64(0), length
			if by < 0 {
				low, high = -1, length-1
			}
			if !i.IsInt64() {
				if i.Sign() < 0 {
					return low
				}
				return high
			}
			p := i.Int64()
			if p < 0 {
				p += length
			}
			return min(max(p, low), high)
		}
		if by > 0 {
			from, to := place(start, 0), place(stop, length)
			return from, (&span{from, to, by}).len()
		}
		from, to := place(start, length-1), place(stop, -1)
		return from, (&span{from, to, by}).len()
	}
	items := func(all []Value) []Value {
		from, n := places(len(all))
		s.take(48 + 16*n)
		s.work(n)
		out := make([]Value, 0, n)
		for i := range n {
			out = append(out, all[from+i*by])
		}
		return out
	}
	switch v := v.(type) {
	case string:
		return s.sliceText(v, by, places)
	case markup:
		return markup(s.sliceText(string(v), by, places))
	case *list:
		return &list{items(v.items)}
	case tuple:
		return tuple(items(v))
	case *group:
		return tuple(items([]Value{v.key, v.list}))
	case *span:
		fail(0, "a slice of a range is not supported")
	}
	// An error in jinja2, but undefined where it folds constants.
	fail(0, "a slice of %s is not supported", typeName(v))
	return nil
}

func (s *state) sliceText(text string, by int64, places func(int) (int64, int64)) string {
	at := s.offsets(text)
	n := len(text)
	if at != nil {
		n = len(at) - 1
	}
	from, count := places(n)
	offset := func(i int64) int64 {
		if at == nil {
			return i
		}
		return int64(at[i])
	}
	if count == 0 {
		return ""
	}
	if by == 1 {
		return text[offset(from):offset(from+count)]
	}
	s.take(32 + 4*count)
	s.work(count)
	var b strings.Builder
	for i := range count {
		p := from + i*by
		b.WriteString(text[offset(p):offset(p+1)])
	}
	return b.String()
}
