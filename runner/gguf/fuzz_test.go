package gguf

import (
	"archive/zip"
	"encoding/binary"
	"os"
	"runtime"
	"testing"
	"time"

	"headprof/runner/tensor"
)

// Whatever the bytes, opening them ends soon, in bounded memory and without a
// panic; and what was opened can be used.
func FuzzOpen(f *testing.F) {
	data := small(f)
	f.Add(data)
	for _, cut := range []int{0, 3, 8, 24, 100, 300, len(data) - 40} {
		f.Add(data[:cut])
	}
	for _, at := range []int{8, 16, 24} {
		spoilt := append([]byte(nil), data...)
		binary.LittleEndian.PutUint64(spoilt[at:], 1<<40)
		f.Add(spoilt)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		if file, err := OpenBytes("fuzz.gguf", data); err == nil {
			use(file)
			if err := file.Close(); err != nil {
				t.Error(err)
			}
		}
		if r, err := probeBytes(data); err == nil {
			probeUse(r)
		}
		runtime.ReadMemStats(&after)
		if spent := time.Since(start); spent > 5*time.Second {
			t.Errorf("%d bytes took %v", len(data), spent)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20+uint64(len(data))*256 {
			t.Errorf("%d bytes made %d bytes of garbage", len(data), grown)
		}
	})
}

// use asks for every value in every form and reads every tensor.
func use(f *File) {
	for _, key := range f.Keys() {
		f.String(key)
		f.Uint(key)
		f.Float(key)
		f.Bool(key)
		f.Strings(key)
		f.Ints(key)
		f.Floats(key)
		f.Describe(key)
	}
	for _, w := range f.Tensors() {
		row := make([]float32, w.Cols())
		tensor.Dequantize(row, w.Row(w.Rows()-1), w.Type)
	}
}

// The same for archives and split models: a file as its bytes, and as part 2 of 3.
func FuzzPaths(f *testing.F) {
	packed, err := os.ReadFile(archive(f, "model.zip", zip.Store, map[string][]byte{"model.gguf": small(f)}))
	if err != nil {
		f.Fatal(err)
	}
	for _, cut := range []int{len(packed), len(packed) - 1, len(packed) - 30, 200, 31, 5} {
		f.Add(packed[:cut])
	}
	part, err := os.ReadFile(threeParts(f, nil)[1])
	if err != nil {
		f.Fatal(err)
	}
	for _, cut := range []int{len(part), len(part) - 30, 60, 24} {
		f.Add(part[:cut])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		paths := append(threeParts(t, nil), write(t, data))
		if err := os.WriteFile(paths[1], data, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{paths[0], paths[3]} {
			if file, err := Open(path); err == nil {
				use(file)
				file.Close()
			}
			if r, err := Probe(path); err == nil {
				probeUse(r)
			}
		}
	})
}
