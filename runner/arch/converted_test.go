package arch_test

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"headprof/runner/gguf"
	"headprof/runner/tensor"
)

// converted is a model as llama.cpp's converter makes it of the folder; see
// testdata/convert.py.
type converted struct {
	Keys    map[string]json.RawMessage
	Tensors [][4]json.RawMessage // name, sources, operation, argument
}

// runGGUF computes a recorded model's numbers from its GGUF form.
func (r *recorded) runGGUF(t testing.TB) output {
	t.Helper()
	m := mutant{gguf.NewMetadata("recorded"), map[string]tensor.Tensor{}}
	for k, raw := range r.GGUF.Keys {
		if err := m.Set(k, keyValue(t, raw)); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Set("headprof.context", len(r.Tokens)); err != nil {
		t.Fatal(err)
	}
	folder := map[string]tensor.Tensor{}
	for _, w := range r.tensors(t) {
		folder[w.Name] = w
	}
	for _, recipe := range r.GGUF.Tensors {
		var name, op string
		var sources []string
		if json.Unmarshal(recipe[0], &name) != nil || json.Unmarshal(recipe[1], &sources) != nil || json.Unmarshal(recipe[2], &op) != nil {
			t.Fatalf("a recipe is %s", recipe)
		}
		var from []tensor.Tensor
		for _, s := range sources {
			from = append(from, folder[s])
		}
		m.tensors[name] = cook(t, name, from, op, recipe[3])
	}
	out, err := r.compute(t, m, device(t, "cpu"))
	if err != nil {
		t.Fatalf("as GGUF: %s: %v", r.Config, err)
	}
	return out
}

// keyValue gives a setting as GGUF files store it.
func keyValue(t testing.TB, raw json.RawMessage) any {
	t.Helper()
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil {
		var flags []bool
		var numbers []int
		if json.Unmarshal(raw, &flags) == nil {
			return flags
		} else if json.Unmarshal(raw, &numbers) == nil {
			return numbers
		}
		var floats []float32
		if json.Unmarshal(raw, &floats) == nil {
			return floats
		}
	}
	if bytes.ContainsAny(raw, ".e") && raw[0] != '"' && raw[0] != 't' && raw[0] != 'f' {
		var x float32
		if json.Unmarshal(raw, &x) == nil {
			return x
		}
	}
	var n int
	var v any
	if json.Unmarshal(raw, &n) == nil {
		return n
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// cook follows one recipe.
func cook(t testing.TB, name string, from []tensor.Tensor, op string, arg json.RawMessage) tensor.Tensor {
	t.Helper()
	var pair [2]float64
	var n int
	json.Unmarshal(arg, &pair)
	json.Unmarshal(arg, &n)
	if op == "numbers" {
		var list []float32
		if err := json.Unmarshal(arg, &list); err != nil {
			t.Fatal(err)
		}
		return tensor.FromF32(name, []int{len(list)}, list)
	}
	w := from[0]
	x, shape := w.F32(), w.Shape
	cols := w.Cols()
	var y []float32
	switch op {
	case "keysof", "valuesof":
		var sizes []int
		if err := json.Unmarshal(arg, &sizes); err != nil {
			t.Fatal(err)
		}
		heads, key, value := sizes[0], sizes[1], sizes[2]
		for h := range heads {
			from := x[h*(key+value)*cols:]
			if op == "valuesof" {
				y = append(y, from[key*cols:(key+value)*cols]...)
				continue
			}
			for c := range cols {
				for r := range key {
					y = append(y, from[r*cols+c])
				}
			}
		}
		if shape = []int{heads, value, cols}; op == "keysof" {
			shape = []int{heads, cols, key}
		}
	case "copy":
		y = x
	case "scaled":
		var factors []float64
		if err := json.Unmarshal(arg, &factors); err != nil {
			t.Fatal(err)
		}
		if len(factors) == 1 {
			factors = append(factors, float64(shape[0]))
		}
		each := len(x) / shape[0]
		for i := 0; i < len(factors); i += 2 {
			for range int(factors[i+1]) * each {
				y = append(y, x[len(y)]*float32(factors[i]))
			}
		}
	case "split":
		y, shape = x, []int{n, len(x) / n}
	case "flat", "decay", "column", "decaycolumn", "groups", "tile", "tilecols", "decaytile", "flattile":
		var args []int
		json.Unmarshal(arg, &args)
		y, shape = cookHybrid(x, shape, op, args)
	case "plus":
		for _, v := range x {
			y = append(y, v+1)
		}
	case "one":
		y, shape = x, shape[1:]
	case "permute":
		rows := shape[0] / n // of a head
		width := len(x) / shape[0]
		for h := range n {
			for i := range rows / 2 {
				for _, r := range []int{i, i + rows/2} {
					y = append(y, x[(h*rows+r)*width:][:width]...)
				}
			}
		}
	case "stack":
		for _, p := range from {
			y = append(y, p.F32()...)
		}
		shape = append([]int{len(from)}, shape...)
	case "every":
		for i := int(pair[0]); i < len(x); i += int(pair[1]) { // the step divides a row
			y = append(y, x[i])
		}
		shape = append(append([]int(nil), shape[:len(shape)-1]...), cols/int(pair[1]))
	case "merged":
		in, out := shape[1], shape[2]
		for e := range shape[0] {
			for c := int(pair[0]); c < out; c += int(pair[1]) {
				for r := range in {
					y = append(y, x[(e*in+r)*out+c])
				}
			}
		}
		shape = []int{shape[0], out / int(pair[1]), in}
	case "mergedhalf":
		in, out := shape[1], shape[2]/2
		for e := range shape[0] {
			for c := range out {
				for r := range in {
					y = append(y, x[(e*in+r)*2*out+int(pair[0])*out+c])
				}
			}
		}
		shape = []int{shape[0], out, in}
	case "rows":
		k := len(shape) - 2
		rows := shape[k]
		a, b := int(pair[0]*float64(rows)), int(pair[1]*float64(rows))
		for e := range len(x) / (rows * cols) {
			y = append(y, x[(e*rows+a)*cols:(e*rows+b)*cols]...)
		}
		shape = append(append([]int(nil), shape[:k]...), b-a, cols)
	default:
		t.Fatalf("tensor %s: no operation %q", name, op)
	}
	return tensor.FromF32(name, shape, y)
}

// cookHybrid follows the recipes of hybrid models; see testdata/convert.py.
func cookHybrid(x []float32, shape []int, op string, arg []int) ([]float32, []int) {
	x = slices.Clone(x)
	tile := func(x []float32, groups, n int) { // blocks of n numbers
		from, each := slices.Clone(x), len(x)/(groups*n)
		for g := range groups {
			for v := range each {
				copy(x[(v*groups+g)*n:][:n], from[(g*each+v)*n:])
			}
		}
	}
	if strings.HasPrefix(op, "flat") {
		var rest []int
		for _, n := range shape {
			if n > 1 {
				rest = append(rest, n)
			}
		}
		shape = rest
	}
	if strings.HasPrefix(op, "decay") {
		for i, v := range x {
			x[i] = float32(-math.Exp(float64(v)))
		}
	}
	width := 1
	for _, n := range shape[1:] {
		width *= n
	}
	switch op {
	case "column", "decaycolumn":
		shape = append(slices.Clone(shape), 1)
	case "decaytile":
		tile(x, arg[0], arg[1])
	case "tile", "flattile":
		tile(x[arg[0]*width:], arg[1], arg[2]*width)
	case "tilecols":
		for r := range shape[0] {
			tile(x[r*width:][:width], arg[0], arg[1])
		}
	case "groups":
		var y []float32
		sizes, all, before := arg[1:5], 0, make([]int, 4)
		for k, n := range sizes {
			before[k], all = all, all+n
		}
		for _, k := range arg[5:] {
			for h := range arg[0] {
				y = append(y, x[(h*all+before[k])*width:][:sizes[k]*width]...)
			}
		}
		return y, []int{len(y) / width, width}
	}
	return x, shape
}
