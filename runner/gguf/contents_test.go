package gguf

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"

	"headprof/runner/tensor"
)

// What inspect shows of each kind of value.
func TestDescribe(t *testing.T) {
	long := strings.Repeat("x", 81)
	m := NewMetadata("x")
	for i, c := range []struct {
		value any
		want  string
	}{
		{"a \"b\"", `"a \"b\""`},
		{long[:80], `"` + long[:80] + `"`},
		{long, `"` + long[:80] + `"… (81 bytes)`},
		{true, "true"}, {false, "false"},
		{float32(0.1), "0.1"}, {0.125, "0.125"}, {float32(10000), "10000"}, {1e-6, "1e-06"},
		{uint64(1 << 63), "9223372036854775808"}, {int64(-5), "-5"}, {uint8(200), "200"}, {int8(-7), "-7"}, {int16(-300), "-300"},
		{[]string{"a", "b"}, "an array of 2 × string"}, {[]float32{1}, "an array of 1 × float32"},
	} {
		key := fmt.Sprint(i)
		if err := m.Set(key, c.value); err != nil {
			t.Fatal(err)
		}
		if got := m.Describe(key); got != c.want {
			t.Errorf("%T %.20v reads %s, want %s", c.value, c.value, got, c.want)
		}
	}
	if m.Describe("none") != "" || Kind(13).String() != "kind 13" || Float64.String() != "float64" {
		t.Errorf("%q, %v, %v", m.Describe("none"), Kind(13), Float64)
	}
	if err := m.Set("k", struct{}{}); err == nil || err.Error() != `x: metadata "k": a struct {} cannot be stored` || m.Has("k") {
		t.Errorf("a struct: %v", err)
	}
}

// Integers of every width up to the largest int64; an int takes the narrower form.
func TestIntegers(t *testing.T) {
	m := NewMetadata("x")
	for _, c := range []struct {
		value any
		want  int64
		kind  string
	}{
		{5, 5, "int32"}, {math.MinInt32, math.MinInt32, "int32"}, {1 << 31, 1 << 31, "int64"},
		{int64(-5), -5, "int64"}, {uint64(7), 7, "uint64"}, {uint64(math.MaxInt64), math.MaxInt64, "uint64"},
		{uint16(65535), 65535, "uint16"}, {int8(-1), -1, "int8"},
	} {
		m.Set("k", c.value)
		if n, ok, err := m.Int("k"); n != c.want || !ok || err != nil || m.values["k"].kind.String() != c.kind {
			t.Errorf("%T %v: %d of kind %v, %v", c.value, c.value, n, m.values["k"].kind, err)
		}
	}
	for _, c := range []struct {
		value []int
		kind  string
	}{{[]int{1, -2}, "int32"}, {[]int{1, 1 << 40}, "int64"}, {[]int{1 << 40, 1}, "int64"}} {
		m.Set("k", c.value)
		if n, _, err := m.Ints("k"); err != nil || len(n) != 2 || int(n[0]) != c.value[0] || int(n[1]) != c.value[1] || m.values["k"].elem.String() != c.kind {
			t.Errorf("%v: %v of kind %v, %v", c.value, n, m.values["k"].elem, err)
		}
	}
}

// oneKey makes a file without tensors of one key of the given bytes, and the
// key "end" behind it.
func oneKey(key string, kind Kind, value ...byte) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32([]byte("GGUF"), 3)
	b = le.AppendUint64(le.AppendUint64(b, 0), 2)
	b = append(le.AppendUint64(b, uint64(len(key))), key...)
	b = append(le.AppendUint32(b, uint32(kind)), value...)
	b = append(le.AppendUint64(b, 3), "end"...)
	return append(le.AppendUint32(b, uint32(Bool)), 1)
}

// nested is an array within arrays, depth in all, the innermost of two bytes.
func nested(depth int) []byte {
	le := binary.LittleEndian
	if depth == 1 {
		return append(le.AppendUint64(le.AppendUint32(nil, uint32(Uint8)), 2), 1, 2)
	}
	b := le.AppendUint64(le.AppendUint32(nil, uint32(Array)), 2)
	return append(append(b, nested(depth-1)...), nested(depth-1)...)
}

func TestNestedArraysAndLongKeys(t *testing.T) {
	for depth := 1; depth <= 5; depth++ {
		f, err := OpenBytes("x.gguf", oneKey("k", Array, nested(depth)...))
		if depth == 5 {
			if err == nil || !strings.Contains(err.Error(), "nested deeper than 4") {
				t.Errorf("five arrays deep: %v", err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%d arrays deep: %v", depth, err)
			continue
		}
		if end, ok, err := f.Bool("end"); !end || !ok || err != nil {
			t.Errorf("behind %d arrays: %v", depth, err)
		}
		if _, _, err := f.Ints("k"); (err == nil) != (depth == 1) {
			t.Errorf("%d arrays deep: %v", depth, err)
		}
	}
	for n, good := range map[int]bool{65535: true, 65536: false} {
		_, err := OpenBytes("x.gguf", oneKey(strings.Repeat("k", n), Bool, 1))
		if good && err != nil || !good && (err == nil || !strings.Contains(err.Error(), "a string of 65536 bytes at offset 24, where at most 65535 make sense")) {
			t.Errorf("a key of %d bytes: %v", n, err)
		}
	}
	// A string that is cut says how much of it is there: 3 of 9 bytes.
	cut := append(oneKey("k", String, 9, 0, 0, 0, 0, 0, 0, 0)[:45], "abc"...)
	if _, err := OpenBytes("x.gguf", cut); err == nil || !strings.Contains(err.Error(), "9 bytes are needed at offset 45 and only 3 are left: the file is cut off, at least 6 bytes are missing") {
		t.Errorf("a cut string: %v", err)
	}
}

// Counts up to 2^17 tensors and 2^16 keys make sense; then what is missing is said.
func TestCountsThatMakeSense(t *testing.T) {
	for _, c := range []struct {
		tensors, keys uint64
		want          string
	}{
		{1 << 17, 0, "tensor 1 of 131072: 8 bytes are needed"}, {1<<17 + 1, 0, "counts 131073 tensors"},
		{0, 1 << 16, "metadata key 1 of 65536: 8 bytes are needed"}, {0, 1<<16 + 1, "counts 65537 metadata keys"},
	} {
		le := binary.LittleEndian
		b := le.AppendUint64(le.AppendUint64(le.AppendUint32([]byte("GGUF"), 3), c.tensors), c.keys)
		if _, err := OpenBytes("x.gguf", b); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d tensors, %d keys: %v", c.tensors, c.keys, err)
		}
	}
}

func file(t *testing.T, kv []KV, tensors ...tensor.Tensor) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, kv, tensors); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTensorsOfFourDimensionsAndLongNames(t *testing.T) {
	long := strings.Repeat("n", 1024)
	f, err := OpenBytes("x.gguf", file(t, []KV{{keyAlignment, uint32(1 << 20)}}, tensor.FromF32(long, []int{1, 2, 1, 2}, []float32{1, 2, 3, 4})))
	if err != nil {
		t.Fatal(err)
	}
	if w, ok := f.Tensor(long); !ok || !reflect.DeepEqual(w.Shape, []int{1, 2, 1, 2}) {
		t.Errorf("%v %v", w.Shape, ok)
	}
	if _, err := OpenBytes("x.gguf", file(t, nil, tensor.FromF32(long+"n", []int{1}, []float32{1}))); err == nil || !strings.Contains(err.Error(), "tensor 1 of 1: a string of 1025 bytes") {
		t.Errorf("a longer name: %v", err)
	}
	if _, err := OpenBytes("x.gguf", file(t, nil, tensor.FromF32("a", []int{1}, []float32{1}), tensor.FromF32("\xff", []int{1}, []float32{1}))); err == nil || !strings.Contains(err.Error(), "tensor 2 of 2 has the name") {
		t.Errorf("a name that is not UTF-8: %v", err)
	}
}

// Tensors may lie in any order, end to end; those that share bytes are refused.
func TestTensorsOutOfOrder(t *testing.T) {
	eight := func(v float32) []float32 { return []float32{v, v, v, v, v, v, v, v} } // 32 bytes: no padding
	data := file(t, nil, tensor.FromF32("a", []int{8}, eight(1)), tensor.FromF32("b", []int{8}, eight(2)), tensor.FromF32("c", []int{8}, eight(3)))
	offset := func(name string) []byte { // after name: dimensions, one dimension, type
		return data[bytes.Index(data, append([]byte{1, 0, 0, 0, 0, 0, 0, 0}, name...))+9+4+8+4:]
	}
	set := func(a, b, c uint64) {
		for name, at := range map[string]uint64{"a": a, "b": b, "c": c} {
			binary.LittleEndian.PutUint64(offset(name), at)
		}
	}
	set(64, 0, 32)
	f, err := OpenBytes("x.gguf", data)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float32{"a": 3, "b": 1, "c": 2} {
		if w, _ := f.Tensor(name); w.F32()[7] != want {
			t.Errorf("%s holds %v, want %v", name, w.F32(), want)
		}
	}
	for _, c := range []struct {
		a, b, c uint64
		want    string
	}{
		{64, 0, 0, `tensor "c": its data overlaps that of tensor "b"`},
		{0, 64, 0, `tensor "c": its data overlaps that of tensor "a"`},
		{64, 64, 0, `tensor "b": its data overlaps that of tensor "a"`},
	} {
		set(c.a, c.b, c.c)
		if _, err := OpenBytes("x.gguf", data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// A format that is not read is answered with those that are: GGUF's, and not
// the eight-bit floats of safetensors.
func TestUnknownFormatsNameTheKnown(t *testing.T) {
	got := unknownType(tensor.Type(16)).Error()
	for _, f := range tensor.Formats() {
		if named := strings.Contains(got+" ", " "+f.String()+" "); named != !strings.HasPrefix(f.String(), "F8") {
			t.Errorf("%v: named %v in %q", f, named, got)
		}
	}
}

// Early Mixtral files hold each expert's matrix on its own; they are found as
// one stack, where the first of them stands.
func TestExpertsApart(t *testing.T) {
	m := func(name string, v float32) tensor.Tensor {
		return tensor.FromF32(name, []int{1, 2}, []float32{v, v})
	}
	f, err := OpenBytes("x.gguf", file(t, nil,
		m("first", 0), m("blk.0.ffn_up.1.weight", 1), m("between", 0), m("blk.0.ffn_up.0.weight", 2),
		m("blk.1.ffn_up.0.weight", 3), m("blk.1.ffn_up.2.weight", 4), // a gap
		m("blk.2.ffn_up.00.weight", 5),                                                                                 // no number as written
		m("blk.3.ffn_down.0.weight", 6), tensor.FromF32("blk.3.ffn_down.1.weight", []int{2, 2}, []float32{1, 2, 3, 4}), // of other shapes
	))
	if err != nil {
		t.Fatal(err)
	}
	want := "first between blk.0.ffn_up_exps.weight blk.1.ffn_up.0.weight blk.1.ffn_up.2.weight blk.2.ffn_up.00.weight blk.3.ffn_down_exps.weight"
	if got := strings.Join(f.TensorNames(), " "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	w, ok := f.Tensor("blk.0.ffn_up_exps.weight")
	if !ok || !reflect.DeepEqual(w.Shape, []int{2, 1, 2}) || !reflect.DeepEqual(w.F32(), []float32{2, 2, 1, 1}) {
		t.Errorf("the stack: %v %v", w, ok)
	}
	parts, ok := f.Experts("blk.0.ffn_up_exps.weight")
	if !ok || len(parts) != 2 || parts[0].Name != "blk.0.ffn_up.0.weight" {
		t.Errorf("its parts: %v %v", parts, ok)
	}
	for _, name := range []string{"blk.1.ffn_up_exps.weight", "blk.2.ffn_up_exps.weight", "blk.3.ffn_down_exps.weight", "first"} {
		if _, ok := f.Experts(name); ok {
			t.Errorf("%s is taken for a stack", name)
		}
	}
	if _, ok := f.Tensor("blk.3.ffn_down_exps.weight"); ok {
		t.Error("experts of other shapes were stacked")
	}
	if w, ok := f.Tensor("blk.0.ffn_up.1.weight"); !ok || w.F32()[0] != 1 {
		t.Error("an expert is not found by its own name")
	}
	plain, err := OpenBytes("x.gguf", file(t, nil, m("b", 0), m("a", 0)))
	if err != nil || strings.Join(plain.TensorNames(), " ") != "b a" {
		t.Errorf("without experts: %v, %v", plain.TensorNames(), err)
	}

	// Each way in which two experts can differ.
	base := tensor.Tensor{Type: tensor.F16, Shape: []int{2, 4}, Data: make([]byte, 16)}
	for name, other := range map[string]tensor.Tensor{
		"type":       {Type: tensor.BF16, Shape: []int{2, 4}, Data: make([]byte, 16)},
		"dimensions": {Type: tensor.F16, Shape: []int{1, 2, 4}, Data: make([]byte, 16)},
		"rows":       {Type: tensor.F16, Shape: []int{1, 4}, Data: make([]byte, 16)},
		"columns":    {Type: tensor.F16, Shape: []int{2, 2}, Data: make([]byte, 16)},
		"bytes":      {Type: tensor.F16, Shape: []int{2, 4}},
	} {
		find := func(n string) (tensor.Tensor, bool) { return map[string]tensor.Tensor{"a": base, "b": other}[n], true }
		if _, ok := experts([]string{"a", "b"}, find); ok {
			t.Errorf("experts of other %s were stacked", name)
		}
	}
	vector := tensor.Tensor{Type: tensor.F16, Shape: []int{8}, Data: make([]byte, 16)}
	if _, ok := experts([]string{"a", "b"}, func(string) (tensor.Tensor, bool) { return vector, true }); ok {
		t.Error("vectors were stacked")
	}
}

// A model in memory has no map but the same hash; a file that shrinks while it
// is open is noticed.
func TestMappingsAndHashes(t *testing.T) {
	data := small(t)
	memory, err := OpenBytes("x.gguf", data)
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, data)
	mapped, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(memory.Mappings()) != 0 || len(mapped.Mappings()) != 1 {
		t.Errorf("%d and %d maps", len(memory.Mappings()), len(mapped.Mappings()))
	}
	a, err := memory.SHA256()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := mapped.SHA256(); err != nil || a != b {
		t.Errorf("%s in memory, %s mapped, %v", a, b, err)
	}
	if err := os.Truncate(path, 40); err != nil {
		t.Skip("an open file cannot be cut here: ", err)
	}
	if _, err := mapped.SHA256(); err == nil || !strings.Contains(err.Error(), path+": the file became shorter") {
		t.Errorf("a file that was cut: %v", err)
	}
	if err := mapped.Close(); err != nil {
		t.Error(err)
	}
}

// A part that cannot be closed is named; the others are closed all the same.
func TestCloseNamesThePart(t *testing.T) {
	f, err := Open(threeParts(t, nil)[0])
	if err != nil {
		t.Fatal(err)
	}
	second, third := f.parts[1], f.parts[2]
	second.file.File.Close()
	third.file.File.Close()
	if err := f.Close(); err == nil || !strings.HasPrefix(err.Error(), second.name+": ") {
		t.Errorf("%v", err)
	}
}

// A member must lie within its archive, to the byte.
func TestMembersBeyondTheEnd(t *testing.T) {
	for name, content := range map[string][]byte{"a model": small(t), "an empty member": nil} {
		path := archive(t, "m.zip", zip.Store, map[string][]byte{"m.gguf": content})
		z, err := zip.OpenReader(path)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		at, err := z.File[0].DataOffset()
		if err != nil {
			t.Fatal(err)
		}
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		end := int(at) + len(content)
		p := &part{data: whole[:end]}
		if err := p.narrow(path, z.File[0]); err != nil || !bytes.Equal(p.data, content) {
			t.Errorf("%s up to the end: %v", name, err)
		}
		for _, cut := range []int{end - 1, int(at) - 1} {
			p := &part{data: whole[:cut]}
			if err := p.narrow(path, z.File[0]); err == nil || !strings.Contains(err.Error(), "reaches beyond the archive's end") {
				t.Errorf("%s, archive cut at %d: %v", name, cut, err)
			}
		}
	}
}

// An archive may be named .zip and nothing else.
func TestArchiveWithoutAName(t *testing.T) {
	path := archive(t, ".zip", zip.Store, map[string][]byte{"m.gguf": small(t), "n.gguf": small(t)})
	t.Chdir(path[:len(path)-len("/.zip")])
	f, err := Open(".zip:m.gguf")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}
