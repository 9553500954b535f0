package arch_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"headprof/runner/arch"
	"headprof/runner/plain"
	"headprof/runner/tensor"
)

// equalsGolden fails unless the changed model computes what transformers
// computed for the unchanged one.
func equalsGolden(t *testing.T, name string, settings map[string]any) {
	t.Helper()
	b, want := plain.New(), readGolden(t, name)
	m, err := arch.Load(changed(t, name, settings), b)
	if err != nil {
		t.Errorf("%v: %v", settings, err)
		return
	}
	compare(t, compute(t, m, b, want.Tokens, want.Positions, 13), want)
}

// Ollama writes Gemma 3's rotary bases under its own names: global.freq_base and
// local.freq_base, or freq_base and local.freq_base.
func TestGemma3ByOllama(t *testing.T) {
	const local = 10000.0
	for _, settings := range []map[string]any{
		{"gemma3.rope.freq_base": nil, "gemma3.rope.freq_base_swa": nil, "gemma3.rope.global.freq_base": 100000.0, "gemma3.rope.local.freq_base": local},
		{"gemma3.rope.freq_base_swa": nil, "gemma3.rope.local.freq_base": local},
		{"gemma3.rope.freq_base_swa": nil}, // the family's default is the golden model's
		{"gemma3.attention.layer_norm_rms_epsilon": nil},
		{"gemma3.rope.global.freq_base": 100000.0, "gemma3.mm.tokens_per_image": 256, "gemma3.vision.attention.layer_norm_epsilon": 1e-6},
	} {
		equalsGolden(t, "gemma3", settings)
	}
}

// A key that is absent has the value that the family's published models have
// (transformers' class defaults), or is asked for.
func TestAbsentKeys(t *testing.T) {
	with := func(name string, settings map[string]any) arch.Model {
		m, err := arch.Load(changed(t, name, settings), plain.New())
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	logits := func(m arch.Model) []float32 {
		return compute(t, m, plain.New(), []int32{5, 9, 40, 3}, []int{3}, 4).logits[0]
	}
	// Without a base, Gemma 3's global layers have 10⁶.
	none := logits(with("gemma3", map[string]any{"gemma3.rope.freq_base": nil}))
	if d := difference(t, "logits", none, logits(with("gemma3", map[string]any{"gemma3.rope.freq_base": 1e6}))); d != 0 {
		t.Errorf("Gemma 3 without a base differs from base 10⁶ by %g", d)
	}
	if w := with("gemma2", map[string]any{"gemma2.attention.sliding_window": nil}).Config().Layers; w[0].Window != 4096 || w[1].Window != 0 {
		t.Errorf("Gemma 2 without a window: %v", w)
	}
	for _, c := range []struct{ model, key string }{
		{"gemma3", "gemma3.attention.sliding_window"},
		{"llama", "llama.attention.layer_norm_rms_epsilon"},
		{"gpt2", "gpt2.attention.layer_norm_epsilon"},
		{"gpt-neox", "gptneox.rope.dimension_count"},
		{"stablelm", "stablelm.rope.dimension_count"},
	} {
		if _, err := arch.Describe(changed(t, c.model, map[string]any{c.key: nil})); err == nil || !strings.Contains(err.Error(), strings.Split(c.key, "_norm")[0]) || !strings.Contains(err.Error(), "missing") {
			t.Errorf("%s without %s: %v", c.model, c.key, err)
		}
	}
}

// A setting under the family's name that no equation reads is refused where it
// could change results, and told otherwise.
func TestUnknownKeys(t *testing.T) {
	for key, value := range map[string]any{
		"rope.base_frequency": 5e5, "attention.sink_count": 4, "logit_scaling": 2.0, "expert_bias": true, "attention.sliding_window_size": 8,
		"query_norm": true, "rope.scaling.beta_fast": 64.0, "parallel_residual": true, "hidden_activation": "relu", "freq_scale": 0.5,
		"final_logit_softcapping": 30.0, "rope.scaling.attn_factor": 1.5, "attn.window": 7,
	} {
		_, err := arch.Describe(changed(t, "llama", map[string]any{"llama." + key: value}))
		if err == nil || !strings.Contains(err.Error(), "llama."+key) {
			t.Errorf("%s: %v", key, err)
		}
	}
	c, err := arch.Describe(changed(t, "llama", map[string]any{"llama.finetuned_by": "someone"}))
	if err != nil || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "llama.finetuned_by") {
		t.Errorf("a descriptive key: %v, %+v", err, c)
	}
	if c, err := arch.Describe(changed(t, "llama", nil)); err != nil || c.Warnings != nil {
		t.Errorf("a sound file: %v, %v", err, c.Warnings)
	}
	_, err = arch.Describe(changed(t, "gemma3", map[string]any{"gemma3.rope.global.freq_base": 7.0}))
	if err == nil || !strings.Contains(err.Error(), "should be the same") {
		t.Errorf("two bases: %v", err)
	}
}

// A file that also holds a vision model runs as the text model that it is.
func TestVisionTensorsAreIgnored(t *testing.T) {
	b, want := plain.New(), readGolden(t, "gemma3")
	s := changed(t, "gemma3", map[string]any{"gemma3.vision.block_count": 27})
	for _, name := range []string{"v.patch_embedding.weight", "v.blk.0.attn_q.weight", "mm.mm_input_projection.weight"} {
		s.tensors[name] = tensor.FromF32(name, []int{1}, []float32{float32(math.NaN())})
	}
	m, err := arch.Load(s, b)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, compute(t, m, b, want.Tokens, want.Positions, 13), want)
	if w := m.Config().Warnings; len(w) != 1 || !strings.Contains(w[0], "3 tensors of a vision model") {
		t.Errorf("warnings %q", w)
	}
}

// The published models of these sizes divide positions by 8 in their global
// layers (their config.json's rope_scaling), and Ollama's files do not say so.
func TestGemma3ScalingBySize(t *testing.T) {
	s := changed(t, "gemma3", map[string]any{"gemma3.block_count": 34, "gemma3.rope.scaling.type": nil, "gemma3.rope.scaling.factor": nil})
	for l := 6; l < 34; l++ {
		for name, w := range s.tensors {
			if rest, ok := strings.CutPrefix(name, "blk.0."); ok {
				w.Name = fmt.Sprintf("blk.%d.%s", l, rest)
				s.tensors[w.Name] = w
			}
		}
	}
	logits := func() []float32 {
		m, err := arch.Load(s, plain.New())
		if err != nil {
			t.Fatal(err)
		}
		return compute(t, m, plain.New(), []int32{5, 9, 40, 3}, []int{3}, 4).logits[0]
	}
	got := logits()
	s.Set("gemma3.rope.scaling.type", "linear")
	s.Set("gemma3.rope.scaling.factor", 8.0)
	if d := difference(t, "logits", got, logits()); d != 0 {
		t.Errorf("without a factor the logits differ from those with 8 by %g", d)
	}
}
