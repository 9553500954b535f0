package jinja

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
)

type filterFunc func(s *state, v Value, a *args) Value

// unsupported are filters of jinja2 that this package does not have.
var unsupported = set("filter filesizeformat", "filter pprint", "filter random", "filter striptags", "filter urlencode",
	"filter urlize", "filter wordwrap", "filter xmlattr")

var filters map[string]filterFunc

func init() {
	filters = map[string]filterFunc{
		"abs":         abs,
		"attr":        attr,
		"batch":       batch,
		"capitalize":  textFilter("capitalize", capitalize),
		"center":      center,
		"count":       count,
		"d":           defaultFilter,
		"default":     defaultFilter,
		"dictsort":    dictsort,
		"e":           escape,
		"escape":      escape,
		"first":       first,
		"float":       floatFilter,
		"forceescape": forceescape,
		"format":      formatFilter,
		"groupby":     groupby,
		"indent":      indent,
		"int":         intFilter,
		"items":       itemsFilter,
		"join":        joinFilter,
		"last":        last,
		"length":      count,
		"list":        func(s *state, v Value, a *args) Value { a.bind("list"); return &list{s.collect(v)} },
		"lower":       textFilter("lower", lower),
		"map":         mapFilter,
		"max":         func(s *state, v Value, a *args) Value { return extreme(s, v, a, "max") },
		"min":         func(s *state, v Value, a *args) Value { return extreme(s, v, a, "min") },
		"reject":      func(s *state, v Value, a *args) Value { return selecting(s, v, a, false, false) },
		"rejectattr":  func(s *state, v Value, a *args) Value { return selecting(s, v, a, true, false) },
		"replace":     replaceFilter,
		"reverse":     reverse,
		"round":       round,
		"safe":        func(s *state, v Value, a *args) Value { a.bind("safe"); return markup(s.text(v)) },
		"select":      func(s *state, v Value, a *args) Value { return selecting(s, v, a, false, true) },
		"selectattr":  func(s *state, v Value, a *args) Value { return selecting(s, v, a, true, true) },
		"slice":       sliceFilter,
		"sort":        sortFilter,
		"string":      stringFilter,
		"sum":         sum,
		"title":       textFilter("title", titleFilter),
		"tojson":      toJSON,
		"trim":        trim,
		"truncate":    truncate,
		"unique":      unique,
		"upper":       textFilter("upper", upper),
		"wordcount":   wordcount,
	}
}

// soft gives a string, also of other values; what is marked as safe would stay
// so, which is not supported.
func (s *state) soft(v Value, name string) string {
	if _, ok := v.(markup); ok {
		fail(0, "the filter %s on a string marked as safe is not supported", name)
	}
	return s.text(v)
}

func textFilter(name string, f func(string) string) filterFunc {
	return func(s *state, v Value, a *args) Value {
		a.bind(name)
		if m, ok := v.(markup); ok && name != "title" {
			s.made(3 * len(m))
			return markup(f(string(m)))
		}
		t := s.soft(v, name)
		s.made(3 * len(t))
		return f(t)
	}
}

func abs(s *state, v Value, a *args) Value {
	a.bind("abs")
	if f, ok := v.(float64); ok {
		return math.Abs(f)
	}
	i, ok := toInt(v)
	if !ok {
		fail(0, "abs needs a number, not %s", typeName(v))
	}
	return integer(new(big.Int).Abs(i))
}

func attr(s *state, v Value, a *args) Value {
	in := a.bind("attr", "name")
	name := str(in[0], "attr")
	if _, ok := v.(*namespace); ok && strings.HasPrefix(name, "_") {
		return &undefined{"the attribute " + name}
	}
	if x, ok := s.attribute(v, name); ok {
		return x
	}
	return &undefined{typeName(v) + " has no attribute " + name}
}

func batch(s *state, v Value, a *args) Value {
	in := a.bind("batch", "linecount", "fill_with?")
	items := s.lazily(v)
	done := false
	var kept []Value
	have := false
	return &generator{kind: "batch", next: func() (Value, bool) {
		if done {
			return nil, false
		}
		var row []Value
		if have {
			row, have = kept, false
		}
		for {
			item, ok := items()
			if !ok {
				break
			}
			s.work(1)
			s.take(48)
			if s.equal(int64(len(row)), in[0]) {
				kept, have = []Value{item}, true
				return &list{row}, true
			}
			row = append(row, item)
		}
		done = true
		if len(row) == 0 {
			return nil, false
		}
		if in[1] != nil && s.less(int64(len(row)), in[0]) {
			n := index(in[0], "batch's count") - int64(len(row))
			s.take(48 + 16*n)
			s.work(n)
			for range n {
				row = append(row, in[1])
			}
		}
		return &list{row}, true
	}}
}

// lazily begins to iterate when the first item is asked for, as Python's
// generators do.
func (s *state) lazily(v Value) iterator {
	var next iterator
	return func() (Value, bool) {
		if next == nil {
			next = s.iterate(v)
		}
		return next()
	}
}

func center(s *state, v Value, a *args) Value {
	in := a.bindDefault("center", int64(80), "width?")
	return s.pad("center", s.soft(v, "center"), index(in[0], "center's width"), " ")
}

func count(s *state, v Value, a *args) Value {
	a.bind("length")
	if l, ok := v.(*loopValue); ok {
		return int64(s.loopLength(l))
	}
	return int64(s.mustLength(v))
}

func defaultFilter(s *state, v Value, a *args) Value {
	in := a.bindDefault("default", missing, "default_value?", "boolean?")
	if in[0] == missing {
		in[0] = ""
	}
	_, undef := v.(*undefined)
	if undef || in[1] != missing && truth(in[1]) && !truth(v) {
		return in[0]
	}
	return v
}

// ignoreCase lowers strings, for sorting.
func ignoreCase(s *state, sensitive Value) func(Value) Value {
	return func(v Value) Value {
		if t, ok := textOf(v); ok && !truth(sensitive) {
			s.made(len(t))
			return lower(t)
		}
		return v
	}
}

func dictsort(s *state, v Value, a *args) Value {
	in := a.bind("dictsort", "case_sensitive?", "by?", "reverse?")
	at := 0
	switch {
	case !a.given(1, "by") || in[1] == "key":
	case in[1] == "value":
		at = 1
	default:
		fail(0, "dictsort sorts by \"key\" or \"value\"")
	}
	d, ok := v.(*dict)
	if !ok {
		fail(0, "dictsort needs a dict, not %s", typeName(v))
	}
	fold := ignoreCase(s, in[0])
	items := s.collect(&view{d, "items"})
	return &list{s.sorted(items, func(v Value) Value { return fold(v.(tuple)[at]) }, truth(in[2]))}
}

func escaped(s *state, t string) markup {
	s.made(5 * len(t))
	return markup(strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&#39;", `"`, "&#34;").Replace(t))
}

func escape(s *state, v Value, a *args) Value {
	a.bind("escape")
	if m, ok := v.(markup); ok {
		return m
	}
	return escaped(s, s.text(v))
}

func forceescape(s *state, v Value, a *args) Value {
	a.bind("forceescape")
	return escaped(s, s.text(v))
}

func first(s *state, v Value, a *args) Value {
	a.bind("first")
	if item, ok := s.iterate(v)(); ok {
		return item
	}
	return &undefined{"the first item of an empty sequence"}
}

// backwards is Python's reversed(), and false where there is none.
func (s *state) backwards(v Value) (iterator, bool) {
	switch v := v.(type) {
	case string, markup, tuple, *list, *dict, *span, *view, *undefined, *group:
		var items []Value
		next := iterator(nil)
		return func() (Value, bool) {
			if next == nil {
				items = s.collect(v)
				i := len(items)
				next = func() (Value, bool) {
					if i == 0 {
						return nil, false
					}
					i--
					return items[i], true
				}
			}
			return next()
		}, true
	}
	return nil, false
}

func last(s *state, v Value, a *args) Value {
	a.bind("last")
	if l, ok := v.(*list); ok && len(l.items) > 0 {
		return l.items[len(l.items)-1]
	}
	next, ok := s.backwards(v)
	if !ok {
		fail(0, "last needs a sequence, not %s", typeName(v))
	}
	if item, ok := next(); ok {
		return item
	}
	return &undefined{"the last item of an empty sequence"}
}

func reverse(s *state, v Value, a *args) Value {
	a.bind("reverse")
	if t, ok := v.(string); ok {
		return s.slice(t, nil, nil, int64(-1))
	}
	if _, ok := v.(markup); ok {
		fail(0, "the filter reverse on a string marked as safe is not supported")
	}
	if next, ok := s.backwards(v); ok {
		return &generator{next, "reversed"}
	}
	items := s.collect(v)
	out := make([]Value, len(items))
	for i, item := range items {
		out[len(items)-1-i] = item
	}
	return &list{out}
}

func floatFilter(s *state, v Value, a *args) Value {
	in := a.bindDefault("float", 0.0, "default?")
	if f, ok := s.parseFloat(v); ok {
		return f
	}
	return in[0]
}

// parseFloat is Python's float(), and false where it raises what the filters catch.
func (s *state) parseFloat(v Value) (float64, bool) {
	if isNumber(v) {
		return toFloat(v), true
	}
	if u, ok := v.(*undefined); ok {
		fail(0, "%s, so it is no number", u.what)
	}
	t, ok := textOf(v)
	if !ok {
		return 0, false
	}
	s.scan(len(t))
	t = strings.TrimFunc(t, isSpace)
	switch strings.ToLower(strings.TrimLeft(t, "+-")) {
	case "inf", "infinity", "nan":
		if len(t)-len(strings.TrimLeft(t, "+-")) <= 1 {
			finite(math.Inf(1))
		}
		return 0, false
	}
	if !ascii(t) {
		for _, r := range t {
			if unicode.Is(unicode.Nd, r) && r > 127 {
				fail(0, "digits outside ASCII are not supported")
			}
		}
		return 0, false
	}
	if strings.ContainsAny(t, "xXpP") || strings.HasPrefix(t, "_") || strings.HasSuffix(t, "_") || strings.Contains(t, "__") {
		return 0, false
	}
	for i := range len(t) {
		if t[i] == '_' && (!decimal(t[i-1]) || !decimal(t[i+1])) {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(t, "_", ""), 64)
	if err != nil {
		if math.IsInf(f, 0) {
			finite(f)
		}
		return 0, false
	}
	return f, true
}

func intFilter(s *state, v Value, a *args) Value {
	in := a.bindDefault("int", missing, "default?", "base?")
	if in[0] == missing {
		in[0] = int64(0)
	}
	base := int64(10)
	if in[1] != missing {
		base = index(in[1], "int's base")
	}
	if i, ok := toInt(v); ok {
		return integer(i)
	}
	if t, ok := textOf(v); ok {
		if i, ok := s.parseInt(t, base); ok {
			return integer(i)
		}
	}
	f, ok := s.parseFloat(v)
	if !ok {
		return in[0]
	}
	i, _ := big.NewFloat(f).Int(nil)
	return integer(i)
}

// parseInt is Python's int() of a string.
func (s *state) parseInt(t string, base int64) (*big.Int, bool) {
	s.scan(len(t))
	t = strings.TrimFunc(t, isSpace)
	if base != 0 && (base < 2 || base > 36) {
		return nil, false
	}
	if !ascii(t) {
		for _, r := range t {
			if unicode.Is(unicode.Nd, r) && r > 127 {
				fail(0, "digits outside ASCII are not supported")
			}
		}
		return nil, false
	}
	sign := ""
	if t != "" && (t[0] == '-' || t[0] == '+') {
		sign, t = t[:1], t[1:]
	}
	prefix := map[string]int64{"0b": 2, "0o": 8, "0x": 16}[strings.ToLower(t[:min(2, len(t))])]
	switch {
	case prefix != 0 && (base == prefix || base == 0):
		base, t = prefix, strings.TrimPrefix(t[2:], "_")
	case base == 0:
		base = 10
		if len(t) > 1 && t[0] == '0' && strings.Trim(t, "0_") != "" {
			return nil, false
		}
	}
	if t == "" || strings.HasPrefix(t, "_") || strings.HasSuffix(t, "_") || strings.Contains(t, "__") || strings.ContainsAny(t, "+-") {
		return nil, false
	}
	t = strings.ReplaceAll(t, "_", "")
	if len(t) > maxDigits {
		fail(0, "a number of %d digits is too large", len(t))
	}
	s.work(int64(len(t)) * int64(len(t)) / 64)
	return new(big.Int).SetString(strings.TrimPrefix(sign, "+")+t, int(base))
}

func formatFilter(s *state, v Value, a *args) Value {
	if len(a.pos) > 0 && len(a.names) > 0 {
		fail(0, "format takes values or names, not both")
	}
	t := s.soft(v, "format")
	if len(a.names) > 0 {
		d := newDict()
		for i, n := range a.names {
			d.set(s, n, a.values[i])
		}
		return s.printf(t, d)
	}
	return s.printf(t, tuple(a.pos))
}

// getter looks up an attribute such as "a.b.0" of an item.
func (s *state) getter(attribute Value, fallback Value) func(Value) Value {
	var parts []Value
	switch at := attribute.(type) {
	case nil:
	case string:
		parts = attributeParts(at)
	default:
		parts = []Value{at}
	}
	return func(v Value) Value {
		for _, p := range parts {
			s.work(1)
			v = s.getitem(v, p)
			if _, ok := v.(*undefined); ok && fallback != nil {
				v = fallback
			}
		}
		return v
	}
}

func attributeParts(path string) []Value {
	var parts []Value
	for p := range strings.SplitSeq(path, ".") {
		digits := p != "" && strings.Trim(p, "0123456789") == ""
		if !ascii(p) {
			fail(0, "the attribute %q is not supported", p)
		}
		if digits && len(p) < 19 {
			n, _ := strconv.ParseInt(p, 10, 64)
			parts = append(parts, n)
		} else {
			parts = append(parts, p)
		}
	}
	return parts
}

func groupby(s *state, v Value, a *args) Value {
	in := a.bind("groupby", "attribute", "default?", "case_sensitive?")
	get := s.getter(in[0], in[1])
	fold := ignoreCase(s, in[2])
	key := func(v Value) Value { return fold(get(v)) }
	var groups []Value
	var last Value
	for _, item := range s.sorted(s.collect(v), key, false) {
		k := key(item)
		s.take(96)
		if n := len(groups); n > 0 && s.equal(last, k) {
			g := groups[n-1].(*group)
			g.list.items = append(g.list.items, item)
			continue
		}
		last = k
		groups = append(groups, &group{get(item), &list{[]Value{item}}})
	}
	return &list{groups}
}

func indent(s *state, v Value, a *args) Value {
	in := a.bindDefault("indent", missing, "width?", "first?", "blank?")
	by := "    "
	if t, ok := in[0].(string); ok {
		by = t
	} else if in[0] != missing {
		by = s.repeat(" ", big.NewInt(index(in[0], "indent's width")))
	}
	on := func(v Value) bool { return v != missing && truth(v) }
	t := str(v, "indent")
	s.made(len(t))
	all := s.lines(t+"\n", false)
	b := &buffer{s: s}
	if on(in[1]) {
		b.write(by)
	}
	for i, line := range all {
		if i > 0 {
			b.write("\n")
			if line != "" || on(in[2]) {
				b.write(by)
			}
		}
		b.write(line)
	}
	return b.b.String()
}

func itemsFilter(s *state, v Value, a *args) Value {
	a.bind("items")
	// As a generator it fails only when it is read.
	return &generator{kind: "items", next: s.lazilyFrom(func() iterator {
		switch v := v.(type) {
		case *undefined:
			return over(nil)
		case *dict:
			return s.iterate(&view{v, "items"})
		}
		fail(0, "items needs a dict, not %s", typeName(v))
		return nil
	})}
}

func (s *state) lazilyFrom(begin func() iterator) iterator {
	var next iterator
	return func() (Value, bool) {
		if next == nil {
			next = begin()
		}
		return next()
	}
}

func joinFilter(s *state, v Value, a *args) Value {
	in := a.bindDefault("join", missing, "d?", "attribute?")
	sep := ""
	if in[0] != missing {
		sep = s.text(in[0])
	}
	get := func(v Value) Value { return v }
	if in[1] != missing && in[1] != nil {
		get = s.getter(in[1], nil)
	}
	b := &buffer{s: s}
	next := s.iterate(v)
	for i := 0; ; i++ {
		item, ok := next()
		if !ok {
			return b.b.String()
		}
		s.work(1)
		if i > 0 {
			b.write(sep)
		}
		b.write(s.text(get(item)))
	}
}

func mapFilter(s *state, v Value, a *args) Value {
	return s.generate(v, func() func(Value) (Value, bool) {
		if i := indexOf(a.names, "attribute"); len(a.pos) == 0 && i >= 0 {
			var fallback Value
			for j, n := range a.names {
				switch n {
				case "attribute":
				case "default":
					fallback = a.values[j]
				default:
					fail(0, "map has no argument %s", n)
				}
			}
			get := s.getter(a.values[i], fallback)
			return func(item Value) (Value, bool) { return get(item), true }
		}
		if len(a.pos) == 0 {
			fail(0, "map needs the name of a filter")
		}
		name, _ := a.pos[0].(string)
		f, ok := filters[name]
		if !ok {
			fail(0, "%s", noSuch("filter", name))
		}
		rest := &args{a.pos[1:], a.names, a.values}
		return func(item Value) (Value, bool) { return f(s, item, rest), true }
	})
}

func indexOf(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return -1
}

// generate makes a generator; what prepare gives is asked for each item whether
// it is kept, and as what.
func (s *state) generate(v Value, prepare func() func(Value) (Value, bool)) Value {
	s.take(128)
	var f func(Value) (Value, bool)
	next := s.lazilyFrom(func() iterator {
		if !truth(v) {
			return over(nil)
		}
		f = prepare()
		return s.iterate(v)
	})
	return &generator{kind: "filter", next: func() (Value, bool) {
		for {
			item, ok := next()
			if !ok {
				return nil, false
			}
			s.work(1)
			if out, keep := f(item); keep {
				return out, true
			}
		}
	}}
}

func selecting(s *state, v Value, a *args, byAttribute, want bool) Value {
	return s.generate(v, func() func(Value) (Value, bool) {
		get := func(v Value) Value { return v }
		rest := a.pos
		if byAttribute {
			if len(rest) == 0 {
				fail(0, "the name of an attribute is missing")
			}
			get = s.getter(rest[0], nil)
			rest = rest[1:]
		}
		if len(rest) == 0 {
			return func(item Value) (Value, bool) { return item, truth(get(item)) == want }
		}
		name, _ := rest[0].(string)
		test, ok := tests[name]
		if !ok {
			fail(0, "%s", noSuch("test", name))
		}
		with := &args{rest[1:], a.names, a.values}
		return func(item Value) (Value, bool) { return item, truth(test(s, get(item), with)) == want }
	})
}

func extreme(s *state, v Value, a *args, which string) Value {
	in := a.bind(which, "case_sensitive?", "attribute?")
	get := s.getter(in[1], nil)
	fold := ignoreCase(s, in[0])
	next := s.iterate(v)
	best, ok := next()
	if !ok {
		return &undefined{"the " + which + " of an empty sequence"}
	}
	key := fold(get(best))
	for {
		item, ok := next()
		if !ok {
			return best
		}
		k := fold(get(item))
		if which == "max" && s.less(key, k) || which == "min" && s.less(k, key) {
			best, key = item, k
		}
	}
}

func replaceFilter(s *state, v Value, a *args) Value {
	in := a.bind("replace", "old", "new", "count?")
	n := int64(-1)
	if in[2] != nil {
		n = index(in[2], "replace's count")
	}
	return s.replace(s.text(v), s.text(in[0]), s.text(in[1]), n)
}

func round(s *state, v Value, a *args) Value {
	in := a.bindDefault("round", missing, "precision?", "method?")
	digits := int64(0)
	none := in[0] == nil
	if in[0] != missing && !none {
		digits = index(in[0], "round's precision")
	}
	method := Value("common")
	if in[1] != missing {
		method = in[1]
	}
	if method != "common" && method != "ceil" && method != "floor" {
		fail(0, "round's method must be common, ceil or floor")
	}
	if !isNumber(v) {
		fail(0, "round needs a number, not %s", typeName(v))
	}
	if digits > 300 || digits < -300 || none {
		fail(0, "round to this precision is not supported")
	}
	if method != "common" {
		return roundTowards(s, v, digits, method.(string))
	}
	if f, ok := v.(float64); ok {
		if digits < 0 {
			fail(0, "round of a float to tens is not supported")
		}
		r, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'f', int(digits), 64), 64)
		return r
	}
	i, _ := toInt(v)
	if digits >= 0 {
		return integer(i)
	}
	// To tens, half to even.
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(-digits), nil)
	q, m := new(big.Int).DivMod(i, unit, new(big.Int))
	switch m.Lsh(m, 1).Cmp(unit) {
	case 1:
		q.Add(q, big.NewInt(1))
	case 0:
		if q.Bit(0) == 1 {
			q.Add(q, big.NewInt(1))
		}
	}
	return integer(q.Mul(q, unit))
}

func roundTowards(s *state, v Value, digits int64, method string) Value {
	unit := s.power10(digits)
	x := s.arithmetic("*", v, unit)
	if f, ok := x.(float64); ok {
		if method == "ceil" {
			f = math.Ceil(f)
		} else {
			f = math.Floor(f)
		}
		i, _ := big.NewFloat(f).Int(nil)
		x = integer(i)
	}
	return s.arithmetic("/", x, unit)
}

func (s *state) power10(digits int64) Value { return s.arithmetic("**", int64(10), digits) }

func sliceFilter(s *state, v Value, a *args) Value {
	in := a.bind("slice", "slices", "fill_with?")
	i, offset := int64(0), int64(0)
	var items []Value
	var n int64
	begun := false
	return &generator{kind: "slice", next: func() (Value, bool) {
		if !begun {
			begun = true
			items = s.collect(v)
			if n = index(in[0], "slice's count"); n == 0 {
				fail(0, "slice into 0 parts")
			}
		}
		if i >= n {
			return nil, false
		}
		each, extra := int64(len(items))/n, int64(len(items))%n
		start := offset + i*each
		if i < extra {
			offset++
		}
		end := offset + (i+1)*each
		s.take(48 + 16*(end-start+1))
		s.work(1 + end - start)
		part := append([]Value{}, items[start:end]...)
		if in[1] != nil && i >= extra {
			part = append(part, in[1])
		}
		i++
		return &list{part}, true
	}}
}

func sortFilter(s *state, v Value, a *args) Value {
	in := a.bind("sort", "reverse?", "case_sensitive?", "attribute?")
	fold := ignoreCase(s, in[1])
	var gets []func(Value) Value
	if t, ok := in[2].(string); ok {
		for p := range strings.SplitSeq(t, ",") {
			gets = append(gets, s.getter(p, nil))
		}
	} else {
		gets = append(gets, s.getter(in[2], nil))
	}
	return &list{s.sorted(s.collect(v), func(v Value) Value {
		keys := make([]Value, len(gets))
		s.take(48 + 16*int64(len(gets)))
		for i, get := range gets {
			keys[i] = fold(get(v))
		}
		return &list{keys}
	}, truth(in[0]))}
}

func stringFilter(s *state, v Value, a *args) Value {
	a.bind("string")
	if m, ok := v.(markup); ok {
		return m
	}
	return s.text(v)
}

func sum(s *state, v Value, a *args) Value {
	in := a.bindDefault("sum", missing, "attribute?", "start?")
	get := func(v Value) Value { return v }
	if in[0] != missing && in[0] != nil {
		get = s.getter(in[0], nil)
	}
	total := Value(int64(0))
	if in[1] != missing {
		total = in[1]
	}
	if _, ok := textOf(total); ok {
		fail(0, "sum cannot add strings")
	}
	floats, addend := false, 0.0
	next := s.iterate(v)
	for {
		item, ok := next()
		if !ok {
			return total
		}
		item = get(item)
		_, f := item.(float64)
		if floats = floats || f; floats {
			// Some versions of Python round a sum of floats once, others at each step.
			x := exact(total)
			if !isNumber(item) {
				fail(0, "sum cannot add %s", typeName(item))
			}
			sum := s.arithmetic("+", total, item).(float64)
			addend, _ = x.Add(x, exact(item)).Float64()
			if sum != addend || exact(sum).Cmp(x) != 0 {
				fail(0, "a sum of floats that is not exact is not supported")
			}
		}
		total = s.arithmetic("+", total, item)
	}
}

func titleFilter(t string) string {
	simple(t)
	var b strings.Builder
	begin := true
	for _, r := range t {
		switch {
		case isSpace(r) || strings.ContainsRune("-({[<", r):
			begin = true
			b.WriteRune(r)
		case begin:
			b.WriteString(upper(string(r)))
			begin = false
		default:
			b.WriteString(lower(string(r)))
		}
	}
	return b.String()
}

func trim(s *state, v Value, a *args) Value {
	in := a.bind("trim", "chars?")
	if m, ok := v.(markup); ok {
		return markup(s.strip("trim", string(m), in[0], true, true))
	}
	return s.strip("trim", s.text(v), in[0], true, true)
}

func truncate(s *state, v Value, a *args) Value {
	in := a.bindDefault("truncate", missing, "length?", "killwords?", "end?", "leeway?")
	length, end, leeway := int64(255), "...", int64(5)
	if in[0] != missing {
		length = index(in[0], "truncate's length")
	}
	if in[2] != missing {
		end = str(in[2], "truncate")
	}
	if in[3] != missing && in[3] != nil {
		leeway = index(in[3], "truncate's leeway")
	}
	n := int64(s.mustLength(end))
	if length < n || leeway < 0 {
		fail(0, "truncate's length or leeway is too small")
	}
	if length > 1<<40 || leeway > 1<<40 || int64(s.mustLength(v)) <= length+leeway {
		return v
	}
	t, ok := v.(string)
	if !ok {
		fail(0, "truncate needs a string, not %s", typeName(v))
	}
	cut := s.slice(t, nil, length-n, nil).(string)
	if in[1] == missing || !truth(in[1]) {
		if i := strings.LastIndexByte(cut, ' '); i >= 0 {
			cut = cut[:i]
		}
	}
	s.made(len(cut) + len(end))
	return cut + end
}

func unique(s *state, v Value, a *args) Value {
	in := a.bind("unique", "case_sensitive?", "attribute?")
	get, fold := s.getter(in[1], nil), ignoreCase(s, in[0])
	items := s.lazily(v)
	seen := newDict()
	return &generator{kind: "unique", next: func() (Value, bool) {
		for {
			item, ok := items()
			if !ok {
				return nil, false
			}
			s.work(1)
			k := fold(get(item))
			if _, ok := seen.get(s, k); !ok {
				seen.set(s, k, true)
				return item, true
			}
		}
	}}
}

func wordcount(s *state, v Value, a *args) Value {
	a.bind("wordcount")
	n, in := int64(0), false
	t := s.soft(v, "wordcount")
	s.scan(4 * len(t))
	for _, r := range t {
		word := r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r)
		if word && !in {
			n++
		}
		in = word
	}
	return n
}
