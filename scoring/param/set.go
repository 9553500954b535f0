package param

import (
	"fmt"
	"reflect"
	"slices"
)

// Set holds the parameters of several structs by name, each once, with the
// values that a user gave. It is what flags write to and structs are filled
// from.
type Set struct {
	params []Param
	owners map[string][]string // parameter → who declares it
	given  map[string]string   // canonical texts
}

// NewSet makes a set without parameters.
func NewSet() *Set {
	return &Set{owners: map[string][]string{}, given: map[string]string{}}
}

// Declare adds the parameters of a struct, which belongs to owner. Two owners
// may declare the same parameter if the declarations are equal; else the set
// panics, since one flag would mean two things.
func (s *Set) Declare(owner string, of any) {
	for _, p := range MustOf(of) {
		i := slices.IndexFunc(s.params, func(q Param) bool { return q.Name == p.Name })
		if i < 0 {
			s.params = append(s.params, p)
		} else if q := s.params[i]; !q.same(p) {
			panic(fmt.Sprintf("parameter %s: %s declares it otherwise than %s", p.Name, owner, s.owners[p.Name][0]))
		}
		s.owners[p.Name] = append(s.owners[p.Name], owner)
	}
}

func (p Param) same(q Param) bool {
	p.index, q.index = nil, nil
	return reflect.DeepEqual(p, q)
}

// Params lists the parameters in order of declaration.
func (s *Set) Params() []Param { return slices.Clone(s.params) }

// Owners lists who declares a parameter.
func (s *Set) Owners(name string) []string { return s.owners[name] }

// Put sets a parameter from a text as a user writes it. The error says what
// the value must be and leaves name and value to the caller.
func (s *Set) Put(name, text string) error {
	i := slices.IndexFunc(s.params, func(p Param) bool { return p.Name == name })
	if i < 0 {
		return fmt.Errorf("there is no parameter %s", name)
	}
	v, err := s.params[i].Parse(text)
	if err != nil {
		return err
	}
	s.given[name] = Text(v)
	return nil
}

// Fill sets every parameter of *of: to the value given, else to its default.
func (s *Set) Fill(of any) error {
	v := reflect.ValueOf(of).Elem()
	for _, p := range MustOf(of) {
		text, ok := s.given[p.Name]
		if !ok {
			text = p.Default
		}
		if err := p.put(v, text); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return nil
}
