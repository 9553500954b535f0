package gguf

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headprof/runner/tensor"
)

// small is a valid file with every kind of metadata and two tensors.
func small(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	err := Write(&b, []KV{
		{"general.architecture", "llama"}, {"llama.block_count", uint32(2)}, {"a.negative", int32(-3)},
		{"a.float", float32(0.5)}, {"a.double", 1e-5}, {"a.bool", true}, {"a.words", []string{"", "the", "žluť"}},
		{"a.scores", []float32{-1, 0.25}}, {"a.types", []int32{1, 3}}, {"a.pattern", []bool{true, false}}, {"a.big", uint64(1 << 63)},
	}, []tensor.Tensor{
		tensor.FromF32("token_embd.weight", []int{3, 2}, []float32{1, 2, 3, 4, 5, 6}),
		tensor.FromF32("output_norm.weight", []int{2}, []float32{7, 8}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenGivesMetadataAndTensors(t *testing.T) {
	f, err := Open(write(t, small(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if s, ok, err := f.String("general.architecture"); s != "llama" || !ok || err != nil {
		t.Errorf("String: %q %v %v", s, ok, err)
	}
	if n, ok, err := f.Uint("llama.block_count"); n != 2 || !ok || err != nil {
		t.Errorf("Uint: %d %v %v", n, ok, err)
	}
	if n, ok, err := f.Int("a.negative"); n != -3 || !ok || err != nil {
		t.Errorf("Int: %d %v %v", n, ok, err)
	}
	if x, ok, err := f.Float("a.float"); x != 0.5 || !ok || err != nil {
		t.Errorf("Float: %g %v %v", x, ok, err)
	}
	if x, _, _ := f.Float("a.double"); x != 1e-5 {
		t.Errorf("Float of a double: %g", x)
	}
	if b, ok, err := f.Bool("a.bool"); !b || !ok || err != nil {
		t.Errorf("Bool: %v %v %v", b, ok, err)
	}
	if w, _, err := f.Strings("a.words"); err != nil || strings.Join(w, "|") != "|the|žluť" {
		t.Errorf("Strings: %q %v", w, err)
	}
	if x, _, err := f.Floats("a.scores"); err != nil || len(x) != 2 || x[0] != -1 || x[1] != 0.25 {
		t.Errorf("Floats: %v %v", x, err)
	}
	if n, _, err := f.Ints("a.types"); err != nil || len(n) != 2 || n[0] != 1 || n[1] != 3 {
		t.Errorf("Ints: %v %v", n, err)
	}
	if n, _, err := f.Ints("a.pattern"); err != nil || len(n) != 2 || n[0] != 1 || n[1] != 0 {
		t.Errorf("Ints of bools: %v %v", n, err)
	}
	if n, _, err := f.Ints("llama.block_count"); err != nil || len(n) != 1 || n[0] != 2 {
		t.Errorf("Ints of a single number: %v %v", n, err)
	}
	if _, ok, err := f.Uint("no.such.key"); ok || err != nil {
		t.Errorf("an absent key: %v %v", ok, err)
	}
	if len(f.Keys()) != 11 || f.Keys()[2] != "a.negative" {
		t.Errorf("Keys: %q", f.Keys())
	}

	e, ok := f.Tensor("token_embd.weight")
	if !ok || e.Rows() != 3 || e.Cols() != 2 || e.Type != tensor.F32 {
		t.Fatalf("token_embd.weight: %v %v", ok, e.Shape)
	}
	row := make([]float32, 2)
	tensor.Dequantize(row, e.Row(1), e.Type)
	if row[0] != 3 || row[1] != 4 {
		t.Errorf("row 1: %v", row)
	}
	if _, ok := f.Tensor("output.weight"); ok {
		t.Error("a tensor was found that is not there")
	}
	if len(f.Tensors()) != 2 {
		t.Errorf("Tensors: %d", len(f.Tensors()))
	}
}

// A key of another kind than asked for is an error, not a default.
func TestWrongKindIsAnError(t *testing.T) {
	f, err := OpenBytes("x.gguf", small(t))
	if err != nil {
		t.Fatal(err)
	}
	checks := map[string]func() error{
		"a string":                          func() error { _, _, err := f.String("llama.block_count"); return err },
		"of kind float32, where an integer": func() error { _, _, err := f.Int("a.float"); return err },
		"0 or more":                         func() error { _, _, err := f.Uint("a.negative"); return err },
		"a number":                          func() error { _, _, err := f.Float("general.architecture"); return err },
		"a bool":                            func() error { _, _, err := f.Bool("llama.block_count"); return err },
		"an array of 2 × int32, where an array of strings": func() error { _, _, err := f.Strings("a.types"); return err },
		"an array of integers":                             func() error { _, _, err := f.Ints("a.words"); return err },
		"an array of numbers":                              func() error { _, _, err := f.Floats("a.pattern"); return err },
	}
	for want, check := range checks {
		if err := check(); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "x.gguf: metadata ") {
			t.Errorf("want an error about %s, got %v", want, err)
		}
	}
	if _, _, err := f.Uint("a.big"); err == nil {
		t.Error("2⁶³ was taken for an int64")
	}
}

// Version 2 differs from 3 in the number alone.
func TestVersion2(t *testing.T) {
	data := small(t)
	binary.LittleEndian.PutUint32(data[4:], 2)
	if _, err := OpenBytes("v2.gguf", data); err != nil {
		t.Error(err)
	}
}

// A file cut off anywhere, every boundary of header, metadata, tensor table and
// data among the cuts, gives one error that names it and says how many bytes are
// missing; Probe says the same and survives.
func TestTruncation(t *testing.T) {
	data := small(t)
	end := len(data) - 24 // the last tensor ends here; what follows is padding
	table := end - 8 - 32 // "output_norm.weight" takes 8 bytes, the padded tensor before it 32
	for cut := range end {
		want := "at least"
		switch {
		case cut == 0:
			want = "the file is empty"
		case cut >= table-31: // the header ends within the 32 bytes before the data
			want = ""
		}
		_, err := OpenBytes("cut.gguf", data[:cut])
		if err == nil || !strings.HasPrefix(err.Error(), "cut.gguf: ") || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "fetch it again") {
			t.Errorf("cut at %d: %v", cut, err)
		}
		if missing := fmt.Sprintf("%d of %d bytes are missing", end-cut, end); cut >= table && !strings.Contains(err.Error(), missing) {
			t.Errorf("cut at %d: %v, want %q", cut, err, missing)
		}
		r, probed := probeBytes(data[:cut])
		if cut < 24 { // no counts of keys and tensors: nothing can be said
			if probed == nil {
				t.Errorf("cut at %d: probed as %+v", cut, r)
			}
			continue
		}
		if probed != nil {
			t.Errorf("cut at %d: %v", cut, probed)
			continue
		}
		if len(r.Problems) != 1 || r.Problems[0].Error() != err.Error() {
			t.Errorf("cut at %d: Probe lists %q, Open says %q", cut, r.Problems, err)
		}
		probeUse(r)
	}
	for cut := end; cut <= len(data); cut++ { // the padding of the last tensor is not needed
		if _, err := OpenBytes("cut.gguf", data[:cut]); err != nil {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
}

// probeBytes is Probe of a file in memory.
func probeBytes(data []byte) (*Report, error) {
	return (&File{name: "cut.gguf", parts: []*part{{name: "cut.gguf", data: data}}}).probe(nil)
}

// probeUse asks a report for all that it offers.
func probeUse(r *Report) {
	for _, key := range r.Keys() {
		r.Describe(key)
	}
	for _, name := range r.TensorNames() {
		t, _ := r.Tensor(name)
		r.Experts(name)
		_, _ = t.Rows(), t.Cols()
		if len(t.Data) > 0 {
			t.FirstNotFinite()
		}
	}
	r.Close()
}

// Parts of a split model and members of an archive are cut files like any other.
func TestTruncatedPartsAndArchives(t *testing.T) {
	paths := threeParts(t, nil)
	whole, err := os.ReadFile(paths[1])
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) - 28 { // 4 bytes of data and 28 of padding at the end
		if err := os.WriteFile(paths[1], whole[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(paths[0]); err == nil || !strings.Contains(err.Error(), paths[1]) {
			t.Errorf("part 2 cut at %d: %v", cut, err)
		}
		if r, err := Probe(paths[0]); err != nil || len(r.Problems) == 0 {
			t.Errorf("part 2 cut at %d: probed, %v", cut, err)
		} else {
			probeUse(r)
		}
	}
	zipped := archive(t, "model.zip", zip.Store, map[string][]byte{"model.gguf": small(t)})
	packed, err := os.ReadFile(zipped)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range packed {
		if err := os.WriteFile(zipped, packed[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		want := "cut off: at least"
		if cut < 30 { // not even one member's header
			want = ""
		}
		if _, err := Open(zipped); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("archive cut at %d: %v", cut, err)
		}
		if r, err := Probe(zipped); err == nil {
			t.Errorf("archive cut at %d: probed as %+v", cut, r)
		}
	}
}

// The bytes that a cut archive lacks follow from its member's local header, as
// Python's zipfile writes it: 30 bytes, the name, the data; then a directory of
// at least 22.
func TestMissingFromZip(t *testing.T) {
	local := func(size uint32, name string, extra []byte) []byte {
		h := append([]byte("PK\x03\x04"), make([]byte, 26)...)
		binary.LittleEndian.PutUint32(h[18:], size)
		binary.LittleEndian.PutUint16(h[26:], uint16(len(name)))
		binary.LittleEndian.PutUint16(h[28:], uint16(len(extra)))
		return append(append(h, name...), extra...)
	}
	zip64 := binary.LittleEndian.AppendUint64(append([]byte{1, 0, 16, 0}, make([]byte, 8)...), 5<<30)
	for _, c := range []struct {
		what string
		data []byte
		want int64
	}{
		{"nothing", nil, 0},
		{"a header without its end", local(100, "a", nil)[:29], 0},
		{"no data", local(100, "a", nil), 100 + 22},
		{"some data", append(local(100, "a", []byte("xy")), make([]byte, 40)...), 60 + 22},
		{"all data", append(local(100, "a", nil), make([]byte, 100)...), 22},
		{"a second member", append(append(local(3, "a", nil), "abc"...), local(7, "bb", nil)...), 7 + 22},
		{"a large member", local(math.MaxUint32, "a", zip64), 5<<30 + 22},
		{"a large member without its size", local(math.MaxUint32, "a", nil), 0},
		{"a large member of a long name without its size", append(local(math.MaxUint32, "0123456789", nil), 0, 0), 0},
		{"an empty large member", local(math.MaxUint32, "a", append([]byte{1, 0, 16, 0}, make([]byte, 16)...)), 22},
		{"an absurd member", local(math.MaxUint32, "a", binary.LittleEndian.AppendUint64(append([]byte{1, 0, 16, 0}, make([]byte, 8)...), 1<<63)), 0},
	} {
		if got := missingFromZip(c.data); got != c.want {
			t.Errorf("%s: %d, want %d", c.what, got, c.want)
		}
	}
}

// Every way a header can be wrong gives an error that names the culprit.
func TestBadHeaders(t *testing.T) {
	le := binary.LittleEndian
	// at finds where text lies in the file, behind it.
	at := func(data []byte, text string) int {
		i := bytes.Index(data, []byte(text))
		if i < 0 {
			t.Fatalf("%q is not in the file", text)
		}
		return i + len(text)
	}
	cases := []struct {
		name  string
		spoil func([]byte)
		want  []string
	}{
		{"magic", func(b []byte) { copy(b, "GGML") }, []string{`"GGML"`, "no GGUF"}},
		{"zip", func(b []byte) { copy(b, "PK\x03\x04") }, []string{"no GGUF"}},
		{"version 1", func(b []byte) { le.PutUint32(b[4:], 1) }, []string{"version 1", "convert"}},
		{"version 9", func(b []byte) { le.PutUint32(b[4:], 9) }, []string{"version 9"}},
		{"big-endian", func(b []byte) { binary.BigEndian.PutUint32(b[4:], 3) }, []string{"big-endian"}},
		{"tensor count", func(b []byte) { le.PutUint64(b[8:], 1<<60) }, []string{"1152921504606846976 tensors"}},
		{"key count", func(b []byte) { le.PutUint64(b[16:], 1<<60) }, []string{"metadata keys"}},
		{"key length", func(b []byte) { le.PutUint64(b[24:], 1<<50) }, []string{"metadata key 1 of 11", "1125899906842624 bytes"}},
		{"a key that is not UTF-8", func(b []byte) { b[at(b, "a.negativ")] = 0xff }, []string{"metadata key 3 of 11 is not UTF-8"}},
		{"value kind", func(b []byte) { le.PutUint32(b[at(b, "a.float"):], 13) }, []string{`"a.float"`, "kind 13"}},
		{"array length", func(b []byte) { le.PutUint64(b[at(b, "a.types")+8:], 1<<62) }, []string{`"a.types"`, "elements"}},
		{"array kind", func(b []byte) { le.PutUint32(b[at(b, "a.types")+4:], 13) }, []string{`"a.types"`, "kind 13"}},
		{"bool", func(b []byte) { b[at(b, "a.bool")+4] = 7 }, []string{`"a.bool"`, "7"}},
		{"duplicate key", func(b []byte) { copy(b[at(b, "a.types")-7:], "a.words") }, []string{`"a.words"`, "twice"}},
		{"dimensions", func(b []byte) { le.PutUint32(b[at(b, "token_embd.weight"):], 5) }, []string{`"token_embd.weight"`, "5 dimensions"}},
		{"dimension", func(b []byte) { le.PutUint64(b[at(b, "token_embd.weight")+4:], 1<<62) }, []string{`"token_embd.weight"`, "dimension of"}},
		{"zero dimension", func(b []byte) { le.PutUint64(b[at(b, "token_embd.weight")+4:], 0) }, []string{`"token_embd.weight"`, "below 1"}},
		{"product", func(b []byte) {
			le.PutUint64(b[at(b, "token_embd.weight")+4:], 1<<40)
			le.PutUint64(b[at(b, "token_embd.weight")+12:], 1<<40)
		}, []string{`"token_embd.weight"`, "too large"}},
		{"beyond the end", func(b []byte) { le.PutUint64(b[at(b, "output_norm.weight")+4:], 4096) }, []string{`"output_norm.weight"`, "bytes are missing", "fetch it again"}},
		{"type", func(b []byte) { le.PutUint32(b[at(b, "token_embd.weight")+20:], 40) }, []string{`"token_embd.weight"`, "type 40 (NVFP4)", "Q4_K"}},
		{"unheard-of type", func(b []byte) { le.PutUint32(b[at(b, "token_embd.weight")+20:], 1000) }, []string{`"token_embd.weight"`, "type 1000"}},
		{"blocks", func(b []byte) { le.PutUint32(b[at(b, "token_embd.weight")+20:], 8) }, []string{`"token_embd.weight"`, "whole blocks of 32"}},
		{"offset", func(b []byte) { le.PutUint64(b[at(b, "output_norm.weight")+16:], 1<<20) }, []string{`"output_norm.weight"`, "bytes are missing"}},
		{"huge offset", func(b []byte) { le.PutUint64(b[at(b, "output_norm.weight")+16:], 1<<63) }, []string{`"output_norm.weight"`, "outside the file"}},
		{"unaligned offset", func(b []byte) { le.PutUint64(b[at(b, "output_norm.weight")+16:], 33) }, []string{`"output_norm.weight"`, "alignment"}},
		{"overlap", func(b []byte) { le.PutUint64(b[at(b, "output_norm.weight")+16:], 0) }, []string{`"output_norm.weight"`, "overlaps", `"token_embd.weight"`}},
	}
	for _, c := range cases {
		data := small(t)
		c.spoil(data)
		_, err := OpenBytes("bad.gguf", data)
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		for _, w := range append(c.want, "bad.gguf: ") {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q is not in the error: %v", c.name, w, err)
			}
		}
	}
}

// Tensors of one name, and alignments that are none.
func TestBadContents(t *testing.T) {
	one := tensor.FromF32("w", []int{1}, []float32{1})
	for want, file := range map[string]struct {
		kv      []KV
		tensors []tensor.Tensor
	}{
		`"w" is there twice`: {nil, []tensor.Tensor{one, one}},
		"power of two":       {[]KV{{keyAlignment, uint32(24)}}, nil},
		"is 0, where":        {[]KV{{keyAlignment, uint32(0)}}, nil},
		"up to 1048576":      {[]KV{{keyAlignment, uint32(2 << 20)}}, nil},
		"no integer":         {[]KV{{keyAlignment, "32"}}, nil},
		"empty or not UTF-8": {nil, []tensor.Tensor{tensor.FromF32("\xff", []int{1}, []float32{1})}},
	} {
		var b bytes.Buffer
		if err := Write(&b, file.kv, file.tensors); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenBytes("bad.gguf", b.Bytes()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestAlignment(t *testing.T) {
	var b bytes.Buffer
	tensors := []tensor.Tensor{tensor.FromF32("a", []int{1}, []float32{1}), tensor.FromF32("b", []int{1}, []float32{2})}
	if err := Write(&b, []KV{{keyAlignment, uint32(128)}}, tensors); err != nil {
		t.Fatal(err)
	}
	if b.Len()%128 != 0 {
		t.Errorf("the file has %d bytes", b.Len())
	}
	f, err := OpenBytes("aligned.gguf", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if w, _ := f.Tensor("b"); w.F32()[0] != 2 {
		t.Errorf("b holds %v", w.F32())
	}
}

func TestPathsThatAreNoFiles(t *testing.T) {
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "absent.gguf")); !os.IsNotExist(err) {
		t.Errorf("an absent file: %v", err)
	}
	if _, err := Open(write(t, nil)); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("an empty file: %v", err)
	}
}

// The hash is that of the file's bytes. Expected value: sha256sum of "abc"
// (FIPS 180-2, appendix B.1), which stands in for a model here.
func TestSHA256(t *testing.T) {
	p, err := mapFile(write(t, []byte("abc")))
	if err != nil {
		t.Fatal(err)
	}
	f := &File{Metadata: NewMetadata("x"), parts: []*part{p}}
	defer f.Close()
	const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if got, err := f.SHA256(); got != want || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
}

// What Open refuses, Probe lists together with the reason.
func TestProbe(t *testing.T) {
	data := small(t)
	i := bytes.Index(data, []byte("token_embd.weight")) + len("token_embd.weight") + 20
	binary.LittleEndian.PutUint32(data[i:], 16)
	r, err := Probe(write(t, data))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if len(r.Tensors) != 2 || r.Tensors[0].Problem == nil || r.Tensors[1].Problem != nil || len(r.Problems) != 0 {
		t.Errorf("tensors %+v, problems %v", r.Tensors, r.Problems)
	}
	if s, _, _ := r.String("general.architecture"); s != "llama" || r.Version != 3 || r.Alignment != 32 {
		t.Errorf("architecture %q, version %d, alignment %d", s, r.Version, r.Alignment)
	}
	cut, err := Probe(write(t, data[:i]))
	if err != nil {
		t.Fatal(err)
	}
	defer cut.Close()
	if len(cut.Problems) != 1 || len(cut.Keys()) != 11 {
		t.Errorf("cut off within a tensor's entry: problems %v, %d keys", cut.Problems, len(cut.Keys()))
	}
	if _, err := Probe(write(t, []byte("nothing"))); err == nil {
		t.Error("a file that is no GGUF was probed")
	}
}
