package main

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"headprof/runner/gguf"
	"headprof/runner/tensor"
)

// tinyModel is a whole qwen2 of one layer, with a tokenizer, to be spoilt.
func tinyModel() (map[string]any, []tensor.Tensor) {
	meta := map[string]any{
		"general.architecture": "qwen2", "general.name": "tiny",
		"qwen2.block_count": 1, "qwen2.embedding_length": 8, "qwen2.context_length": 4096, "qwen2.feed_forward_length": 4,
		"qwen2.attention.head_count": 2, "qwen2.attention.head_count_kv": 1, "qwen2.attention.layer_norm_rms_epsilon": float32(1e-6),
		"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": []string{"<unk>", "<s>", "</s>", "a"},
		"tokenizer.ggml.scores": []float32{0, 0, 0, -1}, "tokenizer.ggml.token_type": []int32{2, 3, 3, 1},
		"tokenizer.ggml.bos_token_id": uint32(1), "tokenizer.ggml.eos_token_id": uint32(2), "tokenizer.ggml.unknown_token_id": uint32(0),
	}
	var tensors []tensor.Tensor
	for _, t := range []struct {
		name  string
		shape []int
	}{
		{"token_embd.weight", []int{4, 8}}, {"output_norm.weight", []int{8}}, {"blk.0.attn_norm.weight", []int{8}},
		{"blk.0.attn_q.weight", []int{8, 8}}, {"blk.0.attn_k.weight", []int{4, 8}}, {"blk.0.attn_v.weight", []int{4, 8}},
		{"blk.0.attn_output.weight", []int{8, 8}}, {"blk.0.ffn_norm.weight", []int{8}},
		{"blk.0.ffn_gate.weight", []int{4, 8}}, {"blk.0.ffn_up.weight", []int{4, 8}}, {"blk.0.ffn_down.weight", []int{8, 4}},
	} {
		n := 1
		for _, d := range t.shape {
			n *= d
		}
		tensors = append(tensors, tensor.FromF32(t.name, t.shape, make([]float32, n)))
	}
	return meta, tensors
}

func store(t testing.TB, meta map[string]any, tensors []tensor.Tensor) []byte {
	t.Helper()
	var entries []gguf.KV
	for k, v := range meta {
		entries = append(entries, gguf.KV{Key: k, Value: v})
	}
	slices.SortFunc(entries, func(a, b gguf.KV) int { return strings.Compare(a.Key, b.Key) })
	var b bytes.Buffer
	if err := gguf.Write(&b, entries, tensors); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// inspect lists what a sound file holds, and every problem of one that is not.
func TestInspectReport(t *testing.T) {
	for name, c := range map[string]struct {
		meta     map[string]any
		spoil    func(tensors []tensor.Tensor) []tensor.Tensor
		bytes    func(data []byte) []byte
		problems []string // one each, in order
		ignored  []string
	}{
		"sound":           {},
		"unknown setting": {meta: map[string]any{"qwen2.twist": float32(2), "qwen2.vocab_size": 4}, ignored: []string{"qwen2.twist"}},
		"unknown family":  {meta: map[string]any{"general.architecture": "nova"}, problems: []string{`family "nova" is not supported`}},
		"bloom":           {meta: map[string]any{"general.architecture": "bloom"}, problems: []string{"ALiBi"}},
		"jamba":           {meta: map[string]any{"general.architecture": "jamba"}, problems: []string{"state-space"}},
		"clamped":         {meta: map[string]any{"qwen2.attention.clamp_kqv": float32(8)}, problems: []string{"clamp_kqv is 8"}},
		"unknown scaling": {meta: map[string]any{"qwen2.rope.scaling.type": "spiral"}, problems: []string{`"spiral"`}},
		"heads":           {meta: map[string]any{"qwen2.attention.head_count": 3}, problems: []string{"3 heads"}},
		"NaN and infinity": {
			spoil: func(ts []tensor.Tensor) []tensor.Tensor {
				binary.LittleEndian.PutUint32(ts[3].Data[4*(2*8+5):], math.Float32bits(float32(math.NaN())))
				binary.LittleEndian.PutUint32(ts[10].Data, math.Float32bits(float32(math.Inf(-1))))
				return ts
			},
			problems: []string{"blk.0.attn_q.weight holds a NaN or infinity at row 2, column 5", "blk.0.ffn_down.weight"},
		},
		"a tensor too many": {
			spoil: func(ts []tensor.Tensor) []tensor.Tensor {
				return append(ts, tensor.FromF32("blk.0.attn_sinks.weight", []int{2}, make([]float32, 2)))
			},
			problems: []string{"blk.0.attn_sinks.weight"},
		},
		"a tensor too few": {
			spoil:    func(ts []tensor.Tensor) []tensor.Tensor { return ts[:10] },
			problems: []string{"blk.0.ffn_down.weight is missing"},
		},
		"unknown formats": {
			bytes: func(data []byte) []byte {
				for _, tensor := range []string{"blk.0.attn_q.weight", "blk.0.ffn_up.weight"} {
					i := bytes.Index(data, []byte(tensor)) + len(tensor) + 4 + 2*8 // behind the dimensions
					binary.LittleEndian.PutUint32(data[i:], 40)
				}
				return data
			},
			problems: []string{"blk.0.attn_q.weight: its format is type 40 (NVFP4)", "blk.0.ffn_up.weight: its format is type 40"},
		},
		"cut off": {
			bytes:    func(data []byte) []byte { return data[:len(data)-100] },
			problems: []string{"100 of 2816 bytes are missing, among them data of 1 of 11 tensors"},
		},
		"no tokenizer":      {meta: map[string]any{"tokenizer.ggml.model": nil}, problems: []string{"tokenizer"}},
		"no context length": {meta: map[string]any{"qwen2.context_length": nil}, problems: []string{"qwen2.context_length is missing"}},
	} {
		meta, tensors := tinyModel()
		for k, v := range c.meta {
			if meta[k] = v; v == nil {
				delete(meta, k)
			}
		}
		if c.spoil != nil {
			tensors = c.spoil(tensors)
		}
		data := store(t, meta, tensors)
		if c.bytes != nil {
			data = c.bytes(data)
		}
		path := filepath.Join(t.TempDir(), "m.gguf")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := inspect(path, "", true)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(r.Problems) != len(c.problems) {
			t.Errorf("%s: problems %q, want %q", name, r.Problems, c.problems)
			continue
		}
		for i, want := range c.problems {
			if !strings.Contains(r.Problems[i], want) {
				t.Errorf("%s: problem %q does not say %q", name, r.Problems[i], want)
			}
		}
		if !slices.Equal(r.Ignored, append([]string{}, c.ignored...)) {
			t.Errorf("%s: ignored settings %q, want %q", name, r.Ignored, c.ignored)
		}
		if family, _ := meta["general.architecture"].(string); r.Family != family || r.Parameters < 300 || r.Name != "tiny" {
			t.Errorf("%s: family %q, name %q, %d parameters", name, r.Family, r.Name, r.Parameters)
		}
		var text bytes.Buffer
		if err := r.print(&text); err != nil || strings.Contains(text.String(), "supported    yes") != (len(c.problems) == 0) {
			t.Errorf("%s: %v, printed:\n%s", name, err, &text)
		}
	}
}

// A Hugging Face folder is reported on like a file.
func TestInspectFolder(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"config.json", "model.safetensors"} {
		data, err := os.ReadFile(filepath.Join("../../runner/arch/testdata/qwen3-moe", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, err := inspect(dir, "", true)
	if err != nil {
		t.Fatal(err)
	}
	if r.Family != "qwen3moe" || r.Experts != 5 || r.Used != 2 || len(r.Layers) != 2 || r.Layers[1] != (layerReport{Layer: 1, Heads: 4, KVHeads: 2, HeadDim: 16}) {
		t.Errorf("%+v", r)
	}
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "tokenizer.json") {
		t.Errorf("problems %q", r.Problems)
	}
	// One of an unsupported family is reported on, too.
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"model_type": "bloom"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	size := r.Bytes
	if r, err = inspect(dir, "", true); err != nil {
		t.Fatal(err)
	}
	if r.Family != "bloom" || r.Bytes != size || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "ALiBi") {
		t.Errorf("%+v", r)
	}
}
