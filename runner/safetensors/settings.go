package safetensors

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
)

// settings is an object of config.json. Reads keep their first failure in *err.
// A setting that is null has no value, which is not the same as one that is
// absent: only the latter has its class's default (see family.defaults).
type settings struct {
	values map[string]json.RawMessage
	err    *error
}

// No setting that is a count comes near this.
const maxCount = 1 << 30

func parseSettings(data []byte) (settings, error) {
	s := settings{values: map[string]json.RawMessage{}, err: new(error)}
	err := readObject(data, s.member)
	if err != nil {
		return s, fmt.Errorf("the file is damaged: %w; fetch it again", err)
	}
	return s, nil
}

func (s settings) member(name string, d *json.Decoder) error {
	var v json.RawMessage
	if err := d.Decode(&v); err != nil {
		return err
	}
	s.values[name] = v
	return nil
}

func (s settings) fail(format string, args ...any) {
	if *s.err == nil {
		*s.err = fmt.Errorf(format, args...)
	}
}

// has reports whether key has a value.
func (s settings) has(key string) bool { raw, ok := s.values[key]; return ok && string(raw) != "null" }

// setDefaults adds the settings of a JSON object that are absent.
func (s settings) setDefaults(object string) {
	d, err := parseSettings([]byte(object))
	if err != nil {
		panic(err) // a constant
	}
	for key, value := range d.values {
		if _, given := s.values[key]; !given {
			s.values[key] = value
		}
	}
}

// read decodes key into v and reports whether it was there and fit.
func (s settings) read(key, want string, v any) bool {
	raw := s.values[key]
	if !s.has(key) {
		return false
	}
	if err := json.Unmarshal(raw, v); err != nil {
		s.fail("%q is %s, where %s is needed; fetch the file again", key, short(raw), want)
		return false
	}
	return true
}

func short(raw []byte) string {
	const limit = 40
	if len(raw) > limit {
		return string(raw[:limit]) + "…"
	}
	return string(raw)
}

// count reads a whole number of at least 1.
func (s settings) count(key string) int {
	n := s.countOr(key, 0)
	if n == 0 {
		s.fail("%q is missing or 0; fetch the file again", key)
		return 1
	}
	return n
}

// countOr reads a whole number of at least 0.
func (s settings) countOr(key string, fallback int) int {
	f := s.floatOr(key, float64(fallback))
	if f < 0 || f > maxCount || f != math.Trunc(f) {
		s.fail("%q is %v, where a whole number from 0 to %d is needed; fetch the file again", key, f, maxCount)
		return fallback
	}
	return int(f)
}

func (s settings) floatOr(key string, fallback float64) float64 {
	f := fallback
	if !s.read(key, "a number", &f) {
		return fallback
	}
	return f
}

func (s settings) boolOr(key string, fallback bool) bool {
	b := fallback
	if !s.read(key, "true or false", &b) {
		return fallback
	}
	return b
}

func (s settings) text(key string) string {
	var t string
	s.read(key, "a string", &t)
	return t
}

func (s settings) texts(key string) (list []string) {
	s.read(key, "a list of strings", &list)
	return list
}

func (s settings) floats(key string) (list []float32) {
	s.read(key, "a list of numbers", &list)
	return list
}

// object reads a nested object; absent, it is empty.
func (s settings) object(key string) settings {
	o := settings{values: map[string]json.RawMessage{}, err: s.err}
	raw := s.values[key]
	if !s.has(key) {
		return o
	}
	if err := readObject(raw, o.member); err != nil {
		s.fail("%q: %v; fetch the file again", key, err)
	}
	return o
}

// refuse fails when a switch that changes the equations is on.
func (s settings) refuse(key string) {
	if s.boolOr(key, false) {
		s.fail("%q is true, which headprof does not support for model type %q", key, s.text("model_type"))
	}
}

// activation fails unless key has one of the given values.
func (s settings) activation(key string, allowed ...string) {
	if v := s.text(key); !slices.Contains(allowed, v) {
		s.fail("%q is %q, where headprof supports only %s for model type %q", key, v, strings.Join(allowed, " and "), s.text("model_type"))
	}
}
