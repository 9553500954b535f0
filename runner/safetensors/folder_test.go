package safetensors

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"headprof/fixtures/reference"
	"headprof/runner/tensor"
)

// model is a folder to be: settings, and tensors by Hugging Face's names.
type model struct {
	Config  map[string]any
	Tensors []tensor.Tensor
}

// families reads what transformers writes for a tiny model of each type, and
// the names that the gguf package gives; see testdata/generate.py.
func readFamilies(t testing.TB) (models map[string]*model, names map[string]map[string]string) {
	t.Helper()
	var stored map[string]struct {
		Config  map[string]any
		Tensors [][3]json.RawMessage
	}
	if err := json.Unmarshal(reference.Unzip(t, "testdata/families.json.gz"), &stored); err != nil {
		t.Fatal(err)
	}
	models, names = map[string]*model{}, map[string]map[string]string{}
	for kind, s := range stored {
		m := &model{Config: s.Config}
		names[kind] = map[string]string{}
		for i, row := range s.Tensors {
			var name, to string
			var shape []int
			for j, v := range []any{&name, &shape, &to} {
				if err := json.Unmarshal(row[j], v); err != nil {
					t.Fatal(err)
				}
			}
			names[kind][name] = to
			m.Tensors = append(m.Tensors, ramp(name, shape, float32(i)))
		}
		models[kind] = m
	}
	return models, names
}

// ramp is a tensor of the values start, start+1/1024, …
func ramp(name string, shape []int, start float32) tensor.Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	values := make([]float32, n)
	for i := range values {
		values[i] = start + float32(i)/1024
	}
	return tensor.FromF32(name, shape, values)
}

func writeFile(t testing.TB, data []byte, parts ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(parts...), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func pack(t testing.TB, tensors []tensor.Tensor) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, tensors); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// store writes the model to a new folder.
func (m *model) store(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	config, err := json.Marshal(m.Config)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, config, dir, configName)
	writeFile(t, pack(t, m.Tensors), dir, weightsName)
	return dir
}

func (m *model) open(t testing.TB) *Folder {
	t.Helper()
	f, err := Open(m.store(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func (m *model) find(t testing.TB, name string) *tensor.Tensor {
	t.Helper()
	i := slices.IndexFunc(m.Tensors, func(w tensor.Tensor) bool { return w.Name == name })
	if i < 0 {
		t.Fatalf("the test model has no tensor %q", name)
	}
	return &m.Tensors[i]
}

// Every tensor of every family is found under the name the gguf package gives
// it, in the shape and with the values that the converter would store. Newer
// families are held to that by the configurations of runner/arch.
func TestNamesEqualGGUFPackage(t *testing.T) {
	models, names := readFamilies(t)
	for kind := range families {
		if _, err := os.Stat("../arch/testdata/configs/" + kind + ".jsonl.gz"); models[kind] == nil && err != nil {
			t.Errorf("family %s is not in the test data", kind)
		}
	}
	for kind, m := range models {
		f := m.open(t)
		want := map[string][]string{}
		for _, w := range m.Tensors {
			to := names[kind][w.Name]
			want[to] = append(want[to], w.Name)
		}
		if len(want) != len(f.TensorNames()) {
			t.Errorf("%s: %d tensors, want %d", kind, len(f.TensorNames()), len(want))
		}
		for name, from := range want {
			got, ok := f.Tensor(name)
			if !ok || got.Name != name {
				t.Errorf("%s: %s is missing", kind, name)
				continue
			}
			source := *m.find(t, from[0])
			switch {
			case len(from) > 1:
				if got.Shape[0] != len(from) || !slices.Equal(got.Shape[1:], source.Shape) {
					t.Errorf("%s: %s has shape %v for %d of %v", kind, name, got.Shape, len(from), source.Shape)
				}
				for i, part := range from {
					if !bytes.Equal(got.Data[i*len(source.Data):][:len(source.Data)], m.find(t, part).Data) {
						t.Errorf("%s: part %d of %s is not %s", kind, i, name, part)
					}
				}
				list, ok := f.Experts(name)
				if !ok || len(list) != len(from) || !bytes.Equal(list[1].Data, m.find(t, from[1]).Data) {
					t.Errorf("%s: Experts(%s): %d", kind, name, len(list))
				}
			case f.sources[name].made == nil:
				if !bytes.Equal(got.Data, source.Data) || !slices.Equal(got.Shape, source.Shape) {
					t.Errorf("%s: %s is not %s", kind, name, from[0])
				}
			}
		}
	}
}

// GPT-2's matrices are input × output in the folder and output × input in GGUF.
func TestGPT2MatricesAreTransposed(t *testing.T) {
	models, _ := readFamilies(t)
	m := models["gpt2"]
	from := m.find(t, "transformer.h.1.mlp.c_fc.weight") // [32, 128]
	x := from.F32()
	got, _ := m.open(t).Tensor("blk.1.ffn_up.weight")
	if !slices.Equal(got.Shape, []int{128, 32}) {
		t.Fatalf("shape %v", got.Shape)
	}
	y := got.F32()
	for in := range 32 {
		for out := range 128 {
			if y[out*32+in] != x[in*128+out] {
				t.Fatalf("output %d of input %d: got %g, want %g", out, in, y[out*32+in], x[in*128+out])
			}
		}
	}
}

// GPT-NeoX's fused rows come head by head; GGUF has all queries, keys, values.
func TestNeoXHeadsAreUnwoven(t *testing.T) {
	models, _ := readFamilies(t)
	m := models["gpt_neox"]
	const heads, dim, width = 4, 8, 32
	f := m.open(t)
	for kind, cols := range map[string]int{"weight": width, "bias": 1} {
		x := m.find(t, "gpt_neox.layers.0.attention.query_key_value."+kind).F32()
		got, _ := f.Tensor("blk.0.attn_qkv." + kind)
		y := got.F32()
		for part := range 3 {
			for h := range heads {
				for d := range dim {
					from, to := (h*3+part)*dim+d, (part*heads+h)*dim+d
					if !slices.Equal(y[to*cols:][:cols], x[from*cols:][:cols]) {
						t.Fatalf("%s: row %d of part %d, head %d", kind, d, part, h)
					}
				}
			}
		}
	}
}

// Settings arrive under GGUF's keys. Expected values: those given to
// transformers in testdata/generate.py.
func TestSettings(t *testing.T) {
	models, _ := readFamilies(t)
	for kind, want := range map[string]map[string]any{
		"llama": {"general.architecture": "llama", "llama.block_count": 2, "llama.embedding_length": 32, "llama.attention.head_count": 4,
			"llama.attention.head_count_kv": 2, "llama.feed_forward_length": 48, "llama.context_length": 64, "llama.vocab_size": 40,
			"llama.rope.freq_base": 500000.0, "llama.rope.scaling.type": "llama3", "llama.rope.scaling.factor": 8.0,
			"llama.rope.scaling.high_freq_factor": 4.0, "llama.rope.scaling.original_context_length": 32, "headprof.rope.half_split": true,
			"llama.attention.layer_norm_rms_epsilon": float64(float32(1e-6)), "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2},
		"mistral":   {"llama.attention.key_length": 16, "llama.attention.sliding_window": 16},
		"mixtral":   {"llama.expert_count": 4, "llama.expert_used_count": 2, "llama.rope.freq_base": 1e6},
		"qwen2":     {"general.architecture": "qwen2", "qwen2.attention.sliding_window": 0, "headprof.rope.half_split": nil},
		"qwen2_moe": {"qwen2moe.expert_feed_forward_length": 24, "qwen2moe.expert_shared_feed_forward_length": 40, "qwen2moe.expert_count": 4},
		"qwen3_moe": {"qwen3moe.expert_weights_norm": false, "qwen3moe.expert_count": 4},
		"gemma":     {"headprof.norm.add_one": true, "gemma.attention.key_length": 16},
		"gemma2": {"gemma2.attn_logit_softcapping": 50.0, "gemma2.final_logit_softcapping": 30.0, "gemma2.attention.scale": float64(float32(0.2)),
			"gemma2.attention.sliding_window": 16},
		"gemma3_text": {"gemma3.attention.sliding_window": 16, "gemma3.rope.freq_base": 1e6, "gemma3.rope.freq_base_swa": 1e4},
		"granite":     {"granite.logit_scale": 8.0, "granite.residual_scale": 0.25, "granite.embedding_scale": 12.0, "granite.attention.scale": 0.015625},
		"stablelm":    {"stablelm.rope.dimension_count": 2, "stablelm.use_parallel_residual": false, "stablelm.attention.layer_norm_epsilon": float64(float32(1e-5))},
		"gpt_neox":    {"gptneox.rope.dimension_count": 2, "gptneox.use_parallel_residual": true},
		"gpt2":        {"gpt2.feed_forward_length": 128, "gpt2.context_length": 64, "gpt2.attention.head_count": 4},
	} {
		f := models[kind].open(t)
		for key, value := range want {
			var got any
			var err error
			switch value.(type) {
			case nil:
				if f.Has(key) {
					t.Errorf("%s: %s is there", kind, key)
				}
				continue
			case int:
				var n uint64
				n, _, err = f.Uint(key)
				got = int(n)
			case float64:
				got, _, err = f.Float(key)
			case string:
				got, _, err = f.String(key)
			case bool:
				got, _, err = f.Bool(key)
			}
			if err != nil || got != value || !f.Has(key) {
				t.Errorf("%s: %s is %v, %v; want %v", kind, key, got, err, value)
			}
		}
	}
}

// Of several tokens that end a text, none is lost.
func TestSeveralEndTokens(t *testing.T) {
	models, _ := readFamilies(t)
	m := models["llama"]
	m.Config["eos_token_id"] = []int{7, 9}
	f := m.open(t)
	if ids, _, err := f.Ints("headprof.eos_token_ids"); !slices.Equal(ids, []int64{7, 9}) || err != nil {
		t.Errorf("headprof.eos_token_ids: %v, %v", ids, err)
	}
	if id, _, err := f.Uint("tokenizer.ggml.eos_token_id"); id != 7 || err != nil {
		t.Errorf("tokenizer.ggml.eos_token_id: %d, %v", id, err)
	}
}

// The settings' older forms, before transformers 5, mean the same.
func TestOlderSettings(t *testing.T) {
	models, _ := readFamilies(t)
	m := models["gemma3_text"]
	for _, key := range []string{"rope_parameters", "layer_types", "num_attention_heads", "vocab_size"} {
		delete(m.Config, key)
	}
	m.Config["rope_theta"], m.Config["rope_local_base_freq"] = 2e6, 3e4
	m.Config["rope_scaling"] = map[string]any{"rope_type": "linear", "factor": 8}
	f := m.open(t)
	for key, want := range map[string]float64{"gemma3.rope.freq_base": 2e6, "gemma3.rope.freq_base_swa": 3e4, "gemma3.rope.scaling.factor": 8,
		"gemma3.attention.head_count": 8, "gemma3.attention.sliding_window": 16} {
		if got, _, err := f.Float(key); got != want || err != nil {
			t.Errorf("%s is %v, %v; want %v", key, got, err, want)
		}
	}
}

// YaRN's factor on attention is stored over the one that GGUF's reader applies
// itself: transformers' default then gives 1.
func TestYarn(t *testing.T) {
	models, _ := readFamilies(t)
	m := models["qwen2"]
	delete(m.Config, "rope_parameters")
	yarn := map[string]any{"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
	m.Config["rope_scaling"] = yarn
	if got, _, _ := m.open(t).Float("qwen2.rope.scaling.attn_factor"); got != 1 {
		t.Errorf("attn_factor by default: %g", got)
	}
	yarn["attention_factor"] = 2.0
	want := 2 / (1 + 0.1*math.Log(4))
	if got, _, _ := m.open(t).Float("qwen2.rope.scaling.attn_factor"); math.Abs(got-want) > 1e-7 {
		t.Errorf("attn_factor %g, want %g", got, want)
	}
}

// LongRoPE's factors come as tensors, as in GGUF files; attention factor by
// arXiv 2402.13753, equation 5: √(1 + ln 4 / ln 16) = √1.5.
func TestLongRope(t *testing.T) {
	models, _ := readFamilies(t)
	m := models["phi3"]
	delete(m.Config, "rope_parameters")
	m.Config["original_max_position_embeddings"] = 16
	m.Config["rope_scaling"] = map[string]any{"type": "longrope", "short_factor": []float64{1, 2, 3, 4}, "long_factor": []float64{5, 6, 7, 8}}
	f := m.open(t)
	short, ok := f.Tensor("rope_factors_short.weight")
	if !ok || !slices.Equal(short.F32(), []float32{1, 2, 3, 4}) {
		t.Errorf("short factors: %v", ok)
	}
	if got, _, _ := f.Float("phi3.rope.scaling.attn_factor"); math.Abs(got-math.Sqrt(1.5)) > 1e-6 {
		t.Errorf("attn_factor %g", got)
	}
	m.Config["rope_scaling"] = map[string]any{"type": "longrope", "short_factor": []float64{1}, "long_factor": []float64{1, 1, 1, 1}}
	if _, err := Open(m.store(t)); err == nil || !strings.Contains(err.Error(), `"short_factor" has 1 numbers`) {
		t.Errorf("too few factors: %v", err)
	}
}

// shard splits the model in two files with an index.
func (m *model) shard(t testing.TB) string {
	t.Helper()
	dir := m.store(t)
	if err := os.Remove(filepath.Join(dir, weightsName)); err != nil {
		t.Fatal(err)
	}
	where := map[string]string{}
	half := len(m.Tensors) / 2
	for i, part := range [][]tensor.Tensor{m.Tensors[:half], m.Tensors[half:]} {
		file := fmt.Sprintf("model-%05d-of-00002.safetensors", i+1)
		writeFile(t, pack(t, part), dir, file)
		for _, w := range part {
			where[w.Name] = file
		}
	}
	index, err := json.Marshal(map[string]any{"metadata": map[string]any{"total_size": 1}, "weight_map": where})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, index, dir, indexName)
	return dir
}

func TestShards(t *testing.T) {
	models, _ := readFamilies(t)
	m := models["llama"]
	dir := m.shard(t)
	for _, path := range []string{dir, filepath.Join(dir, configName), filepath.Join(dir, indexName)} {
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(f.TensorNames()) != len(m.Tensors) {
			t.Errorf("%s: %d tensors", path, len(f.TensorNames()))
		}
		f.Close()
	}
	first, second := filepath.Join(dir, "model-00001-of-00002.safetensors"), filepath.Join(dir, "model-00002-of-00002.safetensors")
	data, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, data, second)
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "is not in model-00002") {
		t.Errorf("a wrong shard: %v", err)
	}
	if err := os.Remove(second); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "1 of 2 weight files are missing") {
		t.Errorf("a missing shard: %v", err)
	}
}

func TestSHA256(t *testing.T) {
	models, _ := readFamilies(t)
	dir := models["llama"].store(t)
	h := sha256.New()
	for _, name := range []string{configName, weightsName} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		h.Write(data)
	}
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := f.SHA256(); got != hex.EncodeToString(h.Sum(nil)) || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}

func TestChatTemplate(t *testing.T) {
	models, _ := readFamilies(t)
	m := models["qwen2"]
	for _, c := range []struct{ file, text, want string }{
		{"tokenizer_config.json", `{"chat_template": "{{ x }}"}`, "{{ x }}"},
		{"tokenizer_config.json", `{"chat_template": [{"name": "tool", "template": "t"}, {"name": "default", "template": "d"}]}`, "d"},
		{"chat_template.jinja", "{{ jinja }}", "{{ jinja }}"},
	} {
		dir := m.store(t)
		writeFile(t, []byte(c.text), dir, c.file)
		f, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, _ := f.String("tokenizer.chat_template"); got != c.want {
			t.Errorf("%s %s: %q", c.file, c.text, got)
		}
		f.Close()
	}
}

// Names as other writers have them: the bare network without its prefix, and a
// language model inside one that also sees.
func TestOtherPrefixes(t *testing.T) {
	models, _ := readFamilies(t)
	m := models["gpt2"]
	for i := range m.Tensors {
		m.Tensors[i].Name = strings.TrimPrefix(m.Tensors[i].Name, "transformer.")
	}
	m.Tensors = append(m.Tensors, ramp("h.0.attn.bias", []int{1, 1, 4, 4}, 0)) // the causal mask
	if f := m.open(t); len(f.TensorNames()) != len(m.Tensors)-1 {
		t.Errorf("gpt2: %d of %d tensors", len(f.TensorNames()), len(m.Tensors)-1)
	}
	for _, prefix := range []string{"language_model.model.", "model.language_model."} {
		models, _ = readFamilies(t)
		m = models["gemma3_text"]
		for i := range m.Tensors {
			m.Tensors[i].Name = prefix + strings.TrimPrefix(m.Tensors[i].Name, "model.")
		}
		m.Tensors = append(m.Tensors, ramp("vision_tower.x.weight", []int{2}, 0))
		m.Config = map[string]any{"model_type": "gemma3", "text_config": m.Config}
		if f := m.open(t); len(f.TensorNames()) != len(m.Tensors)-1 {
			t.Errorf("gemma3: %d of %d tensors", len(f.TensorNames()), len(m.Tensors)-1)
		}
	}
}

// What a folder can lack or hold too much of, each with the error that names it.
func TestBadFolders(t *testing.T) {
	put := func(key string, v any) func(*model) { return func(m *model) { m.Config[key] = v } }
	rename := func(from, to string) func(*model) {
		return func(m *model) { m.find(t, from).Name = to }
	}
	for name, c := range map[string]struct {
		kind  string
		spoil func(*model)
		want  []string
	}{
		"model type":    {"llama", put("model_type", "falcon"), []string{configName, `"falcon"`, "gpt_neox"}},
		"no model type": {"llama", func(m *model) { delete(m.Config, "model_type") }, []string{`model type ""`}},
		"activation":    {"llama", put("hidden_act", "relu"), []string{`"hidden_act"`, `"relu"`, "silu"}},
		"bias":          {"llama", put("mlp_bias", true), []string{`"mlp_bias"`}},
		"a wrong kind":  {"llama", put("hidden_size", "32"), []string{`"hidden_size"`, "a number"}},
		"a fraction":    {"llama", put("hidden_size", 32.5), []string{`"hidden_size"`, "whole number"}},
		"a negative":    {"llama", put("num_hidden_layers", -1), []string{`"num_hidden_layers"`}},
		"head size":     {"qwen2", put("num_attention_heads", 5), []string{"32", "5 heads"}},
		"ALiBi":         {"llama", put("model_type", "bloom"), []string{`"bloom"`, "ALiBi", "supported: "}},
		"rope scaling":  {"llama", put("rope_parameters", map[string]any{"rope_type": "spiral"}), []string{`"spiral"`, "yarn"}},
		"rope factor":   {"llama", put("rope_parameters", map[string]any{"rope_type": "linear"}), []string{"factor 0"}},
		"quantised":     {"llama", put("quantization_config", map[string]any{"quant_method": "bitsandbytes"}), []string{`"bitsandbytes"`, "GGUF"}},
		"layer count": {"qwen2", func(m *model) {
			m.Config["use_sliding_window"] = true
			m.Config["layer_types"] = []string{"sliding_attention"}
		}, []string{"layer_types", "1 entries for 2 layers"}},
		"layer types":    {"gemma2", put("layer_types", []string{"full_attention", "chunked_attention"}), []string{"layer_types", "chunked_attention"}},
		"mixed layers":   {"mistral", put("layer_types", []string{"full_attention", "sliding_attention"}), []string{"layer_types", "sliding_window"}},
		"no window":      {"gemma2", put("sliding_window", nil), []string{`"sliding_window"`, "null"}},
		"gelu":           {"gemma", put("hidden_act", "gelu"), []string{`"hidden_act"`, "gelu_pytorch_tanh"}},
		"bias by config": {"olmo2", put("attention_bias", true), []string{`"attention_bias"`, "attn_"}},
		"both ropes":     {"llama", put("rope_scaling", map[string]any{"rope_type": "linear", "factor": 2}), []string{`"rope_scaling"`, `"rope_parameters"`}},
		"partial":        {"llama", put("partial_rotary_factor", 0.5), []string{`"partial_rotary_factor"`, `"llama"`}},
		"window switch":  {"qwen2_moe", func(m *model) { m.Config["use_sliding_window"], m.Config["sliding_window"] = true, 9 }, []string{`"use_sliding_window"`}},
		"longrope inside": {"llama", func(m *model) {
			delete(m.Config, "rope_parameters")
			m.Config["rope_scaling"] = map[string]any{"rope_type": "longrope", "factor": 4, "original_max_position_embeddings": 16,
				"short_factor": []int{1, 1, 1, 1}, "long_factor": []int{1, 1, 1, 1}}
		}, []string{`"original_max_position_embeddings"`}},
		"some experts":   {"qwen3_moe", put("mlp_only_layers", []int{1}), []string{"mlp_only_layers"}},
		"scales":         {"llama", rename("model.norm.weight", "model.layers.0.mlp.up_proj.weight_scale_inv"), []string{"weight_scale_inv", "quantised"}},
		"adapter":        {"llama", rename("model.norm.weight", "model.layers.0.mlp.up_proj.lora_A.weight"), []string{"lora_A", "adapter"}},
		"layer too many": {"llama", rename("model.norm.weight", "model.layers.9.mlp.up_proj.weight"), []string{"model.layers.9"}},
		"same twice":     {"llama", rename("model.norm.weight", "embed_tokens.weight"), []string{"embed_tokens", "another name"}},
		"lost expert":    {"mixtral", rename("model.layers.0.block_sparse_moe.experts.2.w1.weight", "model.layers.0.block_sparse_moe.experts.7.w1.weight"), []string{"blk.0.ffn_gate_exps.weight", "part 2"}},
		"unlike experts": {"mixtral", func(m *model) {
			*m.find(t, "model.layers.0.block_sparse_moe.experts.2.w1.weight") = ramp("model.layers.0.block_sparse_moe.experts.2.w1.weight", []int{2, 2}, 0)
		}, []string{"experts.2.w1", "alike"}},
		"fused rows": {"gpt_neox", func(m *model) {
			*m.find(t, "gpt_neox.layers.1.attention.query_key_value.weight") = ramp("gpt_neox.layers.1.attention.query_key_value.weight", []int{95, 32}, 0)
		}, []string{"blk.1.attn_qkv.weight", "95"}},
		"no output": {"llama", func(m *model) {
			m.Tensors = slices.DeleteFunc(m.Tensors, func(w tensor.Tensor) bool { return w.Name == "lm_head.weight" })
		}, []string{"lm_head.weight"}},
		"shape of a gate": {"qwen2_moe", func(m *model) {
			*m.find(t, "model.layers.0.mlp.shared_expert_gate.weight") = ramp("model.layers.0.mlp.shared_expert_gate.weight", []int{2, 16}, 0)
		}, []string{"ffn_gate_inp_shexp", "one row"}},
	} {
		models, _ := readFamilies(t)
		m := models[c.kind]
		c.spoil(m)
		f, err := Open(m.store(t))
		if err == nil {
			t.Errorf("%s: no error", name)
			f.Close()
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q is not in the error: %v", name, w, err)
			}
		}
	}
}

func TestFoldersThatAreNone(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "no config.json") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "absent")); !os.IsNotExist(err) {
		t.Errorf("no folder: %v", err)
	}
	writeFile(t, []byte(`{"model_type": "llama", "model_type": "gpt2"}`), dir, configName)
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), `"model_type" is there twice`) {
		t.Errorf("a setting twice: %v", err)
	}
	models, _ := readFamilies(t)
	dir = models["llama"].store(t)
	if err := os.Rename(filepath.Join(dir, weightsName), filepath.Join(dir, "pytorch_model.bin")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "pytorch_model.bin") {
		t.Errorf("weights of another form: %v", err)
	}
}

// header makes a file of the given header text and n bytes of data.
func header(text string, n int) []byte {
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), make([]byte, n)...)
}

func TestBadHeaders(t *testing.T) {
	for want, data := range map[string][]byte{
		"no header":                  []byte("1234"),
		"where the format allows":    binary.LittleEndian.AppendUint64(nil, 1<<40),
		"the file only":              header("{}", 0)[:9],
		"Git LFS":                    []byte("version https://git-lfs.github.com/spec/v1\n"),
		"GGUF":                       []byte("GGUF\x03\x00\x00\x00........"),
		"ends too early":             header(`{"a":`, 0),
		"object is needed":           header(`[]`, 0),
		"follows":                    header(`{} {}`, 0),
		"colon after object key":     header(`{"a" 1}`, 0),
		`"a" is there twice`:         header(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8),
		`"Q9" is unknown`:            header(`{"a":{"dtype":"Q9","shape":[1],"data_offsets":[0,4]}}`, 4),
		"cut off":                    header(`{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}`, 8),
		"end before it begins":       header(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, 8),
		"1 offsets":                  header(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4]}}`, 8),
		"takes 8 bytes":              header(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 8),
		"makes no sense":             header(`{"a":{"dtype":"F32","shape":[281474976710656,281474976710656],"data_offsets":[0,4]}}`, 8),
		"[-1] makes no sense":        header(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 8),
		"9 dimensions":               header(`{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}`, 8),
		`"a" and "b" overlaps`:       header(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8),
		"cannot unmarshal number":    header(`{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}`, 4),
		"a tensor's name of 0 bytes": header(`{"":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4),
	} {
		if _, err := parse(data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	entries, err := parse(header(`{"__metadata__":{"format":"pt"},"b":{"dtype":"I64","shape":[],"data_offsets":[2,10]},"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}`, 10))
	if err != nil || len(entries) != 2 || entries[0].name != "a" || entries[1].dtype != "I64" {
		t.Errorf("a good header: %v, %v", entries, err)
	}
}

func TestBadIndexes(t *testing.T) {
	for want, data := range map[string]string{
		"no weight_map":        `{"metadata": {}}`,
		"../x":                 `{"weight_map": {"a": "../x.safetensors"}}`,
		"/etc/x":               `{"weight_map": {"a": "/etc/x.safetensors"}}`,
		"no name of":           `{"weight_map": {"a": "config.json"}}`,
		`"a" is there twice`:   `{"weight_map": {"a": "x.safetensors", "a": "y.safetensors"}}`,
		"cannot unmarshal":     `{"weight_map": {"a": 7}}`,
		"JSON object is neede": `{"weight_map": []}`,
		"too early":            `{"weight_map": {"a": "x.safetensors"`,
	} {
		if _, _, err := parseIndex([]byte(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
