package gguf

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headprof/runner/tensor"
)

// threeParts writes a model split in three, one tensor each, and gives the paths.
func threeParts(t testing.TB, spoil func(i int, kv []KV) []KV) (paths []string) {
	t.Helper()
	folder := t.TempDir()
	for i := range 3 {
		kv := []KV{{"split.no", uint16(i)}, {"split.count", uint16(3)}, {"split.tensors.count", int32(3)}}
		if i == 0 {
			kv = append(kv, KV{"general.architecture", "llama"})
		}
		if spoil != nil {
			kv = spoil(i, kv)
		}
		var b bytes.Buffer
		name := []string{"a", "b", "c"}[i]
		if err := Write(&b, kv, []tensor.Tensor{tensor.FromF32(name, []int{1}, []float32{float32(i)})}); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, splitName{prefix: "m", suffix: ".gguf", count: 3}.name(i+1))
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

func TestAnyPartOpensAll(t *testing.T) {
	for _, path := range threeParts(t, nil) {
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range []string{"a", "b", "c"} {
			w, ok := f.Tensor(name)
			if !ok || w.F32()[0] != float32(i) {
				t.Errorf("%s: tensor %s: %v", path, name, ok)
			}
		}
		if s, _, _ := f.String("general.architecture"); s != "llama" {
			t.Errorf("%s: the first part's metadata is not there", path)
		}
		f.Close()
	}
}

func TestSplitModelsThatAreNotWhole(t *testing.T) {
	paths := threeParts(t, nil)
	if err := os.Remove(paths[1]); err != nil {
		t.Fatal(err)
	}
	_, err := Open(paths[2])
	if err == nil || !strings.Contains(err.Error(), "m-00002-of-00003.gguf") || strings.Contains(err.Error(), "m-00001") {
		t.Errorf("a missing part: %v", err)
	}
	if r, err := Probe(paths[0]); err != nil || len(r.Problems) != 1 || len(r.Tensors) != 2 {
		t.Errorf("probing without a part: %v %+v", err, r)
	}
	paths = threeParts(t, nil)
	data, _ := os.ReadFile(paths[0])
	if err := os.WriteFile(paths[1], data, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(paths[0]); err == nil || !strings.Contains(err.Error(), "the name says part 2, the file part 1;") {
		t.Errorf("a part twice: %v", err)
	}
	if _, err := Open(write(t, data)); err == nil || !strings.Contains(err.Error(), "split in 3") {
		t.Errorf("a part under another name: %v", err)
	}
	paths = threeParts(t, func(i int, kv []KV) []KV { kv[2].Value = int32(4); return kv })
	if _, err := Open(paths[0]); err == nil || !strings.Contains(err.Error(), "states 4") {
		t.Errorf("a wrong total: %v", err)
	}
	paths = threeParts(t, func(i int, kv []KV) []KV { kv[1].Value = uint16(2 + i%2); return kv })
	if _, err := Open(paths[1]); err == nil || !strings.Contains(err.Error(), "m-00001-of-00003.gguf: the name says 3 parts, the file 2;") {
		t.Errorf("a wrong count: %v", err)
	}
	paths = threeParts(t, func(i int, kv []KV) []KV { return nil })
	if _, err := Open(paths[0]); err == nil || !strings.Contains(err.Error(), "part 1 of 3, but the file has no \"split.count\": it belongs to no split model") {
		t.Errorf("parts that are none: %v", err)
	}
}

// A model that was merged from its parts may keep their keys.
func TestMergedParts(t *testing.T) {
	var b bytes.Buffer
	kv := []KV{{"split.no", uint16(1)}, {"split.count", uint16(1)}, {"split.tensors.count", int32(9)}}
	if err := Write(&b, kv, []tensor.Tensor{tensor.FromF32("a", []int{1}, []float32{1})}); err != nil {
		t.Fatal(err)
	}
	f, err := Open(write(t, b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

// Up to eight missing parts are named, of more the first eight.
func TestManyMissingParts(t *testing.T) {
	for parts, want := range map[int]string{
		9:  "m-00002-of-00009.gguf, m-00003-of-00009.gguf, m-00004-of-00009.gguf, m-00005-of-00009.gguf, m-00006-of-00009.gguf, m-00007-of-00009.gguf, m-00008-of-00009.gguf, m-00009-of-00009.gguf (",
		11: "m-00008-of-00011.gguf, m-00009-of-00011.gguf and 2 more (",
	} {
		path := filepath.Join(t.TempDir(), splitName{prefix: "m", suffix: ".gguf", count: parts}.name(1))
		if err := os.WriteFile(path, small(t), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("one of %d parts: %v", parts, err)
		}
	}
}

// archive writes a zip of the given members.
func archive(t testing.TB, name string, method uint16, members map[string][]byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(file)
	for member, data := range members {
		w, err := z.CreateHeader(&zip.FileHeader{Name: member, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestModelInAZip(t *testing.T) {
	data := small(t)
	path := archive(t, "model.whl", zip.Store, map[string][]byte{"README": []byte("hello"), "pkg/model.gguf": data})
	for _, p := range []string{path, path + ":pkg/model.gguf"} {
		f, err := Open(p)
		if err != nil {
			t.Fatal(err)
		}
		if w, ok := f.Tensor("output_norm.weight"); !ok || w.F32()[1] != 8 {
			t.Errorf("%s: %v", p, ok)
		}
		inZip, err := f.SHA256()
		if err != nil {
			t.Fatal(err)
		}
		alone, err := Open(write(t, data))
		if err != nil {
			t.Fatal(err)
		}
		if want, _ := alone.SHA256(); inZip != want {
			t.Errorf("%s: the hash differs from the unpacked file's", p)
		}
		alone.Close()
		f.Close()
	}

	several := archive(t, "two.zip", zip.Store, map[string][]byte{"a.gguf": data, "b.gguf": data})
	if _, err := Open(several); err == nil || !strings.Contains(err.Error(), "a.gguf, b.gguf") || !strings.Contains(err.Error(), several+":a.gguf") {
		t.Errorf("two models: %v", err)
	}
	if f, err := Open(several + ":b.gguf"); err != nil {
		t.Error(err)
	} else {
		f.Close()
	}
	for want, path := range map[string]string{
		"unzip":                archive(t, "packed.zip", zip.Deflate, map[string][]byte{"m.gguf": data}),
		"no .gguf file":        archive(t, "none.zip", zip.Store, map[string][]byte{"README": nil}),
		"its models are":       several + ":c.gguf",
		"no .gguf file at all": archive(t, "none.zip", zip.Store, map[string][]byte{"README": nil}) + ":c.gguf",
		"archive cannot be re": write(t, []byte("PK\x03\x04 and no more")),
	} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// A split model within one archive opens as outside of it.
func TestSplitModelInAZip(t *testing.T) {
	members := map[string][]byte{}
	for _, path := range threeParts(t, nil) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		members["folder/"+filepath.Base(path)] = data
	}
	f, err := Open(archive(t, "split.zip", zip.Store, members))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if len(f.Tensors()) != 3 {
		t.Errorf("%d tensors", len(f.Tensors()))
	}
}
