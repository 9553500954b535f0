package arch

import "slices"

// unsupported gives the reason why a family that people have is refused.
var unsupported = map[string]string{
	"bloom":      "it uses ALiBi, whose position biases headprof does not compute",
	"mpt":        "it uses ALiBi, whose position biases headprof does not compute",
	"baichuan":   "its larger models use ALiBi, whose position biases headprof does not compute",
	"nemotron_h": stateSpace,
	"jamba":      stateSpace,
	"mamba":      "it has no attention",
	"mamba2":     "it has no attention",
	"rwkv6":      "it has no attention",
	"rwkv7":      "it has no attention",
	"bert":       "it is an encoder and generates no text",
	"t5":         "it is an encoder-decoder, and headprof reads decoder-only models",
}

const (
	stateSpace = "it has state-space (Mamba) layers, which headprof does not compute"
)

// computed lists, by family, the keys among those of refuseOddities that its
// equations read.
var computed = map[string][]string{
	"deepseek2": {"attention.kv_lora_rank", "expert_gating_func", "expert_weights_scale", "expert_group_count", "leading_dense_block_count",
		"rope.scaling.yarn_log_multiplier", "nextn_predict_layers"},
	"glm4moe":   {"nextn_predict_layers", "expert_gating_func", "expert_weights_scale", "expert_group_count", "leading_dense_block_count"},
	"lfm2moe":   {"expert_gating_func", "expert_weights_scale", "leading_dense_block_count"},
	"llama4":    {"attention.temperature_scale"},
	"qwen3next": {"nextn_predict_layers"},
	"qwen35":    {"nextn_predict_layers"},
	"qwen35moe": {"nextn_predict_layers"},
	"mistral3":  {"attention.temperature_scale", "rope.scaling.yarn_log_multiplier"},
}

// refuseOddities fails on settings that change the equations of any family and
// that none here computes.
func (m *metadata) refuseOddities() {
	for _, k := range []struct {
		key     string
		neutral float64
		reason  string
	}{
		{"attention.max_alibi_bias", 0, "ALiBi's position biases are not supported"},
		{"attention.clamp_kqv", 0, "clamped queries, keys and values are not supported"},
		{"attention.temperature_scale", 0, "attention temperatures by position are not supported"},
		{"attention.kv_lora_rank", 0, "multi-head latent attention is not supported: its heads share one compressed entry per token"},
		{"expert_gating_func", 1, "only softmax (1) is supported"},
		{"expert_weights_scale", 1, "scaled experts are not supported"},
		{"expert_group_count", 1, "experts in groups are not supported"},
		{"leading_dense_block_count", 0, "models with experts in some layers only are not supported"},
		{"rope.scaling.yarn_ext_factor", 1, "only 1 is supported"},
		{"rope.scaling.yarn_log_multiplier", 0, "only 0 is supported"},
	} {
		if slices.Contains(computed[m.Family], k.key) {
			continue
		}
		if v := m.float(k.key, k.neutral); v != k.neutral && v != 0 {
			m.fail("metadata key %s is %v: %s", m.key(k.key), v, k.reason)
		}
	}
	if k := m.key("attention.causal"); m.src.Has(k) && !m.flag(k) {
		m.fail("metadata key %s is false: the model is an encoder and generates no text", k)
	}
}
