package gguf

import (
	"encoding/binary"
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
		parseHeader("fuzz.gguf", data, true)
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
