package main

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headprof/fixtures"
	"headprof/fixtures/reference"
	"headprof/runner/backend/backendtest"
	"headprof/runner/cpu"
	"headprof/runner/gguf"
	"headprof/runner/tensor"
)

// tinyInQ8 is the built-in model with its matrices in Q8_0.
func tinyInQ8(t *testing.T) []byte {
	t.Helper()
	f, err := gguf.OpenBytes("tiny", fixtures.Tiny())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	meta := map[string]any{}
	for _, k := range f.Keys() {
		if meta[k] = backendtest.Setting(f.Metadata, k); meta[k] == nil {
			t.Fatalf("setting %s is of a kind that the test does not copy", k)
		}
	}
	tensors := f.Tensors()
	for i, w := range tensors {
		if strings.Contains(w.Name, "norm") {
			continue
		}
		values := make([]float32, w.Rows()*w.Cols())
		tensor.Dequantize(values, w.Data, w.Type)
		tensors[i].Type, tensors[i].Data = tensor.Q8_0, q8(values)
	}
	return store(t, meta, tensors)
}

// fastHere says whether --int8 runs with the kernels that are the default
// here; HEADPROF_KERNELS may have changed them.
func fastHere() bool {
	b, err := cpu.New(cpu.Options{Threads: 1, Fast: true})
	if err == nil {
		b.Close()
	}
	return err == nil
}

// q8 is Q8_0: per 32 values a half, the scale, and their codes.
func q8(x []float32) (out []byte) {
	for ; len(x) > 0; x = x[32:] {
		var top float64
		for _, v := range x[:32] {
			top = max(top, math.Abs(float64(v)))
		}
		d := tensor.F32ToF16(float32(top / 127))
		out = binary.LittleEndian.AppendUint16(out, d)
		for _, v := range x[:32] {
			c := 0.0
			if d != 0 {
				c = max(-127, min(127, math.RoundToEven(float64(v)/float64(tensor.F16ToF32(d)))))
			}
			out = append(out, byte(int8(c)))
		}
	}
	return out
}

// With --int8, too, nothing but time depends on threads, chunks and short cuts.
func TestNothingButTimeChangesWithFast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tiny8.gguf")
	if err := os.WriteFile(path, tinyInQ8(t), 0o666); err != nil {
		t.Fatal(err)
	}
	kernels := "portable"
	if fastHere() {
		kernels = "auto"
	}
	args := []string{"--int8", "--kernels", kernels, "--model", path, "--needles", "retrieval", "--lengths", "300", "--count", "4", "--chat", "off"}
	sameJournals(t, waysToRun[1:], args...)
}

// On real models as well.
func TestNothingButTimeChangesWithFastOnRealModels(t *testing.T) {
	if !fastHere() || os.Getenv("HEADPROF_KERNELS") == "portable" {
		t.Skip("the default kernels here have no int8 products, and the portable twin is slow")
	}
	for _, name := range []string{"smollm2.gguf", "gemma3-270m.gguf"} {
		ways := [][]string{{"--threads", "1", "--chunk", "64"}, {"--threads", "2", "--no-reuse", "--no-draft"}}
		sameJournals(t, ways, "--int8", "--model", reference.Model(t, name), "--count", "2", "--lengths", "300,400", "--depths", "40%")
	}
}
