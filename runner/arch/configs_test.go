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
	"strconv"
	"strings"
	"testing"

	"headprof/runner/arch"
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
	var tensors []tensor.Tensor
	for _, pair := range r.Tensors {
		var name string
		var shape []int
		if json.Unmarshal(pair[0], &name) != nil || json.Unmarshal(pair[1], &shape) != nil {
			t.Fatalf("a tensor is %s", pair)
		}
		tensors = append(tensors, hashed(name, shape))
	}
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

// run computes a recorded model's numbers, or gives the error that refuses it.
func (r *recorded) run(t testing.TB) (output, error) {
	f, err := safetensors.Open(r.folder(t))
	if err != nil {
		return output{}, err
	}
	defer f.Close()
	if err := f.Set("headprof.context", len(r.Tokens)); err != nil {
		return output{}, err
	}
	b := plain.New()
	m, err := arch.Load(f, b)
	if err != nil {
		return output{}, err
	}
	return compute(t, m, b, r.Tokens, r.Positions, 13), nil
}

// Random configurations of every model type, with settings left out and null,
// give what transformers gives, or are refused with a reason. The stored ones
// are all of the first kind. HEADPROF_CONFIGS names a file of more.
func TestRandomConfigs(t *testing.T) {
	const stored = "testdata/configs.jsonl.gz"
	path := os.Getenv("HEADPROF_CONFIGS")
	live := path != ""
	if !live {
		path = stored
	}
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
	keep, _ := strconv.Atoi(os.Getenv("HEADPROF_KEEP"))
	kept := map[string]int{}
	var out bytes.Buffer
	equal, refused := 0, 0
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
		got, err := r.run(t)
		if err != nil {
			refused++
			if live {
				t.Logf("refused: %s: %v", kind.Type, err)
			} else {
				t.Errorf("%s %s: %v", r.Version, r.Config, err)
			}
			continue
		}
		before := t.Failed()
		compare(t, got, &r.golden)
		if t.Failed() && !before || t.Failed() && live {
			t.Logf("so far, last of transformers %s: %s", r.Version, r.Config)
		}
		equal++
		if kept[kind.Type]++; kept[kind.Type] <= keep {
			out.Write(append(lines.Bytes(), '\n'))
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if t.Logf("%d run, %d refused", equal, refused); equal < 30 {
		t.Errorf("only %d configurations ran", equal)
	}
	if keep > 0 && !t.Failed() {
		var packed bytes.Buffer
		z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		z.Write(out.Bytes())
		z.Close()
		if err := os.WriteFile(stored, packed.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
