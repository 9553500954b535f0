package main

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headprof/fixtures"
)

// refuse runs score on a model file and wants one clear error that names the
// file and says all of what, and no run's folder.
func refuse(t *testing.T, model []byte, what ...string) {
	t.Helper()
	dir := t.TempDir()
	path, out := filepath.Join(dir, "model.gguf"), filepath.Join(dir, "out")
	if err := os.WriteFile(path, model, 0o666); err != nil {
		t.Fatal(err)
	}
	root := newRoot()
	var stdout bytes.Buffer
	root.SetArgs([]string{"score", "--quiet", "--count", "1", "--model", path, "--out", out})
	root.SetOut(&stdout)
	err := root.Execute()
	if err == nil {
		t.Errorf("a damaged model runs; it should say %q", what)
		return
	}
	for _, w := range append(what, path) {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error is %q; it should say %q", err, w)
		}
	}
	if stdout.Len() > 0 {
		t.Errorf("stdout holds %q", stdout.String())
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a run's folder was made")
	}
}

func TestTruncatedModels(t *testing.T) {
	tiny := fixtures.Tiny()
	rng := rand.New(rand.NewPCG(20, 1))
	for i := range 20 {
		// Half of the cuts fall into the metadata, which is the smaller part.
		n := rng.IntN(len(tiny))
		if i%2 == 1 {
			n = rng.IntN(min(len(tiny), 64<<10))
		}
		refuse(t, tiny[:n])
	}
}

func TestDamagedModels(t *testing.T) {
	magic := bytes.Clone(fixtures.Tiny())
	copy(magic, "GGML")
	refuse(t, magic, "no GGUF file", `"GGML"`)

	version := bytes.Clone(fixtures.Tiny())
	binary.LittleEndian.PutUint32(version[4:], 77)
	refuse(t, version, "version 77")

	// A tensor's description: its name, the number of dimensions, each of
	// them, its type and its offset in the data.
	const name = "output_norm.weight"
	describe := func(model []byte) []byte {
		at := bytes.Index(model, append(binary.LittleEndian.AppendUint64(nil, uint64(len(name))), name...))
		if at < 0 {
			t.Fatalf("the built-in model has no tensor %s", name)
		}
		rest := model[at+8+len(name):]
		return rest[4+8*binary.LittleEndian.Uint32(rest):]
	}
	outside := bytes.Clone(fixtures.Tiny())
	binary.LittleEndian.PutUint64(describe(outside)[4:], 1<<40)
	refuse(t, outside, name)

	kind := bytes.Clone(fixtures.Tiny())
	binary.LittleEndian.PutUint32(describe(kind), 777)
	refuse(t, kind, name, "777")

	// The pre-tokenizer's name: a key, the type "string", a length and the text.
	pre := bytes.Clone(fixtures.Tiny())
	const key = "tokenizer.ggml.pre"
	at := bytes.Index(pre, []byte(key))
	if at < 0 {
		t.Fatal("the built-in model names no pre-tokenizer")
	}
	value := pre[at+len(key)+4:]
	n := binary.LittleEndian.Uint64(value)
	copy(value[8:8+n], bytes.Repeat([]byte("x"), int(n)))
	refuse(t, pre, strings.Repeat("x", int(n)), "--pre")
}
