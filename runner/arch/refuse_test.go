package arch_test

import (
	"strings"
	"testing"

	"headprof/runner/arch"
	"headprof/runner/gguf"
	"headprof/runner/plain"
	"headprof/runner/tensor"
)

// changed is a golden model with other settings; a nil removes one.
func changed(t *testing.T, name string, settings map[string]any) mutant {
	t.Helper()
	f := together(t, name)
	m := mutant{gguf.NewMetadata("mutant"), map[string]tensor.Tensor{}}
	for _, k := range f.Keys() {
		if _, ok := settings[k]; !ok {
			copyKey(m.Metadata, f.Metadata, k)
		}
	}
	for k, v := range settings {
		if v == nil {
			continue
		}
		if err := m.Set(k, v); err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range f.tensors {
		m.tensors[w.Name] = w
	}
	return m
}

// What headprof does not compute is refused, with the reason.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		model    string
		settings map[string]any
		want     []string
	}{
		"ALiBi family":     {"llama", map[string]any{"general.architecture": "bloom"}, []string{"bloom", "ALiBi"}},
		"ALiBi setting":    {"llama", map[string]any{"llama.attention.max_alibi_bias": 8.0}, []string{"max_alibi_bias", "ALiBi"}},
		"latent rank":      {"deepseek-v3", map[string]any{"deepseek2.attention.kv_lora_rank": nil}, []string{"kv_lora_rank"}},
		"latent gate":      {"deepseek-v3", map[string]any{"deepseek2.expert_gating_func": 3}, []string{"expert_gating_func"}},
		"streams":          {"gemma3n", map[string]any{"gemma3n.altup.active_idx": 4}, []string{"altup.active_idx", "streams"}},
		"shared caches":    {"gemma4", map[string]any{"gemma4.attention.shared_kv_layers": 4}, []string{"layer 2", "shared_kv_layers"}},
		"unknown family":   {"llama", map[string]any{"general.architecture": "nova"}, []string{`"nova"`, "supported: cohere2, command-r"}},
		"no family":        {"llama", map[string]any{"general.architecture": nil}, []string{"general.architecture"}},
		"scaling":          {"llama", map[string]any{"llama.rope.scaling.type": "spiral"}, []string{"spiral", "yarn"}},
		"negative base":    {"llama", map[string]any{"llama.rope.freq_base": -1.0}, []string{"llama.rope", "frequency"}},
		"sigmoid experts":  {"qwen3-moe", map[string]any{"qwen3moe.expert_gating_func": 2}, []string{"expert_gating_func", "softmax"}},
		"no experts used":  {"qwen3-moe", map[string]any{"qwen3moe.expert_used_count": 0}, []string{"expert_used_count", "0 of 5"}},
		"window list":      {"gemma3", map[string]any{"gemma3.attention.sliding_window_pattern": []bool{true, false}}, []string{"sliding_window_pattern", "2 entries for 6 layers"}},
		"heads of a layer": {"llama", map[string]any{"llama.attention.head_count": []int{4, 2}}, []string{"8 dimensions in layer 0 and 16 in layer 1"}},
		"width":            {"llama", map[string]any{"llama.embedding_length": 64}, []string{"token_embd.weight", "[67 32]"}},
		"groups":           {"falcon-h1", map[string]any{"falcon-h1.ssm.group_count": 4}, []string{"6 heads", "4 groups"}},
		"Bamba":            {"granite-hybrid", map[string]any{"granitehybrid.rope.scaling.finetuned": true}, []string{"rope.scaling.finetuned", "Bamba"}},
		"multipliers":      {"falcon-h1", map[string]any{"headprof.multipliers": []float32{1, 2}}, []string{"headprof.multipliers", "2 entries"}},
		"no length":        {"llama", map[string]any{"llama.context_length": nil}, []string{"llama.context_length is missing"}},
		"encoder":          {"llama", map[string]any{"llama.attention.causal": false}, []string{"attention.causal", "encoder"}},
	} {
		_, err := arch.Describe(changed(t, c.model, c.settings))
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not say %q", name, err, w)
			}
		}
	}
}

// A tied Falcon-H1 in GGUF lacks a multiplier of its logits.
func TestFalconH1WithoutOutput(t *testing.T) {
	m := changed(t, "falcon-h1", nil)
	delete(m.tensors, "output.weight")
	_, err := arch.Load(m, plain.New())
	if err == nil || !strings.Contains(err.Error(), "output.weight") || !strings.Contains(err.Error(), "lm_head_multiplier") {
		t.Errorf("%v", err)
	}
}

// A sliding-window pattern may be a number or a list of bools.
func TestWindowPatterns(t *testing.T) {
	for name, c := range map[string]struct {
		pattern any
		local   string // by layer: w with a window, - without
	}{
		"absent": {nil, "wwwww-"},
		"number": {3, "ww-ww-"},
		"zero":   {0, "wwwwww"},
		"list":   {[]bool{true, false, false, true, false, true}, "w--w-w"},
	} {
		settings := map[string]any{"gemma3.attention.sliding_window_pattern": c.pattern}
		got, err := arch.Describe(changed(t, "gemma3", settings))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for l, a := range got.Layers {
			if a.Window != map[byte]int{'w': 8, '-': 0}[c.local[l]] {
				t.Errorf("%s: layer %d has the window %d", name, l, a.Window)
			}
		}
	}
}

// Dynamic scaling and LongRoPE's short factors hold up to the original context.
func TestContextLimits(t *testing.T) {
	for _, c := range []struct {
		model       string
		settings    map[string]any
		limit, long int
	}{
		{"llama", map[string]any{"llama.rope.scaling.type": "dynamic", "llama.rope.scaling.factor": 4.0, "llama.rope.scaling.original_context_length": 20}, 20, 0},
		{"llama", map[string]any{"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0, "llama.rope.scaling.original_context_length": 20}, 64, 0},
		{"phi3-long", nil, 16, 256},
		{"phi3-long", map[string]any{"headprof.context": 16}, 16, 256},
		{"phi3-long", map[string]any{"headprof.context": 17}, 256, 0},
	} {
		got, err := arch.Describe(changed(t, c.model, c.settings))
		if err != nil {
			t.Fatal(err)
		}
		if got.Context != c.limit || got.LongContext != c.long {
			t.Errorf("%s %v: limits %d and %d, want %d and %d", c.model, c.settings, got.Context, got.LongContext, c.limit, c.long)
		}
	}
}
