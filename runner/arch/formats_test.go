package arch_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"headprof/runner/gguf"
	"headprof/runner/safetensors"
	"headprof/runner/tensor"
)

// oneEach holds a golden model of every family and of every form of it.
var oneEach = []string{"llama", "mistral", "mixtral", "qwen2", "qwen2-moe", "qwen3", "qwen3-moe", "gemma", "gemma2", "gemma3",
	"phi3", "olmo2", "gpt-oss", "glm4-moe", "granite-moe", "llama4", "smollm3", "seed-oss", "ministral3", "hunyuan-dense", "exaone4", "olmo3", "glm4", "cohere", "cohere2",
	"deepseek-v2-lite", "deepseek-v3", "gemma3n", "gemma4", "gemma4-moe", "granite", "stablelm", "stablelm-parallel", "gpt-neox", "gpt2",
	"qwen3-next", "qwen35", "qwen35-moe", "lfm2", "falcon-h1", "granite-hybrid", "lfm2-moe"}

// halves are where a block of a format holds half-precision scales.
var halves = map[tensor.Type][]int{
	tensor.Q4_0: {0}, tensor.Q4_1: {0, 2}, tensor.Q5_0: {0}, tensor.Q5_1: {0, 2}, tensor.Q8_0: {0}, tensor.IQ4_NL: {0}, tensor.IQ4_XS: {0},
	tensor.TQ1_0: {52}, tensor.TQ2_0: {64}, tensor.MXFP4: nil,
	tensor.IQ2_XXS: {0}, tensor.IQ2_XS: {0}, tensor.IQ2_S: {0}, tensor.IQ3_XXS: {0}, tensor.IQ3_S: {0}, tensor.IQ1_S: {0}, tensor.IQ1_M: nil,
	tensor.Q2_K: {80, 82}, tensor.Q3_K: {108}, tensor.Q4_K: {0, 2}, tensor.Q5_K: {0, 2}, tensor.Q6_K: {208},
}

// scales make random blocks of a format hold numbers of about ±1.
var scales = map[tensor.Type]float64{
	tensor.Q8_0: 0.004, tensor.Q4_0: 0.05, tensor.Q4_1: 0.03, tensor.Q5_0: 0.03, tensor.Q5_1: 0.02, tensor.IQ4_NL: 0.005,
	tensor.TQ1_0: 0.3, tensor.TQ2_0: 0.3,
	tensor.IQ2_XXS: 0.01, tensor.IQ2_XS: 0.01, tensor.IQ2_S: 0.01, tensor.IQ3_XXS: 0.005, tensor.IQ3_S: 0.005, tensor.IQ1_S: 0.05,
	tensor.IQ4_XS: 2e-4, tensor.Q2_K: 0.01, tensor.Q3_K: 0.01, tensor.Q4_K: 1e-3, tensor.Q5_K: 5e-4, tensor.Q6_K: 3e-4,
}

// random gives a tensor of t's shape with random elements of a format.
func random(rng *rand.Rand, t tensor.Tensor, format tensor.Type) tensor.Tensor {
	size, err := tensor.Size(format, t.Shape)
	if err != nil {
		panic(err)
	}
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	_, block := format.Block()
	for i := 0; i < len(data); i += block {
		x := float32(rng.NormFloat64() / 4)
		switch format {
		case tensor.F32:
			binary.LittleEndian.PutUint32(data[i:], math.Float32bits(x))
		case tensor.BF16:
			binary.LittleEndian.PutUint16(data[i:], uint16(math.Float32bits(x)>>16))
		case tensor.F16:
			binary.LittleEndian.PutUint16(data[i:], tensor.F32ToF16(x))
		case tensor.F8E4M3:
			data[i] &= 0xb7 // below 1, and so never NaN
		case tensor.IQ1_M: // a half of about 2⁻⁷ in the high nibbles of four numbers
			data[i+55] = data[i+55]&0x0f | 0x20
		case tensor.MXFP4:
			data[i] = 123 + data[i]&1
		}
		for _, at := range halves[format] {
			binary.LittleEndian.PutUint16(data[i+at:], tensor.F32ToF16(float32(scales[format]*(1+rng.Float64()))))
		}
	}
	return tensor.Tensor{Name: t.Name, Type: format, Shape: t.Shape, Data: data}
}

// unpacked gives the same numbers as F32, by the conversion that runner/tensor
// tests against the gguf package.
func unpacked(t tensor.Tensor) tensor.Tensor { return tensor.FromF32(t.Name, t.Shape, t.F32()) }

// sameOutput fails unless both sources give finite and equal bytes.
func sameOutput(t *testing.T, a, b source) {
	t.Helper()
	d := device(t, "cpu")
	want := &golden{Tokens: []int32{5, 66, 7, 1, 23}, Positions: []int{2, 4}}
	x := compute(t, load(t, a, d, want), d, want.Tokens, want.Positions, 3)
	y := compute(t, load(t, b, d, want), d, want.Tokens, want.Positions, 3)
	if !reflect.DeepEqual(x, y) { // NaN is not equal to itself
		t.Error("results differ from those of the same weights as F32")
	}
}

// Every family takes its matrices in every format that GGUF files use, and
// computes with them what it computes with the numbers they stand for.
func TestFamiliesInEveryGGUFFormat(t *testing.T) {
	formats := []tensor.Type{tensor.F16, tensor.BF16}
	for f := range halves {
		formats = append(formats, f)
	}
	slices.Sort(formats)
	for i, name := range oneEach {
		large := enlarged(t, name)
		for _, format := range formats {
			t.Run(fmt.Sprintf("%s/%v", name, format), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(i), uint64(format)))
				var packed, plain []tensor.Tensor
				used := 0
				for _, w := range large.tensors {
					elements, _ := format.Block()
					// As files have it: vectors, routers and what does not divide into blocks stay F32.
					if strings.HasPrefix(w.Name, "rope_") {
						w = tensor.FromF32(w.Name, w.Shape, slices.Repeat([]float32{1.5}, w.Cols()))
						packed, plain = append(packed, w), append(plain, w)
						continue
					}
					if len(w.Shape) > 1 && !strings.Contains(w.Name, "norm") && !strings.Contains(w.Name, "gate_inp") && !strings.Contains(w.Name, "position") && w.Cols()%elements == 0 {
						w = random(rng, w, format)
						used++
					} else {
						w = random(rng, w, tensor.F32)
					}
					packed, plain = append(packed, w), append(plain, unpacked(w))
				}
				if used < 9 {
					t.Fatalf("%d tensors in this format", used)
				}
				sameOutput(t, wholeFile(t, large.entries, packed), wholeFile(t, large.entries, plain))
			})
		}
	}
}

// entries and tensors of a file to be.
type contents struct {
	entries []gguf.KV
	tensors []tensor.Tensor
}

// enlarged is a golden model eight times as wide, so that rows hold blocks of 256.
func enlarged(t *testing.T, name string) (c contents) {
	t.Helper()
	f := file(t, name).(*gguf.File)
	family, _, _ := f.String("general.architecture")
	for _, k := range f.Keys() {
		m := gguf.NewMetadata("")
		copyKey(m, f.Metadata, k)
		var v any
		switch n, ok, err := f.Int(k); {
		case ok && err == nil:
			for _, wide := range []string{"embedding_length", "feed_forward_length", "attention.key_length", "attention.value_length",
				"attention.key_length_swa", "attention.value_length_swa", "attention.key_length_mla", "attention.value_length_mla", "attention.kv_lora_rank", "attention.q_lora_rank", "rope.dimension_count_swa", "embedding_length_per_layer_input",
				"rope.dimension_count", "expert_feed_forward_length", "expert_shared_feed_forward_length",
				"ssm.state_size", "ssm.inner_size"} {
				if k == family+"."+wide {
					n *= 8
				}
			}
			v = n
		default:
			v = valueOf(t, f.Metadata, k)
			if list, _, err := f.Ints(k); err == nil && k == family+".feed_forward_length" {
				for i := range list {
					list[i] *= 8
				}
				v = list
			} else if err == nil && k == family+".attention.head_count_kv" {
				v = list
			}
		}
		c.entries = append(c.entries, gguf.KV{Key: k, Value: v})
	}
	for _, w := range f.Tensors() {
		w.Shape = slices.Clone(w.Shape)
		for i, n := range w.Shape {
			if n >= 8 && n != 67 && n != 61 && !strings.Contains(w.Name, "altup_predict") && !(i == 0 && strings.HasSuffix(w.Name, "ssm_ba.weight")) { // not heads, experts, tokens or positions
				w.Shape[i] = 8 * n
			}
			if i == 0 && strings.HasSuffix(w.Name, "ssm_in.weight") { // a row of each head is among them
				heads, _, _ := f.Int(family + ".ssm.time_step_rank")
				w.Shape[0] -= 7 * int(heads)
			}
		}
		c.tensors = append(c.tensors, w)
	}
	return c
}

func valueOf(t *testing.T, m *gguf.Metadata, key string) any {
	t.Helper()
	if v, ok, err := m.String(key); ok && err == nil {
		return v
	}
	if v, ok, err := m.Bool(key); ok && err == nil {
		return v
	}
	if v, ok, err := m.Float(key); ok && err == nil {
		return v
	}
	if v, ok, err := m.Ints(key); ok && err == nil && slices.Max(v) > 1 {
		list := make([]int, len(v))
		for i := range v {
			list[i] = int(v[i])
		}
		return list
	} else if ok && err == nil { // flags
		flags := make([]bool, len(v))
		for i := range v {
			flags[i] = v[i] != 0
		}
		return flags
	}
	if v, ok, err := m.Floats(key); ok && err == nil {
		return v
	}
	t.Fatalf("setting %s is of a kind that the test does not copy", key)
	return nil
}

func wholeFile(t *testing.T, entries []gguf.KV, tensors []tensor.Tensor) source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.gguf")
	out, err := os.Create(path)
	if err == nil {
		err = gguf.Write(out, entries, tensors)
		out.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// The same for the formats of Hugging Face folders.
func TestFamiliesInEveryFolderFormat(t *testing.T) {
	for i, name := range oneEach {
		config, err := os.ReadFile(filepath.Join("testdata", name, "config.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range []tensor.Type{tensor.F16, tensor.BF16, tensor.F8E4M3} {
			t.Run(fmt.Sprintf("%s/%v", name, format), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(i), uint64(format)))
				var packed, plain []tensor.Tensor
				for _, w := range shapes(t, name) {
					if len(w.Shape) > 1 {
						w = random(rng, w, format)
					} else {
						w = random(rng, w, tensor.F32)
					}
					packed, plain = append(packed, w), append(plain, unpacked(w))
				}
				sameOutput(t, wholeFolder(t, config, packed), wholeFolder(t, config, plain))
			})
		}
	}
}

// shapes lists names and shapes of a golden model's tensors as they are in its folder.
func shapes(t *testing.T, name string) (all []tensor.Tensor) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	header := map[string]struct{ Shape []int }{}
	if err := json.Unmarshal(data[8:8+binary.LittleEndian.Uint64(data)], &header); err != nil {
		t.Fatal(err)
	}
	for n, e := range header {
		if n != "__metadata__" {
			all = append(all, tensor.Tensor{Name: n, Shape: e.Shape})
		}
	}
	slices.SortFunc(all, func(a, b tensor.Tensor) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func wholeFolder(t *testing.T, config []byte, tensors []tensor.Tensor) source {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(dir, "model.safetensors"))
	if err == nil {
		err = safetensors.Write(out, tensors)
		out.Close()
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
