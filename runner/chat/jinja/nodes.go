package jinja

// node is a part of a template's tree. kids are in the order in which jinja2
// visits them: its rules of scope depend on it.
type node interface {
	at() int
	kids() []node
}

type pos int

func (p pos) at() int { return int(p) }

type use int

const (
	load use = iota
	store
	param
)

// Statements.
type (
	nOutput struct {
		pos
		parts []node
	}
	nData struct {
		pos
		text string
	}
	nFor struct {
		pos
		target, iter node
		body, other  []node
		test         node
		recursive    bool
	}
	nIf struct {
		pos
		test  node
		body  []node
		elifs []*nIf
		other []node
	}
	nMacro struct {
		pos
		name     string
		args     []*nName
		defaults []node
		body     []node
	}
	// nCallBlock calls a macro with its body as caller; without call it is a
	// generation block.
	nCallBlock struct {
		pos
		call  *nCall
		macro *nMacro
	}
	nFilterBlock struct {
		pos
		body   []node
		filter *nFilter
	}
	nWith struct {
		pos
		targets, values []node
		body            []node
	}
	nAssign struct {
		pos
		target, value node
	}
	nAssignBlock struct {
		pos
		target node
		filter *nFilter
		body   []node
	}
	nJump struct {
		pos
		to flow
	}
)

// Expressions.
type (
	nName struct {
		pos
		name string
		use  use
	}
	nNSRef struct {
		pos
		name, attr string
	}
	nConst struct {
		pos
		value Value
	}
	nTuple struct {
		pos
		items []node
	}
	nList struct {
		pos
		items []node
	}
	nDict struct {
		pos
		keys, values []node
	}
	nCond struct {
		pos
		test, yes, no node // no may be nil
	}
	nBinary struct {
		pos
		op          string
		left, right node
	}
	nUnary struct {
		pos
		op  string
		arg node
	}
	nCompare struct {
		pos
		first node
		ops   []string
		rest  []node
	}
	nConcat struct {
		pos
		parts []node
	}
	nGetattr struct {
		pos
		of   node
		name string
	}
	nGetitem struct {
		pos
		of, key node
	}
	nSlice struct {
		pos
		start, stop, step node // each may be nil
	}
	// arguments of a call, a filter or a test.
	arguments struct {
		args        []node
		names       []string // of the keyword arguments
		values      []node
		star, stars node // *args and **kwargs, or nil
	}
	nCall struct {
		pos
		of node
		arguments
	}
	// nFilter applies a filter; of is nil where it takes a block's text.
	nFilter struct {
		pos
		of   node
		name string
		arguments
	}
	nTest struct {
		pos
		of   node
		name string
		arguments
	}
)

// some leaves out nil nodes.
func some(ns ...node) []node {
	out := ns[:0]
	for _, n := range ns {
		if n != nil {
			out = append(out, n)
		}
	}
	return out
}

func join(parts ...[]node) []node {
	var all []node
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func (a *arguments) kids() []node {
	return join(a.args, a.values, some(a.star, a.stars))
}

func (n *nOutput) kids() []node { return n.parts }
func (n *nData) kids() []node   { return nil }
func (n *nFor) kids() []node {
	return join(some(n.target, n.iter), n.body, n.other, some(n.test))
}
func (n *nIf) kids() []node {
	elifs := make([]node, len(n.elifs))
	for i, e := range n.elifs {
		elifs[i] = e
	}
	return join(some(n.test), n.body, elifs, n.other)
}
func (n *nMacro) kids() []node {
	args := make([]node, len(n.args))
	for i, a := range n.args {
		args[i] = a
	}
	return join(args, n.defaults, n.body)
}
func (n *nCallBlock) kids() []node {
	if n.call == nil {
		return n.macro.kids()
	}
	return join(some(n.call), n.macro.kids())
}
func (n *nFilterBlock) kids() []node { return join(n.body, some(n.filter)) }
func (n *nWith) kids() []node        { return join(n.targets, n.values, n.body) }
func (n *nAssign) kids() []node      { return some(n.target, n.value) }
func (n *nAssignBlock) kids() []node {
	if n.filter == nil {
		return join(some(n.target), n.body)
	}
	return join(some(n.target, n.filter), n.body)
}
func (n *nJump) kids() []node  { return nil }
func (n *nName) kids() []node  { return nil }
func (n *nNSRef) kids() []node { return nil }
func (n *nConst) kids() []node { return nil }
func (n *nTuple) kids() []node { return n.items }
func (n *nList) kids() []node  { return n.items }
func (n *nDict) kids() []node {
	var all []node
	for i := range n.keys {
		all = append(all, n.keys[i], n.values[i])
	}
	return all
}
func (n *nCond) kids() []node    { return some(n.test, n.yes, n.no) }
func (n *nBinary) kids() []node  { return some(n.left, n.right) }
func (n *nUnary) kids() []node   { return some(n.arg) }
func (n *nCompare) kids() []node { return join(some(n.first), n.rest) }
func (n *nConcat) kids() []node  { return n.parts }
func (n *nGetattr) kids() []node { return some(n.of) }
func (n *nGetitem) kids() []node { return some(n.of, n.key) }
func (n *nSlice) kids() []node   { return some(n.start, n.stop, n.step) }
func (n *nCall) kids() []node    { return join(some(n.of), n.arguments.kids()) }
func (n *nFilter) kids() []node  { return join(some(n.of), n.arguments.kids()) }
func (n *nTest) kids() []node    { return join(some(n.of), n.arguments.kids()) }

// walk visits a tree in jinja2's order until visit gives false.
func walk(ns []node, visit func(node) bool) bool {
	for _, n := range ns {
		if !visit(n) || !walk(n.kids(), visit) {
			return false
		}
	}
	return true
}
