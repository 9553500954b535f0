package jinja

import (
	"slices"
	"time"
)

// macro is a macro with the scope in which it was defined.
type macro struct {
	name                    string
	anonymous               bool
	params                  []string
	caller, kwargs, varargs bool // it reads these names
	run                     func(*scope, []Value) string
	scope                   *scope
}

// call gives the macro's text: Python's rules for arguments, and the special
// names caller, kwargs and varargs.
func (m *macro) call(s *state, a *args) Value {
	named := map[string]Value{}
	for i, n := range a.names {
		named[n] = a.values[i]
	}
	take := func(name string) Value {
		v, ok := named[name]
		if !ok {
			return missing
		}
		delete(named, name)
		return v
	}
	n := min(len(a.pos), len(m.params))
	values := slices.Clone(a.pos[:n])
	found := n == len(m.params) && slices.Contains(m.params, "caller")
	for _, name := range m.params[n:] {
		values = append(values, take(name))
		found = found || name == "caller"
	}
	if m.caller && !found {
		v := take("caller")
		if v == missing || v == nil {
			v = &undefined{"the macro's caller"}
		}
		values = append(values, v)
	}
	if m.kwargs {
		d := newDict()
		for _, name := range a.names {
			if v, ok := named[name]; ok {
				d.set(s, name, v)
			}
		}
		values = append(values, d)
	} else if len(named) > 0 {
		for _, name := range a.names {
			if _, ok := named[name]; ok {
				fail(0, "the macro %s has no argument %s", m.name, name)
			}
		}
	}
	if m.varargs {
		values = append(values, tuple(slices.Clone(a.pos[n:])))
	} else if len(a.pos) > n {
		fail(0, "the macro %s takes %d arguments, not %d", m.name, len(m.params), len(a.pos))
	}
	return m.run(m.scope, values)
}

// call calls a value.
func (s *state) call(v Value, a *args) Value {
	s.work(1)
	s.take(64)
	switch f := v.(type) {
	case *native:
		return f.call(s, a)
	case *macro:
		return f.call(s, a)
	case *loopValue:
		in := a.bind("loop", "iterable")
		if f.recurse == nil {
			fail(0, "the loop is not recursive")
		}
		return f.recurse(s, in[0], f.depth+1)
	case *joiner:
		a.bind("joiner")
		if !f.used {
			f.used = true
			return ""
		}
		return f.separator
	}
	fail(0, "%s cannot be called", typeName(v))
	return nil
}

// bind orders arguments by the names of parameters. A name that ends in "?" may
// be left out and is nil then, one before "/" cannot be given by name.
func (a *args) bind(what string, params ...string) []Value {
	return a.bindDefault(what, nil, params...)
}

func (a *args) bindDefault(what string, none Value, params ...string) []Value {
	positionalOnly := slices.Index(params, "/")
	if positionalOnly >= 0 {
		params = slices.Delete(slices.Clone(params), positionalOnly, positionalOnly+1)
	}
	out := make([]Value, len(params))
	set := make([]bool, len(params))
	if len(a.pos) > len(params) {
		fail(0, "%s takes at most %d arguments, not %d", what, len(params), len(a.pos))
	}
	for i, v := range a.pos {
		out[i], set[i] = v, true
	}
next:
	for j, name := range a.names {
		for i, p := range params {
			if p == name || p == name+"?" {
				if set[i] || i < positionalOnly {
					fail(0, "%s has no argument %s here", what, name)
				}
				out[i], set[i] = a.values[j], true
				continue next
			}
		}
		fail(0, "%s has no argument %s", what, name)
	}
	for i, p := range params {
		if set[i] {
			continue
		}
		if p[len(p)-1] != '?' {
			fail(0, "%s needs the argument %s", what, p)
		}
		out[i] = none
	}
	return out
}

// given reports whether an argument was given, by place or by name.
func (a *args) given(place int, name string) bool {
	return len(a.pos) > place || slices.Contains(a.names, name)
}

// loopValue is the variable loop.
type loopValue struct {
	source                 Value // what the loop goes through, missing behind a condition
	items                  iterator
	index                  int
	depth                  int
	recurse                func(*state, Value, int) string
	known                  bool
	count                  int
	before, current, after Value
	changed                Value
}

func (l *loopValue) next() (Value, bool) {
	v := l.after
	l.after = missing
	if v == missing {
		var ok bool
		if v, ok = l.items(); !ok {
			return nil, false
		}
	}
	l.index++
	l.before, l.current = l.current, v
	return v, true
}

// peek gives the item that follows, or missing.
func (l *loopValue) peek() Value {
	if l.after == missing {
		if v, ok := l.items(); ok {
			l.after = v
		}
	}
	return l.after
}

func (l *loopValue) length() int {
	if l.known {
		return l.count
	}
	l.known = true
	switch v := l.source.(type) {
	case *list:
		l.count = len(v.items)
		return l.count
	case *dict:
		l.count = len(v.entries)
		return l.count
	}
	var rest []Value
	for {
		v, ok := l.items()
		if !ok {
			break
		}
		rest = append(rest, v)
	}
	l.items = over(rest)
	l.count = len(rest) + l.index + 1
	if l.after != missing {
		l.count++
	}
	return l.count
}

func (l *loopValue) attr(s *state, name string) (Value, bool) {
	n := int64(l.index)
	switch name {
	case "index":
		return n + 1, true
	case "index0":
		return n, true
	case "revindex":
		return int64(s.loopLength(l)) - n, true
	case "revindex0":
		return int64(s.loopLength(l)) - n - 1, true
	case "length":
		return int64(s.loopLength(l)), true
	case "first":
		return n == 0, true
	case "last":
		return l.peek() == missing, true
	case "depth":
		return int64(l.depth) + 1, true
	case "depth0":
		return int64(l.depth), true
	case "previtem":
		if n == 0 {
			return &undefined{"the item before the first"}, true
		}
		return l.before, true
	case "nextitem":
		if v := l.peek(); v != missing {
			return v, true
		}
		return &undefined{"the item after the last"}, true
	case "cycle":
		return &native{"loop.cycle", func(s *state, a *args) Value {
			if len(a.pos) == 0 || len(a.names) > 0 {
				fail(0, "loop.cycle needs items")
			}
			return a.pos[l.index%len(a.pos)]
		}}, true
	case "changed":
		return &native{"loop.changed", func(s *state, a *args) Value {
			if len(a.names) > 0 {
				fail(0, "loop.changed takes no names")
			}
			now := tuple(a.pos)
			if l.changed != missing && s.equal(l.changed, now) {
				return false
			}
			l.changed = now
			return true
		}}, true
	}
	return nil, false
}

// loopLength counts the work of reading a loop's items ahead.
func (s *state) loopLength(l *loopValue) int {
	if !l.known {
		inner := l.items
		l.items = func() (Value, bool) {
			v, ok := inner()
			s.work(1)
			s.take(80)
			return v, ok
		}
	}
	return l.length()
}

// globals are the functions that every template has.
var globals map[string]Value

func init() {
	globals = map[string]Value{
		"range":     &native{"range", makeRange},
		"dict":      &native{"dict", func(s *state, a *args) Value { return s.makeDict(a) }},
		"namespace": &native{"namespace", makeNamespace},
		"joiner": &native{"joiner", func(s *state, a *args) Value {
			in := a.bindDefault("joiner", ", ", "sep?")
			sep, ok := in[0].(string)
			if !ok {
				fail(0, "joiner takes a string")
			}
			return &joiner{separator: sep}
		}},
		"cycler": &native{"cycler", func(s *state, a *args) Value {
			if len(a.pos) == 0 || len(a.names) > 0 {
				fail(0, "cycler needs items")
			}
			return &cycler{items: a.pos}
		}},
		"lipsum": &native{"lipsum", func(*state, *args) Value {
			fail(0, "the function lipsum is not supported: it is random")
			return nil
		}},
		"raise_exception": &native{"raise_exception", func(s *state, a *args) Value {
			in := a.bind("raise_exception", "message")
			fail(0, "it raises %q", s.text(in[0]))
			return nil
		}},
		"strftime_now": &native{"strftime_now", func(s *state, a *args) Value {
			in := a.bind("strftime_now", "format")
			format, ok := in[0].(string)
			if !ok {
				fail(0, "strftime_now needs a format")
			}
			return s.strftime(format)
		}},
	}
}

func makeRange(s *state, a *args) Value {
	if len(a.names) > 0 || len(a.pos) == 0 || len(a.pos) > 3 {
		fail(0, "range takes one to three ints")
	}
	var n [3]int64
	for i, v := range a.pos {
		n[i] = index(v, "an argument of range")
		if n[i] > 1<<40 || n[i] < -1<<40 {
			fail(0, "an argument of range is too large")
		}
	}
	r := &span{0, n[0], 1}
	if len(a.pos) > 1 {
		r.start, r.stop = n[0], n[1]
	}
	if len(a.pos) > 2 {
		r.step = n[2]
	}
	if r.step == 0 {
		fail(0, "range needs a step that is not 0")
	}
	const limit = 100000 // of jinja2's sandbox
	if r.len() > limit {
		fail(0, "a range has more than %d items", limit)
	}
	return r
}

// makeDict is dict(): of a dict or pairs, and of keyword arguments.
func (s *state) makeDict(a *args) *dict {
	if len(a.pos) > 1 {
		fail(0, "dict takes one argument, not %d", len(a.pos))
	}
	d := newDict()
	s.take(64)
	if len(a.pos) == 1 {
		if of, ok := a.pos[0].(*dict); ok {
			for _, e := range of.entries {
				s.work(1)
				d.set(s, e.key, e.value)
			}
		} else {
			next := s.iterate(a.pos[0])
			for {
				pair, ok := next()
				if !ok {
					break
				}
				s.work(1)
				kv := s.collect(pair)
				if len(kv) != 2 {
					fail(0, "dict needs pairs of a key and a value")
				}
				d.set(s, kv[0], kv[1])
			}
		}
	}
	for i, n := range a.names {
		d.set(s, n, a.values[i])
	}
	return d
}

func makeNamespace(s *state, a *args) Value {
	d := s.makeDict(a)
	for _, e := range d.entries {
		if k, ok := e.key.(string); ok && len(k) > 0 && k[0] == '_' {
			fail(0, "a namespace's attribute must not begin with an underscore: %s", k)
		}
	}
	return &namespace{d}
}

// strftime writes the time; what depends on the system or its language is refused.
func (s *state) strftime(format string) string {
	layouts := map[byte]string{
		'd': "02", 'm': "01", 'y': "06", 'Y': "2006", 'b': "Jan", 'h': "Jan", 'B': "January", 'a': "Mon", 'A': "Monday",
		'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM", 'j': "002", 'e': "_2",
		'F': "2006-01-02", 'T': "15:04:05", 'D': "01/02/06", 'R': "15:04", 'f': "000000",
	}
	b := &buffer{s: s}
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.write(format[i : i+1])
			continue
		}
		i++
		bare := i < len(format) && format[i] == '-' // %-d: no padding
		if bare {
			i++
		}
		if i >= len(format) {
			fail(0, "strftime_now's format ends in the middle of a directive")
		}
		layout, ok := layouts[format[i]]
		switch {
		case format[i] == '%' && !bare:
			b.write("%")
			continue
		case format[i] == 'f' && !bare:
			b.write(s.now.Format(".000000")[1:])
			continue
		case !ok || bare && !slices.Contains([]byte("dmyHIMSje"), format[i]):
			fail(0, "strftime_now with %%%c is not supported", format[i])
		}
		t := s.now.Format(layout)
		if bare {
			for len(t) > 1 && (t[0] == '0' || t[0] == ' ') {
				t = t[1:]
			}
		}
		b.write(t)
	}
	return b.b.String()
}

// Date makes the time that strftime_now tells.
func Date(year int, month time.Month, day, hour int) time.Time {
	return time.Date(year, month, day, hour, 0, 0, 0, time.UTC)
}
