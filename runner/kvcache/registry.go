package kvcache

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"headprof/scoring"
	"headprof/scoring/allocate"
	"headprof/scoring/param"
)

// Preset is a policy before it knows its prompt: a struct whose exported
// fields are the policy's parameters (see package param). Embedding Selection
// makes it one that looks at attention.
type Preset interface {
	// For prepares the policy for a prompt. An error says what of the prompt,
	// the model or the profile does not suit it.
	For(Prompt) (Policy, error)
}

// Prompt is what a policy may plan by before it sees a layer.
type Prompt struct {
	Tokens   int // of the whole prompt
	Capacity int // entries per KV head on average, window included
	Model    allocate.Model
	Scores   *scoring.Table // the profile; nil: none
}

var errNoProfile = errors.New("a profile is needed; name one with --scores")

// rows finds the rows of the first of the named methods that the profile
// holds. A profile of a single method of another name, such as a published
// file, serves as well.
func (p Prompt) rows(methods ...string) ([]scoring.Head, error) {
	if p.Scores == nil {
		return nil, errNoProfile
	}
	for _, m := range methods {
		if rows := p.Scores.Of(m); rows != nil {
			return rows, nil
		}
	}
	if only := p.Scores.Only(); only != "" {
		return p.Scores.Of(only), nil
	}
	return nil, fmt.Errorf("the profile holds no scores of method %s, but of %s", methods[len(methods)-1], strings.Join(p.Scores.Methods(), ", "))
}

// grid lays a plan's caches out as [layer][KV head].
func grid[T any](p *allocate.Plan, of func(allocate.Budget) T) [][]T {
	out := make([][]T, len(p.Model.Layers))
	for _, c := range p.Caches {
		out[c.Layer] = append(out[c.Layer], of(c))
	}
	return out
}

// Declaration is all that is said of a policy outside its own methods. The
// policy's file registers it; flags, tables, manifests and documentation
// follow.
type Declaration struct {
	Name    string // in flags and tables
	Order   int    // of tables and figures, ascending
	Whole   bool   // it keeps all entries, so capacities mean nothing to it
	Control bool   // a comparison for another policy: only where it is asked for
	Method  string // the score method whose profile it allocates by; "": none
	PerHead bool   // it cuts the heads of a layer differently, which a latent cache cannot
	Curves  bool   // it allocates by that method's curves
	Keeps   string // documentation: what each KV head keeps
	Source  string // documentation: paper and code
	New     func() Preset
}

var declarations []Declaration

// register adds a policy; for the init of its file.
func register(d Declaration) {
	param.MustOf(d.New())
	declarations = append(declarations, d)
	slices.SortStableFunc(declarations, func(a, b Declaration) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Name, b.Name))
	})
}

// Declarations lists every policy, in the order of tables.
func Declarations() []Declaration { return slices.Clone(declarations) }

// Lookup finds a policy by its name.
func Lookup(name string) (Declaration, error) {
	var names []string
	for _, d := range declarations {
		if d.Name == name {
			return d, nil
		}
		names = append(names, d.Name)
	}
	return Declaration{}, fmt.Errorf("no policy %q; known: %s", name, strings.Join(names, ", "))
}

// Parameters is the set of all policies' parameters, at their defaults.
func Parameters() *param.Set {
	s := param.NewSet()
	for _, d := range declarations {
		s.Declare(d.Name, d.New())
	}
	return s
}
