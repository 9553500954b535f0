package runner_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"headprof/runner"
	"headprof/runner/gguf"
	"headprof/runner/tensor"
)

// BenchmarkLargerThanMemory runs four prompts of 64 tokens on a model of
// HEADPROF_LARGE MiB (64 unless set) of which a quarter, at most 256 MiB, may
// stay in memory: one prompt after the other, and together. It reports what is
// read from disk and how much of the model is in memory at the end. Run it with
// -benchtime 1x; docs/models.md shows it under a limit on the process's memory.
func BenchmarkLargerThanMemory(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("what is read and held is found in Linux's /proc")
	}
	mib := 64
	if s := os.Getenv("HEADPROF_LARGE"); s != "" {
		var err error
		if mib, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	path := filepath.Join(b.TempDir(), "large.gguf")
	if dir := os.Getenv("HEADPROF_LARGE_DIR"); dir != "" { // written once, read by later runs
		path = filepath.Join(dir, fmt.Sprintf("large-%d.gguf", mib))
	}
	if _, err := os.Stat(path); err != nil {
		writeLarge(b, path, mib/32)
	}
	resident := min(int64(mib)<<18, 256<<20)
	for _, together := range []bool{false, true} {
		name := map[bool]string{false: "one after the other", true: "together"}[together]
		b.Run(name, func(b *testing.B) {
			for range b.N {
				m, err := runner.Open(path, runner.Options{Resident: resident})
				if err != nil {
					b.Fatal(err)
				}
				var ps [][]int32
				for range 4 {
					ps = append(ps, make([]int32, 64))
				}
				before := readBytes(b)
				jobs(b, m, ps, together)
				b.ReportMetric(float64(readBytes(b)-before)/(1<<20), "MiB-read")
				b.ReportMetric(float64(residentBytes(b, path))/(1<<20), "MiB-held")
				m.Close()
			}
		})
	}
}

// writeLarge writes a llama of layers of 32 MiB; all hold the same numbers.
func writeLarge(t testing.TB, path string, layers int) {
	t.Helper()
	const width, ff, vocab = 1024, 4096, 64
	rng := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 2*width*ff)
	for i := 0; i < len(data); i += 2 {
		h := tensor.F32ToF16(float32(rng.NormFloat64() / math.Sqrt(width)))
		data[i], data[i+1] = byte(h), byte(h>>8)
	}
	norm := tensor.FromF32("", []int{width}, make([]float32, width))
	var tensors []tensor.Tensor
	matrix := func(name string, rows, cols int) {
		tensors = append(tensors, tensor.Tensor{Name: name, Type: tensor.F16, Shape: []int{rows, cols}, Data: data[:2*rows*cols]})
	}
	vector := func(name string) {
		norm.Name = name
		tensors = append(tensors, norm)
	}
	matrix("token_embd.weight", vocab, width)
	vector("output_norm.weight")
	for l := range layers {
		p := fmt.Sprintf("blk.%d.", l)
		for _, n := range []string{"attn_q", "attn_k", "attn_v", "attn_output"} {
			matrix(p+n+".weight", width, width)
		}
		matrix(p+"ffn_gate.weight", ff, width)
		matrix(p+"ffn_up.weight", ff, width)
		matrix(p+"ffn_down.weight", width, ff)
		vector(p + "attn_norm.weight")
		vector(p + "ffn_norm.weight")
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := gguf.Write(f, llamaSettings(layers, width, ff, vocab), tensors); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

// readBytes is what this process had read from disk so far.
func readBytes(t testing.TB) (n int64) {
	t.Helper()
	data, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skip(err)
	}
	var a, b, c, d int64
	if _, err := fmt.Sscanf(string(data), "rchar: %d\nwchar: %d\nsyscr: %d\nsyscw: %d\nread_bytes: %d", &a, &b, &c, &d, &n); err != nil {
		t.Fatal(err)
	}
	return n
}
