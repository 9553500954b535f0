package arch_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"headprof/fixtures/reference"
	"headprof/runner/arch"
	"headprof/runner/gguf"
	"headprof/runner/safetensors"
	"headprof/runner/tensor"
)

// golden is what transformers computes for a case; see testdata/generate.py.
type golden struct {
	Weights   string // the case that holds the weights; "": this one
	Tokens    []int32
	Positions []int
	Logits    [][]float32     // [position][token]
	Rows      [][][][]float32 // [position][layer][head][key]
}

// cases lists the golden models.
func cases(t testing.TB) []string {
	t.Helper()
	found, err := filepath.Glob("testdata/*/golden.json.gz")
	if err != nil || len(found) < 30 {
		t.Fatalf("%d golden models in testdata (%v); run testdata/generate.py", len(found), err)
	}
	for i := range found {
		found[i] = filepath.Base(filepath.Dir(found[i]))
	}
	return found
}

func unpack(t testing.TB, path ...string) []byte {
	t.Helper()
	return reference.Unzip(t, append([]string{"testdata"}, path...)...)
}

func readGolden(t testing.TB, name string) *golden {
	t.Helper()
	g := &golden{}
	if err := json.Unmarshal(unpack(t, name, "golden.json.gz"), g); err != nil {
		t.Fatal(err)
	}
	return g
}

// source is a golden model in one of its forms.
type source interface {
	arch.Source
	Set(key string, value any) error
	Close() error
}

// folder opens a case as a Hugging Face folder; config is config.json or
// older.json, which not every case has: then the test is skipped.
func folder(t testing.TB, name, config string) source {
	t.Helper()
	dir := t.TempDir()
	data, err := os.ReadFile(filepath.Join("testdata", name, config))
	if os.IsNotExist(err) && config != "config.json" {
		t.Skip("transformers 4 wrote the same config.json")
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), data, 0o644)
	}
	weights := name
	if g := readGolden(t, name); g.Weights != "" {
		weights = g.Weights
	}
	if err == nil {
		data, err = os.ReadFile(filepath.Join("testdata", weights, "model.safetensors"))
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "model.safetensors"), data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// file opens a case as a GGUF file.
func file(t testing.TB, name string) source {
	t.Helper()
	open := func(name string) *gguf.File {
		f, err := gguf.OpenBytes(name+".gguf", unpack(t, name, "model.gguf.gz"))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := open(name)
	if g := readGolden(t, name); g.Weights != "" {
		return overlay{f, open(g.Weights)}
	}
	return f
}

// overlay is a file that takes the weights it lacks from another one.
type overlay struct {
	*gguf.File
	under *gguf.File
}

func (o overlay) Tensor(name string) (tensor.Tensor, bool) {
	if t, ok := o.File.Tensor(name); ok {
		return t, true
	}
	return o.under.Tensor(name)
}

// whole is a case's GGUF with all its weights, those of another case among them.
type whole struct {
	*gguf.Metadata
	tensors []tensor.Tensor
}

func together(t testing.TB, name string) whole {
	t.Helper()
	switch f := file(t, name).(type) {
	case overlay:
		return whole{f.Metadata, append(f.Tensors(), f.under.Tensors()...)}
	case *gguf.File:
		return whole{f.Metadata, f.Tensors()}
	}
	panic("no GGUF")
}
