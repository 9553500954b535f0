package arch_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"headprof/runner/arch"
	"headprof/runner/backend"
	"headprof/runner/cpu"
	"headprof/runner/plain"
	"headprof/runner/safetensors"
	"headprof/runner/tensor"
)

// recorded is a line of testdata/random_configs.py.
type recorded struct {
	golden
	Config  json.RawMessage
	Tensors [][2]json.RawMessage // name, shape
	Version string
	GGUF    *converted
}

// hashed is weight of random_configs.py.
func hashed(name string, shape []int) tensor.Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	x := make([]float32, n)
	for i := range x {
		h := crc32.ChecksumIEEE([]byte(name)) + uint32(i)*2654435761
		h ^= h >> 15
		h *= 2246822519
		h ^= h >> 13
		u := float64(h>>8)/(1<<24) - 0.5
		if len(shape) > 1 {
			u *= 4 / math.Sqrt(float64(shape[len(shape)-1]))
		} else if strings.HasSuffix(name, "weight") {
			u = u*0.5 + 0.75
		}
		x[i] = float32(u)
	}
	return tensor.FromF32(name, shape, x)
}

// folder stores a recorded model.
func (r *recorded) folder(t testing.TB) string {
	t.Helper()
	tensors := r.tensors(t)
	dir := t.TempDir()
	var b bytes.Buffer
	if err := safetensors.Write(&b, tensors); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"model.safetensors": b.Bytes(), "config.json": r.Config} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// tensors gives a recorded model's weights under their names in the folder.
func (r *recorded) tensors(t testing.TB) (tensors []tensor.Tensor) {
	t.Helper()
	for _, pair := range r.Tensors {
		var name string
		var shape []int
		if json.Unmarshal(pair[0], &name) != nil || json.Unmarshal(pair[1], &shape) != nil {
			t.Fatalf("a tensor is %s", pair)
		}
		tensors = append(tensors, hashed(name, shape))
	}
	return tensors
}

// run computes a recorded model's numbers, or gives the error that refuses it.
func (r *recorded) run(t testing.TB, b backend.Backend) (output, error) {
	f, err := safetensors.Open(r.folder(t))
	if err != nil {
		return output{}, err
	}
	defer f.Close()
	if err := f.Set("headprof.context", len(r.Tokens)); err != nil {
		return output{}, err
	}
	return r.compute(t, f, b)
}

func (r *recorded) compute(t testing.TB, s arch.Source, b backend.Backend) (output, error) {
	m, err := arch.Load(s, b)
	if err != nil {
		return output{}, err
	}
	return compute(t, m, b, r.Tokens, r.Positions, 13), nil
}

// Random configurations of every model type, with settings left out and null,
// give what transformers gives, as a folder and, of newer families, as GGUF, or
// are refused with a reason. The stored ones are all of the first kind.
// HEADPROF_CONFIGS names a file of more.
func TestRandomConfigs(t *testing.T) {
	if live := os.Getenv("HEADPROF_CONFIGS"); live != "" {
		keep, _ := strconv.Atoi(os.Getenv("HEADPROF_KEEP"))
		randomConfigs(t, live, keep)
		return
	}
	files, err := filepath.Glob("testdata/configs/*.jsonl.gz")
	if err != nil || len(files) == 0 {
		t.Fatalf("no configurations in testdata/configs (%v)", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".jsonl.gz"), func(t *testing.T) { randomConfigs(t, path, -1) })
	}
}

// randomConfigs runs a file's configurations. With keep < 0 none may be refused;
// with keep > 0 so many of each model type and form are stored.
func randomConfigs(t *testing.T, path string, keep int) {
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var in io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<24)
	type form struct {
		kind string
		gguf bool
	}
	kept, out := map[form]int{}, map[string]*bytes.Buffer{}
	equal, converts, refused := 0, 0, 0
	for lines.Scan() {
		var r recorded
		var kind struct {
			Type string `json:"model_type"`
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(r.Config, &kind); err != nil {
			t.Fatal(err)
		}
		got, err := r.run(t, plain.New())
		if err != nil {
			refused++
			if keep >= 0 {
				t.Logf("refused: %s: %v", kind.Type, err)
			} else {
				t.Errorf("%s %s: %v", r.Version, r.Config, err)
			}
			continue
		}
		r.compare(t, "folder", got)
		if r.GGUF != nil {
			r.compare(t, "GGUF", r.runGGUF(t))
			converts++
		} else if got, err := r.run(t, device(t, "cpu")); err == nil {
			r.compare(t, "folder on the CPU backend", got)
		} else {
			t.Error(err)
		}
		equal++
		if f := (form{kind.Type, r.GGUF != nil}); kept[f] < keep {
			kept[f]++
			if out[kind.Type] == nil {
				out[kind.Type] = &bytes.Buffer{}
			}
			out[kind.Type].Write(append(lines.Bytes(), '\n'))
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if t.Logf("%d run, %d of them as GGUF as well, %d refused", equal, converts, refused); equal < 8 {
		t.Errorf("only %d configurations ran", equal)
	}
	if t.Failed() {
		return
	}
	for kind, data := range out {
		var packed bytes.Buffer
		z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		z.Write(data.Bytes())
		z.Close()
		if err := os.WriteFile("testdata/configs/"+kind+".jsonl.gz", packed.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// compare fails with the configuration where numbers differ.
func (r *recorded) compare(t *testing.T, form string, got output) {
	t.Helper()
	if logits, rows := largest(t, got, &r.golden); !(logits < 1e-4) || !(rows < 1e-5) {
		t.Errorf("%s: logits differ by up to %.2g, attention rows by up to %.2g; transformers %s: %s", form, logits, rows, r.Version, r.Config)
	}
}

// Mamba layers give the same bytes however a sequence is cut and whoever computes it.
func TestMambaCutsChangeNoByte(t *testing.T) {
	line, _, _ := bytes.Cut(unpack(t, "configs", "granitemoehybrid-mamba.jsonl.gz"), []byte("\n"))
	var r recorded
	if err := json.Unmarshal(line, &r); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open(r.folder(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var first output
	for i, c := range []struct{ threads, chunk int }{{2, 40}, {1, 40}, {3, 1}, {2, 17}} {
		b, err := cpu.New(cpu.Options{Threads: c.threads})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		m, err := arch.Load(f, b)
		if err != nil {
			t.Fatal(err)
		}
		if got := compute(t, m, b, r.Tokens, r.Positions, c.chunk); i == 0 {
			first = got
		} else if !reflect.DeepEqual(got, first) {
			t.Errorf("%d threads and chunks of %d give other bytes", c.threads, c.chunk)
		}
	}
}
