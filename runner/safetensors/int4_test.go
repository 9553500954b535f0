package safetensors

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headprof/runner/tensor"
)

// golden copies one of runner/arch's models of packed integers, whose numbers its
// tests compare with transformers', with a quantization_config and tensors changed.
func golden(t *testing.T, name string, change func(q map[string]any), rename ...string) string {
	t.Helper()
	from, dir := filepath.Join("../arch/testdata", name), t.TempDir()
	var config map[string]any
	data, err := os.ReadFile(filepath.Join(from, configName))
	if err == nil {
		err = json.Unmarshal(data, &config)
	}
	if err != nil {
		t.Fatal(err)
	}
	change(config["quantization_config"].(map[string]any))
	data, _ = json.Marshal(config)
	writeFile(t, data, dir, configName)
	if data, err = os.ReadFile(filepath.Join(from, weightsName)); err != nil {
		t.Fatal(err)
	}
	if rename != nil {
		data = []byte(strings.Replace(string(data), rename[0], rename[1], 1))
	}
	writeFile(t, data, dir, weightsName)
	return dir
}

// Packed weights stay small where a block format holds them without loss.
func TestPackedWeightsKeepTheirSize(t *testing.T) {
	for name, want := range map[string]tensor.Type{
		"qwen3-awq": tensor.Q5_0, "qwen3-gptq-v2": tensor.Q5_0, "qwen3-packed-zeros": tensor.Q5_0,
		"qwen2-gptq": tensor.Q4_0, "qwen3-packed": tensor.Q4_0, "qwen3-gptq-8": tensor.Q8_0,
		"qwen3-gptq-order": tensor.F32, "qwen3-packed-order": tensor.F32, // groups of any inputs
	} {
		f, err := Open(filepath.Join("../arch/testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if w, ok := f.Tensor("blk.0.ffn_up.weight"); !ok || w.Type != want || len(w.Shape) != 2 || w.Shape[0] != 64 {
			t.Errorf("%s: a weight is %v of shape %v, want %v", name, w.Type, w.Shape, want)
		}
		f.Close()
	}
}

func TestPackedWeightsNotUnderstoodAreRefused(t *testing.T) {
	set := func(key string, v any) func(map[string]any) { return func(q map[string]any) { q[key] = v } }
	none := func(map[string]any) {}
	scheme := func(key string, v any) func(map[string]any) {
		return func(q map[string]any) {
			q["config_groups"].(map[string]any)["group_0"].(map[string]any)["weights"].(map[string]any)[key] = v
		}
	}
	for _, c := range []struct {
		model  string
		change func(map[string]any)
		rename []string
		want   string
	}{
		{"qwen3-awq", set("version", "gemv"), nil, `"version"`},
		{"qwen3-awq", set("bits", 3), nil, `"bits"`},
		{"qwen3-awq", set("zero_point", false), nil, `"zero_point"`},
		{"qwen3-awq", set("backend", "llm-awq"), nil, `"backend"`},
		{"qwen3-awq", set("rotation", "hadamard"), nil, `"rotation"`},
		{"qwen3-awq", set("group_size", 16), nil, `"group_size"`},
		{"qwen3-awq", none, []string{"k_proj.qzeros", "k_proj.qzeroz"}, "zero points"},
		{"qwen3-awq", none, []string{"k_proj.qweight", "k_proj.qweighs"}, "k_proj.qweighs"},
		{"qwen3-gptq-v2", set("checkpoint_format", "marlin"), nil, `"checkpoint_format"`},
		{"qwen3-gptq-v2", set("format", "gptq"), nil, `"format"`},
		{"qwen3-gptq-v2", set("bits", 2), nil, `"bits"`},
		{"qwen3-gptq-v2", set("dynamic", map[string]any{"-:.*down.*": map[string]any{}}), nil, `"dynamic"`},
		{"qwen3-gptq-v2", set("checkpoint_format", "gptq"), nil, `"checkpoint_format"`}, // zeros of 15
		{"qwen3-gptq-order", set("desc_act", false), nil, `"desc_act"`},
		{"qwen3-gptq-order", none, []string{"k_proj.g_idx", "k_proj.g_idy"}, "k_proj.g_idy"},
		{"qwen3-packed", set("format", "marlin-24"), nil, `"format"`},
		{"qwen3-packed", set("kv_cache_scheme", map[string]any{"num_bits": 8}), nil, `"kv_cache_scheme"`},
		{"qwen3-packed", scheme("num_bits", 3), nil, `"num_bits"`},
		{"qwen3-packed", scheme("type", "float"), nil, `"type"`},
		{"qwen3-packed", scheme("strategy", "block"), nil, `"strategy"`},
		{"qwen3-packed", scheme("dynamic", true), nil, `"dynamic"`},
	} {
		f, err := Open(golden(t, c.model, c.change, c.rename...))
		if err == nil {
			f.Close()
			t.Errorf("%s: no error with %s", c.model, c.want)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %s is not in the error: %v", c.model, c.want, err)
		}
	}
}
