// Package param declares parameters as struct fields, so that flags, limits,
// manifest entries and documentation of an eviction policy, an allocation or a
// score method all come from the one struct in its file.
//
// Every exported field of such a struct is a parameter and carries a tag:
//
//		type AdaSnapKV struct {
//			Floor float64 `param:"floor" default:"0.2" min:"0" max:"1" unit:"share" help:"share of the mean that every head is sure of"`
//		}
//
//	  - param: the name of the flag and of the manifest entry
//	  - default: its value where the user gives none
//	  - min, max (inclusive), above, below (exclusive): limits of a number
//	  - odd:"true": only odd integers
//	  - oneof: the texts allowed, separated by blanks
//	  - unit: of a number, for documentation
//	  - help: what it does, one line
//
// Fields are int, float64, bool, a string type, or *int. A pointer is a
// parameter that may be left out: it has no default, and absent says what
// happens then. Fields of embedded structs count as the struct's own, which is
// how several policies share a parameter. Unexported fields, and fields with
// the tag param:"-", are not parameters.
package param

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// Most is the largest integer that any parameter can be, so that sums over all
// heads of a model stay within an int64.
const Most = 1 << 28

// Param is one declared parameter.
type Param struct {
	Name    string
	Help    string
	Unit    string
	Default string // canonical text; "" for a parameter that may be left out
	Absent  string // what happens when it is left out; "" for others
	OneOf   []string

	kind         reflect.Kind // Int, Float64, Bool or String
	pointer      bool
	odd          bool
	low, high    float64 // limits; infinite: none
	above, below bool    // the limit itself is outside
	index        []int   // of the field
}

// Of lists the parameters of a struct, or of a pointer to one, in order of
// declaration. An exported field without a complete tag is an error: a
// parameter that nobody declared would be missing from manifests.
func Of(v any) ([]Param, error) {
	t := reflect.TypeOf(v)
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%T is no struct of parameters", v)
	}
	var out []Param
	seen := map[string]bool{}
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous || !f.IsExported() || f.Tag.Get("param") == "-" {
			continue
		}
		p, err := declared(f)
		if err != nil {
			return nil, fmt.Errorf("%v.%s: %w", t, f.Name, err)
		}
		if seen[p.Name] {
			return nil, fmt.Errorf("%v.%s: the parameter %s is declared twice", t, f.Name, p.Name)
		}
		seen[p.Name] = true
		out = append(out, p)
	}
	return out, nil
}

// MustOf is Of for declarations in code, where an error is a programmer's.
func MustOf(v any) []Param {
	out, err := Of(v)
	if err != nil {
		panic(err)
	}
	return out
}

// declared reads a field's tag.
func declared(f reflect.StructField) (Param, error) {
	p := Param{
		Name: f.Tag.Get("param"), Help: f.Tag.Get("help"), Unit: f.Tag.Get("unit"), Absent: f.Tag.Get("absent"),
		OneOf: strings.Fields(f.Tag.Get("oneof")), odd: f.Tag.Get("odd") == "true",
		low: math.Inf(-1), high: math.Inf(1), index: f.Index,
	}
	t := f.Type
	if p.pointer = t.Kind() == reflect.Pointer; p.pointer {
		t = t.Elem()
	}
	p.kind = t.Kind()
	switch {
	case p.Name == "" || p.Help == "":
		return p, fmt.Errorf(`an exported field is a parameter and needs the tags param and help`)
	case p.kind != reflect.Int && (p.pointer || p.kind != reflect.Float64 && p.kind != reflect.Bool && p.kind != reflect.String):
		return p, fmt.Errorf("a parameter cannot be of type %v", f.Type)
	case p.pointer != (p.Absent != ""):
		return p, fmt.Errorf("the tag absent belongs to pointers, and every pointer needs it")
	}
	for _, limit := range []struct {
		tag     string
		at      *float64
		outside *bool
	}{{"min", &p.low, nil}, {"above", &p.low, &p.above}, {"max", &p.high, nil}, {"below", &p.high, &p.below}} {
		text, ok := f.Tag.Lookup(limit.tag)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return p, fmt.Errorf("the tag %s is no number: %q", limit.tag, text)
		}
		*limit.at = v
		if limit.outside != nil {
			*limit.outside = true
		}
	}
	text, ok := f.Tag.Lookup("default")
	if ok == p.pointer {
		return p, fmt.Errorf("a parameter has either a default or a tag absent")
	}
	if ok {
		v, err := p.Parse(text)
		if err != nil {
			return p, fmt.Errorf("its default is outside its own limits: %w", err)
		}
		p.Default = Text(v)
	}
	return p, nil
}

// Kind is "integer", "number", "switch" or "text".
func (p Param) Kind() string {
	switch p.kind {
	case reflect.Int:
		return "integer"
	case reflect.Float64:
		return "number"
	case reflect.Bool:
		return "switch"
	}
	return "text"
}

// Parse reads a value as a user writes it (integers are decimal, whatever
// zeros they begin with) and checks its limits. The value is an int, float64,
// bool or string. The error says what it must be and leaves name and value to
// the caller.
func (p Param) Parse(text string) (any, error) {
	var v any
	var err error
	switch p.kind {
	case reflect.Int:
		v, err = strconv.Atoi(text)
	case reflect.Float64:
		v, err = parseFloat(text)
	case reflect.Bool:
		v, err = strconv.ParseBool(text)
	default:
		v = text
	}
	if err != nil {
		return nil, fmt.Errorf("it must be %s", p.valueName())
	}
	return v, p.check(v)
}

// parseFloat takes decimal notation only, and makes -0 a 0.
func parseFloat(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err == nil && strings.ContainsAny(text, "xX") {
		err = strconv.ErrSyntax
	}
	return v + 0, err
}

func (p Param) valueName() string {
	switch p.kind {
	case reflect.Int:
		return "a whole decimal number"
	case reflect.Float64:
		return "a number"
	}
	return "true or false"
}

// check holds a value against the limits.
func (p Param) check(v any) error {
	fits := true
	switch v := v.(type) {
	case int:
		fits = p.within(float64(v)) && (!p.odd || v%2 != 0)
	case float64:
		fits = !math.IsInf(v, 0) && p.within(v)
	case string:
		fits = len(p.OneOf) == 0
		for _, known := range p.OneOf {
			fits = fits || v == known
		}
	}
	if n, ok := v.(int); ok && n > Most {
		return fmt.Errorf("it must be at most %d", Most)
	}
	if fits {
		return nil
	}
	return fmt.Errorf("it must be %s", p.Limits())
}

// within is false for NaN.
func (p Param) within(v float64) bool {
	return (v > p.low || v == p.low && !p.above) && (v < p.high || v == p.high && !p.below)
}

// Limits says what values are possible: "0 to 1", "above 1", "odd, at least 1",
// "kv-head or layer"; "" where all of its kind are.
func (p Param) Limits() string {
	var parts []string
	if p.odd {
		parts = append(parts, "odd")
	}
	low, high := strconv.FormatFloat(p.low, 'f', -1, 64), strconv.FormatFloat(p.high, 'f', -1, 64)
	switch hasLow, hasHigh := !math.IsInf(p.low, 0), !math.IsInf(p.high, 0); {
	case hasLow && hasHigh && !p.above && !p.below:
		parts = append(parts, low+" to "+high)
	default:
		if hasLow && p.above {
			parts = append(parts, "above "+low)
		} else if hasLow {
			parts = append(parts, "at least "+low)
		}
		if hasHigh && p.below {
			parts = append(parts, "below "+high)
		} else if hasHigh {
			parts = append(parts, "at most "+high)
		}
	}
	if n := len(p.OneOf); n > 1 {
		parts = append(parts, strings.Join(p.OneOf[:n-1], ", ")+" or "+p.OneOf[n-1])
	} else if n == 1 {
		parts = append(parts, p.OneOf[0])
	}
	if len(parts) == 0 && p.kind == reflect.Float64 {
		return "finite"
	}
	return strings.Join(parts, ", ")
}

// Text writes a value as manifests hold it.
func Text(v any) string { return fmt.Sprint(v) }

// field gives a parameter's field, or the value a pointer field points to; ok
// is false where that is nil.
func (p Param) field(s reflect.Value) (v reflect.Value, ok bool) {
	v = s.FieldByIndex(p.index)
	if p.pointer {
		return v.Elem(), !v.IsNil()
	}
	return v, true
}

func plain(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Int:
		return int(v.Int())
	case reflect.Float64:
		return v.Float()
	case reflect.Bool:
		return v.Bool()
	}
	return v.String()
}

// SetDefaults sets every parameter of *s to its default, pointers to nil.
func SetDefaults(s any) {
	for _, p := range MustOf(s) {
		if err := p.put(reflect.ValueOf(s).Elem(), p.Default); err != nil {
			panic(err) // Of has parsed it
		}
	}
}

// Default gives a struct with every parameter at its default.
func Default[T any]() T {
	var s T
	SetDefaults(&s)
	return s
}

// put sets the parameter's field from a canonical text; "" leaves it out.
func (p Param) put(s reflect.Value, text string) error {
	f := s.FieldByIndex(p.index)
	if p.pointer && text == "" {
		f.SetZero()
		return nil
	}
	v, err := p.Parse(text)
	if err != nil {
		return err
	}
	if p.pointer {
		f.Set(reflect.New(f.Type().Elem()))
		f = f.Elem()
	}
	f.Set(reflect.ValueOf(v).Convert(f.Type()))
	return nil
}

// Check holds every parameter of a struct, or of a pointer to one, against its
// limits. The error names the first that is outside.
func Check(s any) error {
	v := reflect.Indirect(reflect.ValueOf(s))
	for _, p := range MustOf(s) {
		if f, ok := p.field(v); ok {
			if err := p.check(plain(f)); err != nil {
				return fmt.Errorf("%s %v: %w", p.Name, plain(f), err)
			}
		}
	}
	return nil
}

// Value is a parameter and the text of its value.
type Value struct {
	Param
	Text string // Absent where it is left out
}

// Values lists the parameters of a struct with their values, for manifests
// and metadata.
func Values(s any) []Value {
	var out []Value
	v := reflect.Indirect(reflect.ValueOf(s))
	for _, p := range MustOf(s) {
		text := p.Absent
		if f, ok := p.field(v); ok {
			text = Text(plain(f))
		}
		out = append(out, Value{p, text})
	}
	return out
}
