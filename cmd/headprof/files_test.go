package main

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headprof/runner"
)

// Every command opens a model by inspect or by runner.Open. A download that
// stopped anywhere, in the header, the metadata, the tensor table or the data,
// is one clear error to both, whatever form the model has.
func TestIncompleteDownloads(t *testing.T) {
	meta, tensors := tinyModel()
	data := store(t, meta, tensors)
	whole := len(data)
	dir := t.TempDir()
	path := filepath.Join(dir, "m.gguf")
	for cut := 0; cut < whole; cut++ {
		if cut > 1600 && cut < whole-40 && cut%16 > 1 {
			continue // the middle of the data: around every 16th byte will do
		}
		if err := os.WriteFile(path, data[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := runner.Open(path, runner.Options{}); err == nil || !strings.Contains(err.Error(), "m.gguf") {
			t.Fatalf("cut at %d of %d: %v", cut, whole, err)
		} else if cut > 0 && !strings.Contains(err.Error(), "bytes are missing") {
			t.Fatalf("cut at %d of %d does not say how many bytes are missing: %v", cut, whole, err)
		}
		r, err := inspect(path, "", true)
		if err == nil && len(r.Problems) == 0 {
			t.Fatalf("cut at %d of %d: inspect finds nothing wrong", cut, whole)
		}
	}
}

// fuzzForms are the ways in which bytes reach an opening: as a GGUF file, as
// the model in a zip, or as one file of a Hugging Face folder.
var fuzzForms = []string{"m.gguf", "m.zip", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "generation_config.json"}

// Whatever the bytes of a model's file, opening and inspecting it end with a
// model or an error.
func FuzzModelFiles(f *testing.F) {
	meta, tensors := tinyModel()
	gguf := store(f, meta, tensors)
	f.Add(uint8(0), gguf)
	f.Add(uint8(0), gguf[:1500])
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateHeader(&zip.FileHeader{Name: "m.gguf", Method: zip.Store})
	if err != nil {
		f.Fatal(err)
	}
	w.Write(gguf)
	z.Close()
	f.Add(uint8(1), b.Bytes())
	files := map[string][]byte{}
	for _, name := range []string{"config.json", "model.safetensors"} {
		if files[name], err = os.ReadFile(filepath.Join("../../runner/arch/testdata/qwen2", name)); err != nil {
			f.Fatal(err)
		}
	}
	files["tokenizer.json"] = []byte(`{"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":[]}}`)
	files["tokenizer_config.json"] = []byte(`{"chat_template":"{{ messages }}"}`)
	files["generation_config.json"] = []byte(`{"eos_token_id":[1]}`)
	for i, name := range fuzzForms[2:] {
		f.Add(uint8(i+2), files[name])
		f.Add(uint8(i+2), files[name][:len(files[name])/2])
	}
	f.Fuzz(func(t *testing.T, form uint8, data []byte) {
		dir := t.TempDir()
		name := fuzzForms[int(form)%len(fuzzForms)]
		path := filepath.Join(dir, name)
		if int(form)%len(fuzzForms) > 1 {
			path = dir
			for other, content := range files {
				if err := os.WriteFile(filepath.Join(dir, other), content, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
		if r, err := inspect(path, "", true); err == nil {
			if err := r.print(new(bytes.Buffer)); err != nil {
				t.Error(err)
			}
		}
		if m, err := runner.Open(path, runner.Options{Threads: 1}); err == nil {
			m.Close()
		}
	})
}
