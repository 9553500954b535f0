package scoring

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"headprof/scoring/param"
)

// Declaration is all that is said of a score method outside its own methods.
// The method's file registers it; flags, tables, manifests and documentation
// follow.
type Declaration struct {
	Order    int    // of tables, ascending; the first method is the default
	Measures string // documentation: what a head scores for
	Source   string // documentation: paper
	// New gives a pointer to the method's struct, whose exported fields are
	// its parameters (see package param).
	New func() Method
}

var declarations []Declaration

// register adds a method; for the init of its file.
func register(d Declaration) {
	param.MustOf(d.New())
	declarations = append(declarations, d)
	slices.SortStableFunc(declarations, func(a, b Declaration) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.New().Name(), b.New().Name()))
	})
}

// Declarations lists every score method, the default first.
func Declarations() []Declaration { return slices.Clone(declarations) }

// Parameters is the set of all methods' parameters, at their defaults.
func Parameters() *param.Set {
	s := param.NewSet()
	for _, d := range declarations {
		m := d.New()
		s.Declare(m.Name(), m)
	}
	return s
}

// Methods returns every score method with its parameters at their defaults,
// the default method first.
func Methods() []Method {
	var out []Method
	for _, d := range declarations {
		out = append(out, d.method())
	}
	return out
}

func (d Declaration) method() Method {
	m := d.New()
	param.SetDefaults(m)
	return m
}

// Lookup finds a method by its name, its parameters at their defaults.
func Lookup(name string) (Method, error) {
	var names []string
	for _, d := range declarations {
		if m := d.method(); m.Name() == name {
			return m, nil
		} else {
			names = append(names, m.Name())
		}
	}
	return nil, fmt.Errorf("no score method %q; known: %s", name, strings.Join(names, ", "))
}

// visible cuts a row to the evidence positions it holds: weights[from:to]
// belong to the span. It is empty where a sliding window hides the evidence.
func visible(n, first int, evidence Span) (from, to int) {
	from = min(max(evidence.Start-first, 0), n)
	to = min(max(evidence.End-first, from), n)
	return from, to
}
