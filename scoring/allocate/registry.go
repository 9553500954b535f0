package allocate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"headprof/scoring/param"
)

// registered is a policy and its place in lists.
type registered struct {
	order int
	make  func() Policy // with its parameters at zero
}

var policies []registered

// register adds a policy; for the init of its file.
func register(order int, make func() Policy) {
	param.MustOf(make())
	policies = append(policies, registered{order, make})
	slices.SortStableFunc(policies, func(a, b registered) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.make().Name(), b.make().Name()))
	})
}

// Policies lists the policies' names.
func Policies() []string {
	var names []string
	for _, p := range policies {
		names = append(names, p.make().Name())
	}
	return names
}

// New makes a policy by its name, its parameters at their defaults.
func New(name string) (Policy, error) {
	for _, r := range policies {
		if p := r.make(); p.Name() == name {
			param.SetDefaults(p)
			return p, nil
		}
	}
	return nil, fmt.Errorf("no allocation policy %q; known: %s", name, strings.Join(Policies(), ", "))
}

// Parameters is the set of the shared parameters and of all policies', at
// their defaults.
func Parameters() *param.Set {
	s := param.NewSet()
	s.Declare("", new(Params))
	for _, r := range policies {
		p := r.make()
		s.Declare(p.Name(), p)
	}
	return s
}
