package jinja

import "slices"

// Limits of a template's form, at or below those of Python's compiler, which
// jinja2 hands its templates to.
const (
	maxExpression = 150 // levels of an expression
	maxStatements = 80  // levels of statements
	maxLoops      = 20  // loops within loops
)

type parser struct {
	tokens []token
	i      int
	depth  int // levels of statements
	levels int // levels of the expression being parsed
}

func parse(source string) []node {
	p := &parser{tokens: lex(source)}
	return p.statements(nil)
}

func (p *parser) cur() token { return p.tokens[p.i] }

func (p *parser) look() token { return p.tokens[min(p.i+1, len(p.tokens)-1)] }

func (p *parser) next() token {
	t := p.tokens[p.i]
	if t.kind != tEOF {
		p.i++
	}
	return t
}

func (p *parser) skip(op string) bool {
	if p.cur().is(op) {
		p.i++
		return true
	}
	return false
}

func (p *parser) skipName(name string) bool {
	if p.cur().name(name) {
		p.i++
		return true
	}
	return false
}

func (p *parser) expect(op string) token {
	if !p.cur().is(op) {
		fail(p.cur().line, "expected %q, not %s", op, p.cur().describe())
	}
	return p.next()
}

func (p *parser) expectKind(k kind, what string) token {
	if p.cur().kind != k {
		fail(p.cur().line, "expected %s, not %s", what, p.cur().describe())
	}
	return p.next()
}

func (p *parser) ident() string { return p.expectKind(tName, "a name").text }

// statements parses up to a block that begins with one of the names in until,
// whose name is then the current token.
func (p *parser) statements(until []string) []node {
	if p.depth++; p.depth > maxStatements {
		fail(p.cur().line, "blocks are nested more than %d deep", maxStatements)
	}
	defer func() { p.depth-- }()
	var body, run []node
	flush := func() {
		if len(run) > 0 {
			body = append(body, &nOutput{pos(run[0].at()), run})
			run = nil
		}
	}
	for {
		t := p.cur()
		switch t.kind {
		case tEOF:
			if until != nil {
				fail(t.line, "the template ends where {%% %s %%} is expected", until[len(until)-1])
			}
			flush()
			return body
		case tData:
			p.next()
			run = append(run, &nData{pos(t.line), t.text})
		case tVariableBegin:
			p.next()
			run = append(run, p.tuple(tupleRules{conditions: true}))
			p.expectKind(tVariableEnd, "}}")
		case tBlockBegin:
			flush()
			p.next()
			if p.cur().kind == tName && slices.Contains(until, p.cur().text) {
				return body
			}
			body = append(body, p.statement())
			p.expectKind(tBlockEnd, "%}")
		default:
			fail(t.line, "unexpected %s", t.describe())
		}
	}
}

// block parses a statement's body after its head, up to the end named last in
// until or another name there; that name is consumed and returned.
func (p *parser) block(until ...string) ([]node, string) {
	p.skip(":")
	p.expectKind(tBlockEnd, "%}")
	body := p.statements(until)
	return body, p.next().text
}

func (p *parser) statement() node {
	t := p.expectKind(tName, "the name of a block")
	at := pos(t.line)
	switch t.text {
	case "for":
		return p.loop(at)
	case "if":
		return p.condition(at)
	case "set":
		target := p.target(false, "", true)
		if p.skip("=") {
			return &nAssign{at, target, p.tuple(tupleRules{conditions: true})}
		}
		var f *nFilter
		if n := p.filters(nil); n != nil {
			f = n.(*nFilter)
		}
		body, _ := p.block("endset")
		return &nAssignBlock{at, target, f, body}
	case "with":
		n := &nWith{pos: at}
		for p.cur().kind != tBlockEnd {
			if len(n.targets) > 0 {
				p.expect(",")
			}
			target := p.target(false, "", false)
			setUse(target, param)
			n.targets = append(n.targets, target)
			p.expect("=")
			n.values = append(n.values, p.expression())
		}
		n.body, _ = p.block("endwith")
		return n
	case "macro":
		n := &nMacro{pos: at, name: p.target(true, "", false).(*nName).name}
		p.signature(n)
		n.body, _ = p.block("endmacro")
		return n
	case "call":
		n := &nCallBlock{pos: at, macro: &nMacro{pos: at}}
		if p.cur().is("(") {
			p.signature(n.macro)
		}
		call, ok := p.expression().(*nCall)
		if !ok {
			fail(t.line, "the call block has no call")
		}
		n.call = call
		n.macro.body, _ = p.block("endcall")
		return n
	case "generation":
		n := &nCallBlock{pos: at, macro: &nMacro{pos: at}}
		n.macro.body, _ = p.block("endgeneration")
		return n
	case "filter":
		n := &nFilterBlock{pos: at}
		n.filter = p.filterChain(nil, true).(*nFilter)
		n.body, _ = p.block("endfilter")
		return n
	case "print":
		n := &nOutput{pos: at}
		for p.cur().kind != tBlockEnd {
			if len(n.parts) > 0 {
				p.expect(",")
			}
			n.parts = append(n.parts, p.expression())
		}
		return n
	case "break":
		return &nJump{at, breaks}
	case "continue":
		return &nJump{at, continues}
	case "block", "extends", "include", "import", "from", "autoescape":
		fail(t.line, "{%% %s %%} is not supported", t.text)
	}
	fail(t.line, "unknown block {%% %s %%}", t.text)
	return nil
}

func (p *parser) loop(at pos) node {
	n := &nFor{pos: at, target: p.target(false, "in", false)}
	if !p.skipName("in") {
		fail(p.cur().line, "expected \"in\", not %s", p.cur().describe())
	}
	n.iter = p.tuple(tupleRules{end: "recursive"})
	if p.skipName("if") {
		n.test = p.expression()
	}
	n.recursive = p.skipName("recursive")
	body, end := p.block("else", "endfor")
	n.body = body
	if end == "else" {
		n.other, _ = p.block("endfor")
	}
	return n
}

func (p *parser) condition(at pos) node {
	first := &nIf{pos: at}
	n := first
	for {
		n.test = p.tuple(tupleRules{})
		body, end := p.block("elif", "else", "endif")
		n.body = body
		switch end {
		case "elif":
			n = &nIf{pos: pos(p.cur().line)}
			first.elifs = append(first.elifs, n)
			continue
		case "else":
			first.other, _ = p.block("endif")
		}
		return first
	}
}

func (p *parser) signature(m *nMacro) {
	p.expect("(")
	for !p.cur().is(")") {
		if len(m.args) > 0 {
			p.expect(",")
		}
		arg := p.target(true, "", false).(*nName)
		arg.use = param
		for _, a := range m.args {
			if a.name == arg.name {
				fail(arg.at(), "the argument %s is named twice", arg.name)
			}
		}
		if p.skip("=") {
			m.defaults = append(m.defaults, p.expression())
		} else if len(m.defaults) > 0 {
			fail(p.cur().line, "an argument without a default follows one that has a default")
		}
		m.args = append(m.args, arg)
	}
	p.expect(")")
}

// target parses what is assigned to: a name, or a tuple of names, or, where
// spaced, attributes of namespaces.
func (p *parser) target(nameOnly bool, end string, spaced bool) node {
	var n node
	line := p.cur().line
	if nameOnly {
		n = &nName{pos(line), p.ident(), store}
	} else {
		n = p.tuple(tupleRules{simple: true, end: end, spaced: spaced})
		setUse(n, store)
	}
	if !assignable(n) {
		fail(line, "this cannot be assigned to")
	}
	return n
}

func setUse(n node, u use) {
	switch n := n.(type) {
	case *nName:
		n.use = u
	case *nTuple:
		for _, item := range n.items {
			setUse(item, u)
		}
	}
}

func assignable(n node) bool {
	switch n := n.(type) {
	case *nName:
		return !slices.Contains([]string{"true", "false", "none", "True", "False", "None"}, n.name)
	case *nNSRef:
		return true
	case *nTuple:
		for _, item := range n.items {
			if !assignable(item) {
				return false
			}
		}
		return true
	}
	return false
}

type tupleRules struct {
	simple     bool   // names and literals only
	conditions bool   // with "a if b else c"
	end        string // a name that ends the tuple
	parens     bool   // in parentheses, so that it may be empty
	spaced     bool   // with attributes of namespaces
}

func (p *parser) tuple(r tupleRules) node {
	line := p.cur().line
	var items []node
	isTuple := false
	for {
		if len(items) > 0 {
			p.expect(",")
		}
		t := p.cur()
		if t.kind == tVariableEnd || t.kind == tBlockEnd || t.is(")") || r.end != "" && t.name(r.end) {
			break
		}
		switch {
		case r.simple:
			items = append(items, p.primary(r.spaced))
		case r.conditions || r.parens:
			items = append(items, p.expression())
		default:
			items = append(items, p.or())
		}
		if !p.cur().is(",") {
			break
		}
		isTuple = true
		line = p.cur().line
	}
	if !isTuple {
		if len(items) > 0 {
			return items[0]
		}
		if !r.parens {
			fail(p.cur().line, "expected an expression, not %s", p.cur().describe())
		}
	}
	return &nTuple{pos(line), items}
}

// deeper counts a level of the expression.
func (p *parser) deeper() {
	if p.levels++; p.levels > maxExpression {
		fail(p.cur().line, "an expression is nested more than %d deep", maxExpression)
	}
}

func (p *parser) expression() node {
	p.deeper()
	defer func() { p.levels-- }()
	at := pos(p.cur().line)
	n := p.or()
	for p.skipName("if") {
		test := p.or()
		var no node
		if p.skipName("else") {
			no = p.expression()
		}
		n = &nCond{at, test, n, no}
		at = pos(p.cur().line)
	}
	return n
}

// binary parses a chain of left-associative operators.
func (p *parser) binary(operand func() node, ops ...string) node {
	at := pos(p.cur().line)
	left := operand()
	for {
		t := p.cur()
		if !(t.kind == tOperator || t.kind == tName) || !slices.Contains(ops, t.text) {
			return left
		}
		p.next()
		left = &nBinary{at, t.text, left, operand()}
		at = pos(p.cur().line)
	}
}

func (p *parser) or() node  { return p.binary(p.and, "or") }
func (p *parser) and() node { return p.binary(p.not, "and") }

func (p *parser) not() node {
	if !p.cur().name("not") {
		return p.compare()
	}
	p.deeper()
	defer func() { p.levels-- }()
	at := pos(p.next().line)
	return &nUnary{at, "not", p.not()}
}

func (p *parser) compare() node {
	n := &nCompare{pos: pos(p.cur().line), first: p.sum()}
	for {
		t := p.cur()
		switch {
		case t.kind == tOperator && slices.Contains([]string{"==", "!=", "<", "<=", ">", ">="}, t.text):
			p.next()
			n.ops = append(n.ops, t.text)
		case t.name("in"):
			p.next()
			n.ops = append(n.ops, "in")
		case t.name("not") && p.look().name("in"):
			p.next()
			p.next()
			n.ops = append(n.ops, "not in")
		default:
			if len(n.ops) == 0 {
				return n.first
			}
			return n
		}
		n.rest = append(n.rest, p.sum())
	}
}

func (p *parser) sum() node { return p.binary(p.concat, "+", "-") }

func (p *parser) concat() node {
	at := pos(p.cur().line)
	parts := []node{p.product()}
	for p.skip("~") {
		parts = append(parts, p.product())
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return &nConcat{at, parts}
}

func (p *parser) product() node { return p.binary(p.power, "*", "/", "//", "%") }

func (p *parser) power() node {
	return p.binary(func() node { return p.unary(true) }, "**")
}

func (p *parser) unary(filtered bool) node {
	t := p.cur()
	var n node
	if t.is("-") || t.is("+") {
		p.deeper()
		p.next()
		n = &nUnary{pos(t.line), t.text, p.unary(false)}
		p.levels--
	} else {
		n = p.primary(false)
	}
	n = p.postfix(n)
	if filtered {
		n = p.filterExpressions(n)
	}
	return n
}

func (p *parser) primary(spaced bool) node {
	t := p.cur()
	at := pos(t.line)
	switch {
	case t.kind == tName:
		p.next()
		switch t.text {
		case "true", "True":
			return &nConst{at, true}
		case "false", "False":
			return &nConst{at, false}
		case "none", "None":
			return &nConst{at, nil}
		}
		if spaced && p.skip(".") {
			return &nNSRef{at, t.text, p.ident()}
		}
		return &nName{at, t.text, load}
	case t.kind == tString:
		text := p.next().text
		for p.cur().kind == tString {
			text += p.next().text
		}
		return &nConst{at, text}
	case t.kind == tInteger || t.kind == tFloat:
		p.next()
		return &nConst{at, t.num}
	case t.is("("):
		p.deeper()
		p.next()
		n := p.tuple(tupleRules{conditions: true, parens: true})
		p.expect(")")
		p.levels--
		return n
	case t.is("["):
		p.deeper()
		n := &nList{pos: at, items: p.sequence("]", p.expression)}
		p.levels--
		return n
	case t.is("{"):
		p.deeper()
		n := &nDict{pos: at}
		p.sequence("}", func() node {
			n.keys = append(n.keys, p.expression())
			p.expect(":")
			n.values = append(n.values, p.expression())
			return nil
		})
		p.levels--
		return n
	}
	fail(t.line, "unexpected %s", t.describe())
	return nil
}

// sequence parses items up to end, after its opening bracket.
func (p *parser) sequence(end string, item func() node) []node {
	p.next()
	var items []node
	for n := 0; !p.cur().is(end); n++ {
		if n > 0 {
			p.expect(",")
			if p.cur().is(end) {
				break
			}
		}
		items = append(items, item())
	}
	p.expect(end)
	return items
}

func (p *parser) postfix(n node) node {
	for {
		switch t := p.cur(); {
		case t.is(".") || t.is("["):
			n = p.subscript(n)
		case t.is("("):
			n = &nCall{pos(t.line), n, p.arguments()}
		default:
			return n
		}
	}
}

func (p *parser) filterExpressions(n node) node {
	for {
		switch t := p.cur(); {
		case t.is("|"):
			n = p.filters(n)
		case t.name("is"):
			n = p.test(n)
		case t.is("("):
			n = &nCall{pos(t.line), n, p.arguments()}
		default:
			return n
		}
	}
}

func (p *parser) subscript(of node) node {
	t := p.next()
	at := pos(t.line)
	if t.is(".") {
		name := p.next()
		switch name.kind {
		case tName:
			return &nGetattr{at, of, name.text}
		case tInteger:
			return &nGetitem{at, of, &nConst{at, name.num}}
		}
		fail(name.line, "expected a name or a number, not %s", name.describe())
	}
	var keys []node
	slices := false
	for !p.cur().is("]") {
		if len(keys) > 0 {
			p.expect(",")
		}
		k := p.subscribed()
		_, s := k.(*nSlice)
		slices = slices || s
		keys = append(keys, k)
	}
	p.expect("]")
	if len(keys) == 1 {
		return &nGetitem{at, of, keys[0]}
	}
	if slices {
		fail(t.line, "a slice with several parts is not supported")
	}
	return &nGetitem{at, of, &nTuple{at, keys}}
}

func (p *parser) subscribed() node {
	n := &nSlice{pos: pos(p.cur().line)}
	if !p.cur().is(":") {
		key := p.expression()
		if !p.cur().is(":") {
			return key
		}
		n.start = key
	}
	p.next()
	part := func() node {
		if p.cur().is("]") || p.cur().is(",") {
			return nil
		}
		return p.expression()
	}
	if !p.cur().is(":") {
		n.stop = part()
	}
	if p.skip(":") {
		n.step = part()
	}
	return n
}

func (p *parser) arguments() arguments {
	open := p.expect("(")
	var a arguments
	ensure := func(ok bool) {
		if !ok {
			fail(open.line, "the arguments of a call are in a wrong order")
		}
	}
	for n := 0; !p.cur().is(")"); n++ {
		if n > 0 {
			p.expect(",")
			if p.cur().is(")") {
				break
			}
		}
		switch {
		case p.skip("*"):
			ensure(a.star == nil && a.stars == nil)
			a.star = p.expression()
		case p.skip("**"):
			ensure(a.stars == nil)
			a.stars = p.expression()
		case p.cur().kind == tName && p.look().is("="):
			ensure(a.stars == nil)
			name := p.next().text
			if slices.Contains(a.names, name) {
				fail(open.line, "the argument %s is given twice", name)
			}
			p.next()
			a.names = append(a.names, name)
			a.values = append(a.values, p.expression())
		default:
			ensure(a.star == nil && a.stars == nil && len(a.names) == 0)
			a.args = append(a.args, p.expression())
		}
	}
	p.expect(")")
	return a
}

// dotted parses the name of a filter or a test.
func (p *parser) dotted() string {
	name := p.ident()
	for p.skip(".") {
		name += "." + p.ident()
	}
	return name
}

func (p *parser) filters(n node) node { return p.filterChain(n, false) }

// filterChain parses filters; where inline, the first without its bar.
func (p *parser) filterChain(n node, inline bool) node {
	for inline || p.cur().is("|") {
		if !inline {
			p.next()
		}
		inline = false
		f := &nFilter{pos: pos(p.cur().line), of: n}
		f.name = p.dotted()
		if p.cur().is("(") {
			f.arguments = p.arguments()
		}
		n = f
	}
	return n
}

func (p *parser) test(of node) node {
	at := pos(p.next().line)
	negated := p.skipName("not")
	n := &nTest{pos: at, of: of, name: p.dotted()}
	switch t := p.cur(); {
	case t.is("("):
		n.arguments = p.arguments()
	case t.kind == tName || t.kind == tString || t.kind == tInteger || t.kind == tFloat || t.is("[") || t.is("{"):
		if t.name("else") || t.name("or") || t.name("and") {
			break
		}
		if t.name("is") {
			fail(t.line, "two tests with \"is\" cannot be chained")
		}
		n.args = []node{p.postfix(p.primary(false))}
	}
	if negated {
		return &nUnary{at, "not", n}
	}
	return n
}
