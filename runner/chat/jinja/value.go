package jinja

import (
	"fmt"
	"math/big"
	"sort"
	"strings"
	"unicode/utf8"
)

// Value is a Python value: nil (None), bool, int64 or *big.Int (int), float64,
// string, or one of this package's types, which [List], [Dict] and [JSON] make.
type Value any

type (
	tuple []Value
	list  struct{ items []Value }
	// markup is a string that the filters escape and safe give. It escapes what
	// is added to it; what else Python's type does with it is partly refused.
	markup string
	// undefined is what a name or attribute that is not there gives.
	undefined struct{ what string }
	namespace struct{ attrs *dict }
	span      struct{ start, stop, step int64 } // range
	// view is dict.keys(), values() or items().
	view struct {
		of   *dict
		kind string
	}
	// generator is an iterator that can be read once.
	generator struct {
		next iterator
		kind string
	}
	// group is what groupby gives: a tuple whose parts have names.
	group struct {
		key  Value
		list *list
	}
	joiner struct {
		separator string
		used      bool
	}
	cycler struct {
		items []Value
		at    int
	}
	// native is a function or a bound method.
	native struct {
		name string
		call func(*state, *args) Value
	}
	missingType struct{}
)

// missing marks a variable that has no value.
var missing Value = &missingType{}

// iterator gives the next item, and false after the last.
type iterator func() (Value, bool)

// args are the arguments of a call.
type args struct {
	pos    []Value
	names  []string
	values []Value
}

// dict keeps its entries in the order of insertion.
type dict struct {
	entries []entry
	index   map[any]int
}

type entry struct{ key, value Value }

func newDict() *dict { return &dict{index: map[any]int{}} }

// List makes a list.
func List(items ...Value) Value { return &list{items} }

// Dict makes a dict of keys and values in turns; keys are strings.
func Dict(pairs ...Value) Value {
	d := newDict()
	for i := 0; i+1 < len(pairs); i += 2 {
		d.put(pairs[i], pairs[i], pairs[i+1])
	}
	return d
}

// keys that are no strings or numbers.
type (
	noneKey  struct{}
	undefKey struct{}
	bigKey   struct{ digits string }
	tupleKey struct{ parts string }
)

// hash gives a comparable value that is equal for keys that are equal.
func (s *state) hash(v Value) any {
	switch v := v.(type) {
	case nil:
		return noneKey{}
	case bool:
		return number(v)
	case int64:
		return v
	case *big.Int:
		return bigKey{v.Text(62)}
	case float64:
		if i, exact := big.NewFloat(v).Int(nil); exact == big.Exact {
			return s.hash(integer(i))
		}
		return v
	case string:
		s.scan(len(v))
		return v
	case markup:
		return s.hash(string(v))
	case tuple:
		s.enter()
		defer s.leave()
		var b strings.Builder
		for _, item := range v {
			k := fmt.Sprintf("%#v", s.hash(item))
			s.scan(len(k))
			s.take(3 * int64(len(k)))
			fmt.Fprintf(&b, "%d:%s,", len(k), k)
		}
		return tupleKey{b.String()}
	case *undefined:
		return undefKey{}
	case *list, *dict, *view:
		fail(0, "%s cannot be a key", typeName(v))
	}
	fail(0, "%s as a key is not supported", typeName(v))
	return nil
}

func (d *dict) set(s *state, key, value Value) {
	k := s.hash(key)
	if _, ok := d.index[k]; !ok {
		s.take(200)
	}
	d.put(k, key, value)
}

func (d *dict) put(hash any, key, value Value) {
	if i, ok := d.index[hash]; ok {
		d.entries[i].value = value
		return
	}
	d.index[hash] = len(d.entries)
	d.entries = append(d.entries, entry{key, value})
}

func (d *dict) get(s *state, key Value) (Value, bool) {
	i, ok := d.index[s.hash(key)]
	if !ok {
		return nil, false
	}
	return d.entries[i].value, true
}

// add adds a keyword argument.
func (a *args) add(name string, v Value) {
	for _, n := range a.names {
		if n == name {
			fail(0, "the argument %s is given twice", name)
		}
	}
	a.names = append(a.names, name)
	a.values = append(a.values, v)
}

// typeName names a value's type as Python does.
func typeName(v Value) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64, *big.Int:
		return "an int"
	case float64:
		return "a float"
	case string:
		return "a string"
	case markup:
		return "a string marked as safe"
	case tuple, *group:
		return "a tuple"
	case *list:
		return "a list"
	case *dict:
		return "a dict"
	case *undefined:
		return "an undefined value (" + v.what + ")"
	case *namespace:
		return "a namespace"
	case *span:
		return "a range"
	case *view:
		return "a view of a dict"
	case *generator:
		return "an iterator"
	case *macro:
		return "a macro"
	case *loopValue:
		return "a loop"
	case *native:
		return "the function " + v.name
	}
	return "an object"
}

// truth is Python's bool().
func truth(v Value) bool {
	switch v := v.(type) {
	case nil, *undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case *big.Int:
		return v.Sign() != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case markup:
		return v != ""
	case tuple:
		return len(v) > 0
	case *list:
		return len(v.items) > 0
	case *dict:
		return len(v.entries) > 0
	case *span:
		return v.len() > 0
	case *view:
		return len(v.of.entries) > 0
	case *loopValue:
		return v.length() > 0
	}
	return true
}

func (r *span) len() int64 {
	switch {
	case r.step > 0 && r.start < r.stop:
		return (r.stop-r.start-1)/r.step + 1
	case r.step < 0 && r.start > r.stop:
		return (r.start-r.stop-1)/-r.step + 1
	}
	return 0
}

// length is Python's len(), and false where there is none.
func (s *state) length(v Value) (int, bool) {
	switch v := v.(type) {
	case string:
		s.scan(len(v))
		return utf8.RuneCountInString(v), true
	case markup:
		return s.length(string(v))
	case tuple:
		return len(v), true
	case *list:
		return len(v.items), true
	case *dict:
		return len(v.entries), true
	case *undefined:
		return 0, true
	case *span:
		return int(v.len()), true
	case *view:
		return len(v.of.entries), true
	case *group:
		return 2, true
	case *loopValue:
		return v.length(), true
	}
	return 0, false
}

func (s *state) mustLength(v Value) int {
	n, ok := s.length(v)
	if !ok {
		fail(0, "%s has no length", typeName(v))
	}
	return n
}

// iterable reports whether a value can be iterated over.
func iterable(v Value) bool {
	switch v.(type) {
	case string, markup, tuple, *list, *dict, *undefined, *span, *view, *generator, *group, *loopValue, *cycler:
		return true
	}
	return false
}

func over(items []Value) iterator {
	i := 0
	return func() (Value, bool) {
		if i >= len(items) {
			return nil, false
		}
		i++
		return items[i-1], true
	}
}

// iterate is Python's iter().
func (s *state) iterate(v Value) iterator {
	switch v := v.(type) {
	case string:
		rest := v
		return func() (Value, bool) {
			if rest == "" {
				return nil, false
			}
			_, n := utf8.DecodeRuneInString(rest)
			c := rest[:n]
			rest = rest[n:]
			return c, true
		}
	case markup:
		return s.iterate(string(v))
	case tuple:
		return over(v)
	case *group:
		return over([]Value{v.key, v.list})
	case *list:
		return over(v.items)
	case *dict:
		return s.iterate(&view{v, "keys"})
	case *view:
		i := 0
		return func() (Value, bool) {
			if i >= len(v.of.entries) {
				return nil, false
			}
			i++
			return v.item(i - 1), true
		}
	case *undefined:
		return over(nil)
	case *span:
		i, n := int64(0), v.len()
		return func() (Value, bool) {
			if i >= n {
				return nil, false
			}
			i++
			return v.start + (i-1)*v.step, true
		}
	case *generator:
		return v.next
	}
	if _, ok := v.(*loopValue); ok {
		fail(0, "going through a loop's own variable is not supported")
	}
	fail(0, "%s cannot be iterated over", typeName(v))
	return nil
}

func (v *view) item(i int) Value {
	e := v.of.entries[i]
	switch v.kind {
	case "keys":
		return e.key
	case "values":
		return e.value
	}
	return tuple{e.key, e.value}
}

// collect is Python's list().
func (s *state) collect(v Value) []Value {
	next := s.iterate(v)
	var all []Value
	for {
		item, ok := next()
		if !ok {
			return all
		}
		s.work(1)
		s.take(80) // the list as it grows, and the item's box
		all = append(all, item)
	}
}

// identical is Python's "is", where it does not depend on how Python keeps values.
func identical(a, b Value) bool {
	switch x := a.(type) {
	case nil:
		return b == nil
	case bool:
		y, ok := b.(bool)
		return ok && x == y
	case tuple:
		return false
	}
	if _, ok := b.(tuple); ok {
		return false
	}
	return a == b
}

// equal is Python's ==.
func (s *state) equal(a, b Value) bool {
	s.work(1)
	if isNumber(a) && isNumber(b) {
		return compareNumbers(a, b) == 0
	}
	if m, ok := a.(markup); ok {
		a = string(m)
	}
	if m, ok := b.(markup); ok {
		b = string(m)
	}
	if g, ok := a.(*group); ok {
		a = tuple{g.key, g.list}
	}
	if g, ok := b.(*group); ok {
		b = tuple{g.key, g.list}
	}
	switch x := a.(type) {
	case nil:
		return b == nil
	case string:
		y, ok := b.(string)
		s.scan(min(len(x), len(y)))
		return ok && x == y
	case tuple:
		y, ok := b.(tuple)
		return ok && s.equalItems(x, y)
	case *list:
		y, ok := b.(*list)
		return ok && (x == y || s.equalItems(x.items, y.items))
	case *dict:
		y, ok := b.(*dict)
		if !ok || len(x.entries) != len(y.entries) {
			return false
		}
		s.enter()
		defer s.leave()
		for _, e := range x.entries {
			v, ok := y.get(s, e.key)
			if !ok || !s.equal(e.value, v) {
				return false
			}
		}
		return true
	case *undefined:
		_, ok := b.(*undefined)
		return ok
	case *span:
		y, ok := b.(*span)
		if !ok || x.len() != y.len() {
			return false
		}
		return x.len() == 0 || x.start == y.start && (x.len() == 1 || x.step == y.step)
	case *view, *native:
		switch b.(type) {
		case *view, *native:
			fail(0, "comparing %s with %s is not supported", typeName(a), typeName(b))
		}
		return false
	}
	if _, ok := b.(tuple); ok {
		return false
	}
	return a == b
}

func (s *state) equalItems(x, y []Value) bool {
	if len(x) != len(y) {
		return false
	}
	s.enter()
	defer s.leave()
	for i := range x {
		if !s.equal(x[i], y[i]) {
			return false
		}
	}
	return true
}

// less is Python's <.
func (s *state) less(a, b Value) bool {
	s.work(1)
	if isNumber(a) && isNumber(b) {
		return compareNumbers(a, b) < 0
	}
	if x, ok := textOf(a); ok {
		if y, ok := textOf(b); ok {
			s.scan(min(len(x), len(y)))
			return x < y // the order of UTF-8's bytes is that of the characters
		}
	}
	x, y, ok := sequences(a, b)
	if !ok {
		fail(0, "%s and %s have no order", typeName(a), typeName(b))
	}
	s.enter()
	defer s.leave()
	for i := range min(len(x), len(y)) {
		if !s.equal(x[i], y[i]) {
			return s.less(x[i], y[i])
		}
	}
	return len(x) < len(y)
}

// sequences gives the items of two lists or of two tuples.
func sequences(a, b Value) (x, y []Value, ok bool) {
	if p, ok := a.(*list); ok {
		if q, ok := b.(*list); ok {
			return p.items, q.items, true
		}
		return nil, nil, false
	}
	x, okX := tupleOf(a)
	y, okY := tupleOf(b)
	return x, y, okX && okY
}

func tupleOf(v Value) (tuple, bool) {
	if g, ok := v.(*group); ok {
		return tuple{g.key, g.list}, true
	}
	t, ok := v.(tuple)
	return t, ok
}

func textOf(v Value) (string, bool) {
	if m, ok := v.(markup); ok {
		return string(m), true
	}
	t, ok := v.(string)
	return t, ok
}

// compare runs a comparison operator.
func (s *state) compare(op string, a, b Value) bool {
	switch op {
	case "==":
		return s.equal(a, b)
	case "!=":
		return !s.equal(a, b)
	case "in":
		return s.contains(b, a)
	case "not in":
		return !s.contains(b, a)
	case "<":
		return s.less(a, b)
	case ">":
		return s.less(b, a)
	case "<=":
		return s.lessOrEqual(a, b)
	}
	return s.lessOrEqual(b, a)
}

func (s *state) lessOrEqual(a, b Value) bool { return s.less(a, b) || s.equal(a, b) }

// contains is Python's "item in of".
func (s *state) contains(of, item Value) bool {
	if t, ok := textOf(of); ok {
		sub, ok := textOf(item)
		if !ok {
			fail(0, "only a string can be in a string, not %s", typeName(item))
		}
		s.scan(len(t) + len(sub))
		return strings.Contains(t, sub)
	}
	switch v := of.(type) {
	case *dict:
		_, ok := v.get(s, item)
		return ok
	case *view:
		if v.kind == "keys" {
			_, ok := v.of.get(s, item)
			return ok
		}
	case *span:
		if n, ok := item.(int64); ok {
			d := n - v.start
			return v.len() > 0 && d%v.step == 0 && d/v.step >= 0 && d/v.step < v.len()
		}
	}
	next := s.iterate(of)
	for {
		v, ok := next()
		if !ok {
			return false
		}
		if s.equal(v, item) {
			return true
		}
	}
}

// sorted is Python's sorted() by keys, which are compared with <.
func (s *state) sorted(items []Value, key func(Value) Value, reverse bool) []Value {
	s.take(64 * int64(len(items)))
	type keyed struct{ key, value Value }
	all := make([]keyed, len(items))
	for i, v := range items {
		all[i] = keyed{key(v), v}
	}
	sort.SliceStable(all, func(i, j int) bool {
		if reverse {
			return s.less(all[j].key, all[i].key)
		}
		return s.less(all[i].key, all[j].key)
	})
	out := make([]Value, len(all))
	for i, k := range all {
		out[i] = k.value
	}
	return out
}
