package jinja

import (
	"slices"
	"strings"
)

// A template is compiled to closures: a statement writes to a buffer, an
// expression gives a value.
type (
	stmt func(*scope, *buffer) flow
	expr func(*scope) Value
)

// flow is how a statement ends.
type flow int

const (
	normal flow = iota
	breaks
	continues
)

// scope is one run of a function: its cells.
type scope struct {
	s     *state
	cells []Value
	outer *scope
}

func (sc *scope) inner(f *function) *scope {
	sc.s.take(64 + 16*int64(f.size))
	cells := make([]Value, f.size)
	for i := range cells {
		cells[i] = missing
	}
	return &scope{sc.s, cells, sc}
}

// buffer collects text; most bounds its length where it is not 0.
type buffer struct {
	s     *state
	b     strings.Builder
	limit int
}

func (b *buffer) write(text string) {
	if b.limit > 0 && b.b.Len()+len(text) > b.limit {
		fail(0, "the template writes more than %d bytes", b.limit)
	}
	b.s.scan(len(text))
	b.s.take(3 * int64(len(text))) // as it grows
	b.b.WriteString(text)
}

// frame is what the compiler knows where it stands.
type frame struct {
	*symbols
	soft     bool // in a condition: unknown filters fail only when they run
	inLoop   bool // break and continue have a loop
	loops    int  // loops around, within the function
	defaults bool // in the default of a macro's argument
	depth    *int // levels of the expression being compiled
}

func (f *frame) inner(fn *function) *frame {
	g := &frame{symbols: newSymbols(f.symbols, fn), inLoop: f.inLoop, loops: f.loops, depth: f.depth}
	if fn != f.fn {
		g.inLoop, g.loops = false, 0
	}
	return g
}

func (f *frame) softly() *frame {
	g := *f
	g.soft = true
	return &g
}

func compile(body []node) *Template {
	root := newFunction(nil)
	f := &frame{symbols: newSymbols(nil, root), depth: new(int)}
	t := &Template{root: root, names: map[string]bool{}}
	walk(body, func(n node) bool {
		if name, ok := n.(*nName); ok && name.use == load {
			t.names[name.name] = true
		}
		return true
	})
	if undeclared(body, "self")["self"] {
		fail(0, "the name self (the template's blocks) is not supported")
	}
	f.visit(body...)
	enter := f.enter()
	run := block(body, f)
	t.run = func(sc *scope, out *buffer) flow {
		for i := range sc.cells {
			sc.cells[i] = missing
		}
		enter(sc)
		return run(sc, out)
	}
	return t
}

// cell gives access to a variable from a function.
func cell(from *function, id *ident) func(*scope) *Value {
	hops := 0
	for f := from; f != id.fn; f = f.outer {
		hops++
	}
	return func(sc *scope) *Value {
		for range hops {
			sc = sc.outer
		}
		return &sc.cells[id.cell]
	}
}

// enter sets the scope's variables to what they begin with.
func (f *frame) enter() func(*scope) {
	type action struct {
		set  func(*scope) *Value
		from func(*scope) *Value
		name string
	}
	var actions []action
	for id, l := range f.loads {
		a := action{set: cell(f.fn, id)}
		switch l.kind {
		case loadParameter:
			continue
		case loadResolve:
			a.name = l.name
		case loadAlias:
			a.from = cell(f.fn, l.alias)
		}
		actions = append(actions, a)
	}
	return func(sc *scope) {
		for _, a := range actions {
			v := missing
			switch {
			case a.from != nil:
				v = *a.from(sc)
			case a.name != "":
				v = sc.s.resolve(a.name)
			}
			*a.set(sc) = v
		}
	}
}

// leave unsets the scope's variables.
func (f *frame) leave() func(*scope) {
	var all []func(*scope) *Value
	for id := range f.loads {
		all = append(all, cell(f.fn, id))
	}
	return func(sc *scope) {
		for _, c := range all {
			*c(sc) = missing
		}
	}
}

func (s *state) resolve(name string) Value {
	if v, ok := s.variables[name]; ok {
		return v
	}
	if v, ok := globals[name]; ok {
		return v
	}
	return missing
}

// block compiles statements that run one after the other.
func block(ns []node, f *frame) stmt {
	all := make([]stmt, len(ns))
	for i, n := range ns {
		all[i] = statement(n, f)
	}
	return func(sc *scope, out *buffer) flow {
		for _, run := range all {
			if fl := run(sc, out); fl != normal {
				return fl
			}
		}
		return normal
	}
}

// statement compiles one statement; while it runs, its line is in the state.
func statement(n node, f *frame) stmt {
	line := n.at()
	run := bareStatement(n, f)
	return func(sc *scope, out *buffer) flow {
		sc.s.line = line
		sc.s.work(1)
		return run(sc, out)
	}
}

func bareStatement(n node, f *frame) stmt {
	switch n := n.(type) {
	case *nOutput:
		return output(n, f)
	case *nFor:
		return loop(n, f)
	case *nIf:
		return condition(n, f.softly())
	case *nMacro:
		make := macroMaker(n, f)
		set := cell(f.fn, f.find(n.name))
		return func(sc *scope, _ *buffer) flow {
			*set(sc) = make(sc)
			return normal
		}
	case *nCallBlock:
		return callBlock(n, f)
	case *nFilterBlock:
		return filterBlock(n, f)
	case *nWith:
		return with(n, f)
	case *nAssign:
		value := expression(n.value, f)
		check := namespaces(n.target, f)
		set := assign(n.target, f)
		return func(sc *scope, _ *buffer) flow {
			check(sc)
			set(sc, value(sc))
			return normal
		}
	case *nAssignBlock:
		return assignBlock(n, f)
	case *nJump:
		if !f.inLoop {
			fail(n.at(), "break and continue need a loop around them")
		}
		return func(*scope, *buffer) flow { return n.to }
	}
	panic("unknown statement")
}

func output(n *nOutput, f *frame) stmt {
	type part struct {
		text  string
		value expr
		line  int
	}
	parts := make([]part, len(n.parts))
	for i, p := range n.parts {
		if d, ok := p.(*nData); ok {
			parts[i].text = d.text
		} else {
			parts[i].value, parts[i].line = expression(p, f), p.at()
		}
	}
	return func(sc *scope, out *buffer) flow {
		for _, p := range parts {
			if p.value == nil {
				out.write(p.text)
				continue
			}
			sc.s.line = p.line
			out.write(sc.s.text(p.value(sc)))
		}
		return normal
	}
}

func condition(n *nIf, f *frame) stmt {
	type branch struct {
		test expr
		run  stmt
	}
	branches := []branch{{expression(n.test, f), block(n.body, f)}}
	for _, e := range n.elifs {
		branches = append(branches, branch{expression(e.test, f), block(e.body, f)})
	}
	other := block(n.other, f)
	return func(sc *scope, out *buffer) flow {
		for _, b := range branches {
			if truth(b.test(sc)) {
				return b.run(sc, out)
			}
		}
		return other(sc, out)
	}
}

func loop(n *nFor, f *frame) stmt {
	if f.loops >= maxLoops {
		fail(n.at(), "loops are nested more than %d deep", maxLoops)
	}
	walk([]node{n}, func(m node) bool {
		if name, ok := m.(*nName); ok && name.use == store && name.name == "loop" {
			fail(m.at(), "the name loop cannot be assigned to in a loop")
		}
		return true
	})
	fn := f.fn
	if n.recursive {
		fn = newFunction(f.fn)
	}
	inner, other := f.inner(fn), f.inner(fn)
	inner.inLoop = true
	inner.loops++
	extended := n.recursive || undeclared(n.body, "loop")["loop"]
	var setLoop func(*scope) *Value
	if extended {
		setLoop = cell(fn, inner.parameter("loop"))
	}
	inner.parameters(n.target)
	inner.visit(n.body...)
	other.visit(n.other...)

	source := expression(n.iter, f)
	filter := loopFilter(n, f)
	set := assign(n.target, inner)
	enter, leave := inner.enter(), inner.leave()
	body := block(n.body, inner)
	enterOther, leaveOther := other.enter(), other.leave()
	runOther := block(n.other, other)

	// run goes through one iterable; sc is of fn, outside of the scope around the loop.
	run := func(sc, outside *scope, v Value, depth int, recurse func(*state, Value, int) string, out *buffer) flow {
		items := sc.s.iterate(v)
		if filter != nil {
			items, v = filter(outside, items), missing
		}
		var l *loopValue
		if extended {
			sc.s.take(200)
			l = &loopValue{source: v, items: items, index: -1, depth: depth, recurse: recurse, before: missing, current: missing, after: missing, changed: missing}
			*setLoop(sc) = missing
		}
		none := true
		for {
			sc.s.work(1)
			var item Value
			var ok bool
			if extended {
				item, ok = l.next()
			} else {
				item, ok = items()
			}
			if !ok {
				break
			}
			if extended {
				*setLoop(sc) = l
			}
			set(sc, item)
			enter(sc)
			fl := body(sc, out)
			if fl == breaks {
				break
			}
			if fl == normal {
				none = false
			}
		}
		leave(sc)
		if none && len(n.other) > 0 {
			enterOther(sc)
			if fl := runOther(sc, out); fl != normal {
				return fl
			}
			leaveOther(sc)
		}
		return normal
	}
	if !n.recursive {
		return func(sc *scope, out *buffer) flow { return run(sc, sc, source(sc), 0, nil, out) }
	}
	return func(sc *scope, out *buffer) flow {
		var recurse func(*state, Value, int) string
		recurse = func(s *state, v Value, depth int) string {
			s.enter()
			defer s.leave()
			b := &buffer{s: s}
			run(sc.inner(fn), sc, v, depth, recurse, b)
			return b.b.String()
		}
		out.write(recurse(sc.s, source(sc), 0))
		return normal
	}
}

// loopFilter gives what a loop's condition leaves of its items, or nil where
// there is none. It is asked item by item, as the loop comes to it.
func loopFilter(n *nFor, f *frame) func(*scope, iterator) iterator {
	if n.test == nil {
		return nil
	}
	fn := newFunction(f.fn)
	g := f.inner(fn)
	g.parameters(n.target)
	g.visit(n.test)
	enter := g.enter()
	set := assign(n.target, g)
	test := expression(n.test, g)
	return func(outside *scope, items iterator) iterator {
		var sc *scope
		return func() (Value, bool) {
			if sc == nil { // as a generator, it begins with its first item
				sc = outside.inner(fn)
				enter(sc)
			}
			for {
				sc.s.work(1)
				item, ok := items()
				if !ok {
					return nil, false
				}
				set(sc, item)
				if truth(test(sc)) {
					return item, true
				}
			}
		}
	}
}

func with(n *nWith, f *frame) stmt {
	g := f.inner(f.fn)
	g.visit(n.targets...)
	g.visit(n.body...)
	enter, leave := g.enter(), g.leave()
	var sets []func(*scope, Value)
	var values []expr
	for i := range n.targets {
		sets = append(sets, assign(n.targets[i], g))
		values = append(values, expression(n.values[i], f))
	}
	run := block(n.body, g)
	return func(sc *scope, out *buffer) flow {
		enter(sc)
		for i, set := range sets {
			set(sc, values[i](sc))
		}
		if fl := run(sc, out); fl != normal {
			return fl
		}
		leave(sc)
		return normal
	}
}

func assignBlock(n *nAssignBlock, f *frame) stmt {
	g := f.inner(f.fn)
	g.visit(n.body...)
	enter, leave := g.enter(), g.leave()
	run := block(n.body, g)
	check := namespaces(n.target, f)
	set := assign(n.target, f)
	var filter func(*scope, string) Value
	if n.filter != nil {
		filter = blockFilter(n.filter, g)
	}
	return func(sc *scope, out *buffer) flow {
		enter(sc)
		b := &buffer{s: sc.s}
		if fl := run(sc, b); fl != normal {
			return fl
		}
		var v Value = b.b.String()
		if filter != nil {
			v = filter(sc, b.b.String())
		}
		check(sc)
		set(sc, v)
		leave(sc)
		return normal
	}
}

func filterBlock(n *nFilterBlock, f *frame) stmt {
	g := f.inner(f.fn)
	g.visit(n.body...)
	g.visit(n.filter)
	enter, leave := g.enter(), g.leave()
	run := block(n.body, g)
	filter := blockFilter(n.filter, g)
	return func(sc *scope, out *buffer) flow {
		enter(sc)
		b := &buffer{s: sc.s}
		if fl := run(sc, b); fl != normal {
			return fl
		}
		out.write(written(filter(sc, b.b.String()), "the filter block"))
		leave(sc)
		return normal
	}
}

// written is the text of what must be one.
func written(v Value, what string) string {
	switch v := v.(type) {
	case string:
		return v
	case markup:
		return string(v)
	}
	fail(0, "%s gives %s, not text", what, typeName(v))
	return ""
}

// blockFilter compiles filters that take a block's text.
func blockFilter(n *nFilter, f *frame) func(*scope, string) Value {
	apply := applyFilter(n, f)
	if n.of == nil {
		return func(sc *scope, text string) Value { return apply(sc, text) }
	}
	inner := blockFilter(n.of.(*nFilter), f)
	return func(sc *scope, text string) Value { return apply(sc, inner(sc, text)) }
}

// namespaces checks that what has attributes assigned is a namespace.
func namespaces(target node, f *frame) func(*scope) {
	var all []func(*scope) *Value
	walk([]node{target}, func(n node) bool {
		if r, ok := n.(*nNSRef); ok {
			all = append(all, cell(f.fn, f.ref(r.name, r.at())))
		}
		return true
	})
	return func(sc *scope) {
		for _, c := range all {
			if _, ok := (*c(sc)).(*namespace); !ok {
				fail(0, "an attribute of what is no namespace cannot be assigned to")
			}
		}
	}
}

func (f *frame) ref(name string, line int) *ident {
	id := f.find(name)
	if id == nil {
		fail(line, "the name %s cannot be read here", name)
	}
	return id
}

// assign compiles an assignment.
func assign(target node, f *frame) func(*scope, Value) {
	switch n := target.(type) {
	case *nName:
		set := cell(f.fn, f.ref(n.name, n.at()))
		return func(sc *scope, v Value) { *set(sc) = v }
	case *nNSRef:
		get := cell(f.fn, f.ref(n.name, n.at()))
		if strings.HasPrefix(n.attr, "_") {
			fail(n.at(), "a namespace's attribute must not begin with an underscore: %s", n.attr)
		}
		return func(sc *scope, v Value) { (*get(sc)).(*namespace).attrs.set(sc.s, n.attr, v) }
	case *nTuple:
		var sets []func(*scope, Value)
		for _, item := range n.items {
			sets = append(sets, assign(item, f))
		}
		return func(sc *scope, v Value) {
			items := sc.s.iterate(v)
			values := make([]Value, 0, len(sets))
			for {
				item, ok := items()
				if !ok {
					break
				}
				if len(values) == len(sets) {
					fail(0, "there are more than %d values to unpack", len(sets))
				}
				values = append(values, item)
			}
			if len(values) < len(sets) {
				fail(0, "there are %d values to unpack, not %d", len(values), len(sets))
			}
			for i, set := range sets {
				set(sc, values[i])
			}
		}
	}
	panic("unknown target")
}

// macroMaker compiles a macro and gives what makes it a value.
func macroMaker(n *nMacro, f *frame) func(*scope) *macro {
	fn := newFunction(f.fn)
	g := f.inner(fn)
	analyze := func() {
		for _, a := range n.args {
			g.visit(a)
		}
		g.visit(n.defaults...)
		g.visit(n.body...)
	}
	analyze()
	m := &macro{name: n.name, anonymous: n.name == ""}
	var cells []func(*scope) *Value
	declare := func(id *ident) { cells = append(cells, cell(fn, id)) }
	caller := -1
	for i, a := range n.args {
		m.params = append(m.params, a.name)
		if a.name == "caller" {
			caller = i
		}
		declare(g.find(a.name))
	}
	special := undeclared(n.body, "caller", "kwargs", "varargs")
	if special["caller"] {
		if caller < 0 {
			declare(g.parameter("caller"))
		} else if caller < len(n.args)-len(n.defaults) {
			fail(n.at(), "the argument caller of a macro needs a default")
		}
		m.caller = true
	}
	if special["kwargs"] && !slices.Contains(m.params, "kwargs") {
		declare(g.parameter("kwargs"))
		m.kwargs = true
	}
	if special["varargs"] && !slices.Contains(m.params, "varargs") {
		declare(g.parameter("varargs"))
		m.varargs = true
	}
	analyze()
	enter := g.enter()
	g.defaults = true
	defaults := make([]expr, len(n.args))
	for i, d := range n.defaults {
		defaults[len(n.args)-len(n.defaults)+i] = expression(d, g)
	}
	g.defaults = false
	run := block(n.body, g)
	m.run = func(sc *scope, values []Value) string {
		s := sc.s
		s.enter()
		defer s.leave()
		line := s.line
		inner := sc.inner(fn)
		for i, c := range cells {
			*c(inner) = values[i]
		}
		enter(inner)
		for i, name := range m.params {
			if c := cells[i](inner); *c == missing {
				if defaults[i] != nil {
					*c = defaults[i](inner)
				} else {
					*c = &undefined{"the parameter " + name + " was not given"}
				}
			}
		}
		b := &buffer{s: s}
		run(inner, b)
		s.line = line
		return b.b.String()
	}
	return func(sc *scope) *macro {
		sc.s.take(128)
		made := *m
		made.scope = sc
		return &made
	}
}

func callBlock(n *nCallBlock, f *frame) stmt {
	make := macroMaker(n.macro, f)
	if n.call == nil {
		return func(sc *scope, out *buffer) flow {
			out.write(make(sc).call(sc.s, &args{}).(string))
			return normal
		}
	}
	call := call(n.call, f, true)
	return func(sc *scope, out *buffer) flow {
		out.write(written(call(sc, make(sc)), "the call block"))
		return normal
	}
}

// Expressions.

func expression(n node, f *frame) expr {
	if *f.depth++; *f.depth > maxExpression {
		fail(n.at(), "an expression is nested more than %d deep", maxExpression)
	}
	e := bareExpression(n, f)
	*f.depth--
	return func(sc *scope) Value {
		sc.s.work(1)
		return e(sc)
	}
}

func expressions(ns []node, f *frame) []expr {
	all := make([]expr, len(ns))
	for i, n := range ns {
		all[i] = expression(n, f)
	}
	return all
}

func bareExpression(n node, f *frame) expr {
	switch n := n.(type) {
	case *nConst:
		return func(*scope) Value { return n.value }
	case *nName:
		id := f.ref(n.name, n.at())
		l, _ := f.loading(id)
		get := cell(f.fn, id)
		always := l.kind == loadParameter && !f.defaults
		return func(sc *scope) Value {
			v := *get(sc)
			if v == missing {
				if always {
					fail(n.at(), "the name %s is read outside of its scope", n.name)
				}
				return &undefined{n.name + " is undefined"}
			}
			return v
		}
	case *nTuple:
		items := expressions(n.items, f)
		return func(sc *scope) Value { return tuple(evaluate(sc, items)) }
	case *nList:
		items := expressions(n.items, f)
		return func(sc *scope) Value { return &list{evaluate(sc, items)} }
	case *nDict:
		keys, values := expressions(n.keys, f), expressions(n.values, f)
		return func(sc *scope) Value {
			d := newDict()
			sc.s.take(64)
			for i := range keys {
				k := keys[i](sc)
				d.set(sc.s, k, values[i](sc))
			}
			return d
		}
	case *nCond:
		g := f.softly()
		test, yes := expression(n.test, g), expression(n.yes, g)
		no := func(*scope) Value {
			return &undefined{"an inline if without else was false and so gave no value; it"}
		}
		if n.no != nil {
			no = expression(n.no, g)
		}
		return func(sc *scope) Value {
			if truth(test(sc)) {
				return yes(sc)
			}
			return no(sc)
		}
	case *nBinary:
		return binaryExpression(n, f)
	case *nUnary:
		arg := expression(n.arg, f)
		if n.op == "not" {
			return func(sc *scope) Value { return !truth(arg(sc)) }
		}
		return func(sc *scope) Value { return unary(n.op, arg(sc)) }
	case *nCompare:
		first, rest := expression(n.first, f), expressions(n.rest, f)
		return func(sc *scope) Value {
			left := first(sc)
			var result Value
			for i, e := range rest {
				right := e(sc)
				if result = sc.s.compare(n.ops[i], left, right); !truth(result) {
					break
				}
				left = right
			}
			return result
		}
	case *nConcat:
		parts := expressions(n.parts, f)
		return func(sc *scope) Value {
			b := &buffer{s: sc.s}
			for _, p := range parts {
				b.write(sc.s.text(p(sc)))
			}
			return b.b.String()
		}
	case *nGetattr:
		of := expression(n.of, f)
		return func(sc *scope) Value {
			v := of(sc)
			sc.s.line = n.at()
			return sc.s.getattr(v, n.name)
		}
	case *nGetitem:
		of := expression(n.of, f)
		if s, ok := n.key.(*nSlice); ok {
			return slicing(of, s, f)
		}
		key := expression(n.key, f)
		return func(sc *scope) Value {
			v, k := of(sc), key(sc)
			sc.s.line = n.at()
			return sc.s.getitem(v, k)
		}
	case *nCall:
		run := call(n, f, false)
		return func(sc *scope) Value { return run(sc, nil) }
	case *nFilter:
		apply, of := applyFilter(n, f), expression(n.of, f)
		return func(sc *scope) Value { return apply(sc, of(sc)) }
	case *nTest:
		return test(n, f)
	}
	panic("unknown expression")
}

func evaluate(sc *scope, all []expr) []Value {
	sc.s.take(48 + 32*int64(len(all)))
	values := make([]Value, len(all))
	for i, e := range all {
		values[i] = e(sc)
	}
	return values
}

func binaryExpression(n *nBinary, f *frame) expr {
	left, right := expression(n.left, f), expression(n.right, f)
	switch n.op {
	case "and":
		return func(sc *scope) Value {
			if v := left(sc); !truth(v) {
				return v
			}
			return right(sc)
		}
	case "or":
		return func(sc *scope) Value {
			if v := left(sc); truth(v) {
				return v
			}
			return right(sc)
		}
	case "**":
		// jinja2 hands Python a folded negative base without parentheses, and
		// -2 ** x is -(2 ** x) there, unless x is folded too.
		folded := constant(n.left) && !constant(n.right)
		unsure := lazy(n.left) || lazy(n.right)
		return func(sc *scope) Value {
			l, r := left(sc), right(sc)
			sc.s.line = n.at()
			switch {
			case negative(l) && unsure:
				fail(0, "a power of a negative number with a condition in it is not supported")
			case negative(l) && folded:
				return unary("-", sc.s.arithmetic("**", unary("-", l), r))
			}
			return sc.s.arithmetic("**", l, r)
		}
	}
	return func(sc *scope) Value {
		l, r := left(sc), right(sc)
		sc.s.line = n.at()
		return sc.s.arithmetic(n.op, l, r)
	}
}

// lazy reports whether part of an expression may never be evaluated, so that it
// can be folded though it has names.
func lazy(n node) bool {
	return !constant(n) && !walk([]node{n}, func(n node) bool {
		switch n := n.(type) {
		case *nCond, *nCompare:
			return false
		case *nBinary:
			return n.op != "and" && n.op != "or"
		}
		return true
	})
}

// constant reports whether an expression has neither names nor calls.
func constant(n node) bool {
	return walk([]node{n}, func(n node) bool {
		switch n := n.(type) {
		case *nName, *nCall:
			return false
		case *nFilter:
			return n.name != "map" && n.name != "select" && n.name != "reject" && n.name != "selectattr" && n.name != "rejectattr"
		}
		return true
	})
}

func slicing(of expr, n *nSlice, f *frame) expr {
	part := func(n node) expr {
		if n == nil {
			return func(*scope) Value { return nil }
		}
		return expression(n, f)
	}
	start, stop, step := part(n.start), part(n.stop), part(n.step)
	return func(sc *scope) Value {
		v := of(sc)
		a, b, c := start(sc), stop(sc), step(sc)
		sc.s.line = n.at()
		return sc.s.slice(v, a, b, c)
	}
}

// passed compiles the arguments of a call.
func passed(n *arguments, f *frame) func(*scope) *args {
	positional, values := expressions(n.args, f), expressions(n.values, f)
	var star, stars expr
	if n.star != nil {
		star = expression(n.star, f)
	}
	if n.stars != nil {
		stars = expression(n.stars, f)
	}
	return func(sc *scope) *args {
		a := &args{pos: evaluate(sc, positional), names: n.names, values: evaluate(sc, values)}
		if star != nil {
			items := sc.s.iterate(star(sc))
			for {
				v, ok := items()
				if !ok {
					break
				}
				sc.s.take(32)
				sc.s.work(1)
				a.pos = append(a.pos, v)
			}
		}
		if stars != nil {
			d, ok := stars(sc).(*dict)
			if !ok {
				fail(0, "what follows ** is no dict")
			}
			a.names = slices.Clone(a.names)
			for _, e := range d.entries {
				k, ok := e.key.(string)
				if !ok {
					fail(0, "the keys of what follows ** must be strings")
				}
				a.add(k, e.value)
			}
		}
		return a
	}
}

// call compiles a call; with caller, the value that it gets is passed on as
// the keyword argument caller.
func call(n *nCall, f *frame, caller bool) func(*scope, Value) Value {
	of, with := expression(n.of, f), passed(&n.arguments, f)
	return func(sc *scope, c Value) Value {
		v := of(sc)
		a := with(sc)
		if caller {
			a.names = slices.Clone(a.names)
			a.add("caller", c)
		}
		sc.s.line = n.at()
		return sc.s.call(v, a)
	}
}

func applyFilter(n *nFilter, f *frame) func(*scope, Value) Value {
	filter, ok := filters[n.name]
	if !ok && !f.soft {
		fail(n.at(), "%s", noSuch("filter", n.name))
	}
	with := passed(&n.arguments, f)
	return func(sc *scope, v Value) Value {
		a := with(sc)
		sc.s.line = n.at()
		if filter == nil {
			fail(0, "%s", noSuch("filter", n.name))
		}
		sc.s.work(1)
		return filter(sc.s, v, a)
	}
}

func test(n *nTest, f *frame) expr {
	check, ok := tests[n.name]
	if !ok && !f.soft {
		fail(n.at(), "%s", noSuch("test", n.name))
	}
	of, with := expression(n.of, f), passed(&n.arguments, f)
	return func(sc *scope) Value {
		v := of(sc)
		a := with(sc)
		sc.s.line = n.at()
		if check == nil {
			fail(0, "%s", noSuch("test", n.name))
		}
		return check(sc.s, v, a)
	}
}

// noSuch says why a filter or a test cannot be used.
func noSuch(kind, name string) string {
	if unsupported[kind+" "+name] {
		return "the " + kind + " " + name + " is not supported"
	}
	return "there is no " + kind + " " + name
}
