package jinja

type testFunc func(s *state, v Value, a *args) Value

var tests map[string]testFunc

func init() {
	kind := func(name string, ok func(Value) bool) testFunc {
		return func(s *state, v Value, a *args) Value { a.bind(name); return ok(v) }
	}
	operator := func(op string) testFunc {
		return func(s *state, v Value, a *args) Value {
			return s.compare(op, v, a.bind("the test "+op, "other", "/")[0])
		}
	}
	modulo := func(name string, want int64) testFunc {
		return func(s *state, v Value, a *args) Value {
			a.bind(name)
			return s.equal(s.arithmetic("%", v, int64(2)), want)
		}
	}
	isUndefined := func(v Value) bool { _, ok := v.(*undefined); return ok }
	isString := func(v Value) bool { _, ok := textOf(v); return ok }
	tests = map[string]testFunc{
		"odd":  modulo("odd", 1),
		"even": modulo("even", 0),
		"divisibleby": func(s *state, v Value, a *args) Value {
			return s.equal(s.arithmetic("%", v, a.bind("divisibleby", "num")[0]), int64(0))
		},
		"defined":   kind("defined", func(v Value) bool { return !isUndefined(v) }),
		"undefined": kind("undefined", isUndefined),
		"none":      kind("none", func(v Value) bool { return v == nil }),
		"boolean":   kind("boolean", func(v Value) bool { _, ok := v.(bool); return ok }),
		"true":      kind("true", func(v Value) bool { b, ok := v.(bool); return ok && b }),
		"false":     kind("false", func(v Value) bool { b, ok := v.(bool); return ok && !b }),
		"integer": kind("integer", func(v Value) bool {
			_, b := v.(bool)
			_, i := toInt(v)
			return i && !b
		}),
		"float":   kind("float", func(v Value) bool { _, ok := v.(float64); return ok }),
		"number":  kind("number", isNumber),
		"string":  kind("string", isString),
		"mapping": kind("mapping", func(v Value) bool { _, ok := v.(*dict); return ok }),
		"sequence": kind("sequence", func(v Value) bool {
			switch v.(type) {
			case string, markup, tuple, *list, *dict, *undefined, *span, *group:
				return true
			}
			return false
		}),
		"iterable": kind("iterable", iterable),
		"callable": kind("callable", func(v Value) bool {
			switch v.(type) {
			case *native, *macro, *loopValue, *joiner, *undefined:
				return true
			}
			return false
		}),
		"escaped": kind("escaped", func(v Value) bool { _, ok := v.(markup); return ok }),
		"lower":   func(s *state, v Value, a *args) Value { a.bind("lower"); return isLower(s.text(v)) },
		"upper":   func(s *state, v Value, a *args) Value { a.bind("upper"); return isUpper(s.text(v)) },
		"sameas": func(s *state, v Value, a *args) Value {
			other := a.bind("sameas", "other")[0]
			for _, x := range []Value{v, other} {
				y := other
				if x == nil || y == nil {
					break
				}
				switch x.(type) {
				case bool:
				case *list, *dict, *namespace, *macro:
					continue
				default:
					if typeName(v) == typeName(other) {
						fail(0, "the test sameas of %s is not supported", typeName(x))
					}
				}
			}
			return identical(v, other)
		},
		"filter": func(s *state, v Value, a *args) Value {
			a.bind("filter")
			s.hash(v) // a list or a dict is an error
			name, _ := textOf(v)
			_, ok := filters[name]
			return ok || unsupported["filter "+name]
		},
		"test": func(s *state, v Value, a *args) Value {
			a.bind("test")
			s.hash(v) // a list or a dict is an error
			name, _ := textOf(v)
			_, ok := tests[name]
			return ok
		},
		"in": func(s *state, v Value, a *args) Value { return s.contains(a.bind("in", "seq")[0], v) },
	}
	for _, names := range [][]string{
		{"==", "==", "eq", "equalto"}, {"!=", "!=", "ne"}, {">", ">", "gt", "greaterthan"},
		{">=", ">=", "ge"}, {"<", "<", "lt", "lessthan"}, {"<=", "<=", "le"},
	} {
		for _, n := range names[1:] {
			tests[n] = operator(names[0])
		}
	}
}
