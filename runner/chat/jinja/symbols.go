package jinja

import "maps"

// Which value a name has is decided before a template runs, by where the name
// is read and assigned in the text. These are jinja2's rules (its idtracking):
// every scope has its own variable for a name it assigns, which begins with the
// outer scope's value where there is one.

type loadKind int

const (
	loadUndefined loadKind = iota // begins unset
	loadParameter                 // is set by the scope's owner
	loadResolve                   // begins with the template's variable of that name
	loadAlias                     // begins with an outer scope's value
)

// ident is a variable: a cell of the function that runs its scope. Scopes of
// the same level in one function share their variables.
type ident struct {
	fn   *function
	cell int
}

type loading struct {
	kind  loadKind
	name  string // to resolve
	alias *ident
}

// function is a unit that has its own cells each time it runs: the template, a
// macro, a recursive loop, a loop's filter.
type function struct {
	outer  *function
	size   int
	cells  map[cellName]*ident
	copied *int // names copied while scopes were analysed, in all functions
}

type cellName struct {
	level int
	name  string
}

func newFunction(outer *function) *function {
	f := &function{outer: outer, cells: map[cellName]*ident{}, copied: new(int)}
	if outer != nil {
		f.copied = outer.copied
	}
	return f
}

func (f *function) ident(level int, name string) *ident {
	k := cellName{level, name}
	id, ok := f.cells[k]
	if !ok {
		id = &ident{f, f.size}
		f.size++
		f.cells[k] = id
	}
	return id
}

type symbols struct {
	level  int
	fn     *function
	parent *symbols
	refs   map[string]*ident
	loads  map[*ident]loading
	stores map[string]bool
}

func newSymbols(parent *symbols, fn *function) *symbols {
	s := &symbols{fn: fn, parent: parent, refs: map[string]*ident{}, loads: map[*ident]loading{}, stores: map[string]bool{}}
	if parent != nil {
		s.level = parent.level + 1
	}
	return s
}

func (s *symbols) copy() *symbols {
	const limit = 300_000
	if *s.fn.copied += len(s.refs) + len(s.stores); *s.fn.copied > limit {
		fail(0, "the template has too many names and conditions")
	}
	c := *s
	c.refs, c.loads, c.stores = maps.Clone(s.refs), maps.Clone(s.loads), maps.Clone(s.stores)
	return &c
}

func (s *symbols) find(name string) *ident {
	for ; s != nil; s = s.parent {
		if id, ok := s.refs[name]; ok {
			return id
		}
	}
	return nil
}

func (s *symbols) loading(id *ident) (loading, bool) {
	for ; s != nil; s = s.parent {
		if l, ok := s.loads[id]; ok {
			return l, true
		}
	}
	return loading{}, false
}

func (s *symbols) define(name string, l loading) *ident {
	id := s.fn.ident(s.level, name)
	s.refs[name] = id
	s.loads[id] = l
	return id
}

func (s *symbols) parameter(name string) *ident {
	s.stores[name] = true
	return s.define(name, loading{kind: loadParameter})
}

func (s *symbols) store(name string) {
	s.stores[name] = true
	if _, ok := s.refs[name]; ok {
		return
	}
	if s.parent != nil {
		if outer := s.parent.find(name); outer != nil {
			s.define(name, loading{kind: loadAlias, alias: outer})
			return
		}
	}
	s.define(name, loading{kind: loadUndefined})
}

func (s *symbols) load(name string) {
	if s.find(name) == nil {
		s.define(name, loading{kind: loadResolve, name: name})
	}
}

// merge takes over what the branches of a condition found: a name assigned in
// some of them begins with its outer value, in case the others run.
func (s *symbols) merge(branches ...*symbols) {
	stores := map[string]bool{}
	for _, b := range branches {
		for name := range b.stores {
			if !s.stores[name] {
				stores[name] = true
			}
		}
	}
	for _, b := range branches {
		maps.Copy(s.refs, b.refs)
		maps.Copy(s.loads, b.loads)
		maps.Copy(s.stores, b.stores)
	}
	for name := range stores {
		id := s.find(name)
		if s.parent != nil {
			if outer := s.parent.find(name); outer != nil {
				s.loads[id] = loading{kind: loadAlias, alias: outer}
				continue
			}
		}
		s.loads[id] = loading{kind: loadResolve, name: name}
	}
}

// visit finds the names of nodes that belong to this scope, not those of the
// scopes within it.
func (s *symbols) visit(ns ...node) {
	for _, n := range ns {
		switch n := n.(type) {
		case nil:
		case *nName:
			switch n.use {
			case param:
				s.parameter(n.name)
			case store:
				s.store(n.name)
			default:
				s.load(n.name)
			}
		case *nNSRef:
			s.load(n.name)
		case *nIf:
			s.visit(n.test)
			branch := func(ns []node) *symbols {
				c := s.copy()
				c.visit(ns...)
				return c
			}
			elifs := make([]node, len(n.elifs))
			for i, e := range n.elifs {
				elifs[i] = e
			}
			s.merge(branch(n.body), branch(elifs), branch(n.other))
		case *nMacro:
			s.store(n.name)
		case *nAssign:
			s.visit(n.value, n.target)
		case *nFor:
			s.visit(n.iter)
		case *nCallBlock:
			if n.call != nil {
				s.visit(n.call)
			}
		case *nFilterBlock:
			s.visit(n.filter)
		case *nWith:
			s.visit(n.values...)
		case *nAssignBlock:
			s.visit(n.target)
		default:
			s.visit(n.kids()...)
		}
	}
}

// parameters declares the names that a loop assigns.
func (s *symbols) parameters(target node) {
	walk([]node{target}, func(n node) bool {
		if name, ok := n.(*nName); ok {
			s.parameter(name.name)
		}
		return true
	})
}

// undeclared finds which of the names are read before they are assigned, in
// the order of the text, scopes within included.
func undeclared(body []node, names ...string) map[string]bool {
	open, found := map[string]bool{}, map[string]bool{}
	for _, n := range names {
		open[n] = true
	}
	walk(body, func(n node) bool {
		if name, ok := n.(*nName); ok {
			if name.use == load && open[name.name] {
				found[name.name] = true
				return len(found) < len(open)
			}
			delete(open, name.name)
		}
		return true
	})
	return found
}
