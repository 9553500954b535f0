package safetensors

import "slices"

func init() {
	register("qwen3_next", &qwen3next)
	register("qwen3_5_text", &qwen35)
	register("qwen3_5_moe_text", &qwen35moe)
}

// sharedExpert is the expert that all tokens use, and its gate.
var sharedExpert = map[string]string{
	"mlp.shared_expert.gate_proj": "ffn_gate_shexp",
	"mlp.shared_expert.up_proj":   "ffn_up_shexp",
	"mlp.shared_expert.down_proj": "ffn_down_shexp",
	"mlp.shared_expert_gate":      "ffn_gate_inp_shexp",
}

// mergedExperts are all of a layer's experts in one tensor, as published
// checkpoints have them.
var mergedExperts = map[string]string{
	"mlp.experts.gate_up_proj": "ffn_gate_exps|ffn_up_exps",
	"mlp.experts.down_proj":    "ffn_down_exps",
}

// deltaNet is what Qwen's linear attention has in all its versions.
var deltaNet = map[string]string{
	"linear_attn.conv1d":   "ssm_conv1d",
	"linear_attn.dt_bias":  "ssm_dt",
	"linear_attn.A_log":    "ssm_a",
	"linear_attn.norm":     "ssm_norm",
	"linear_attn.out_proj": "ssm_out",
}

var deltaMade = map[string]reshape{"ssm_conv1d.weight": squeeze, "ssm_a.weight": decay}

var (
	qwen3next = family{
		arch: "qwen3next", prefix: "model.layers.", outer: usualOuter,
		defaults: `{"vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 48, "num_attention_heads": 16,
			"num_key_value_heads": 2, "hidden_act": "silu", "max_position_embeddings": 32768, "rms_norm_eps": 1e-06, "rope_theta": 10000,
			"partial_rotary_factor": 0.25, "head_dim": 256, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_value_head_dim": 128,
			"linear_num_key_heads": 16, "linear_num_value_heads": 32, "decoder_sparse_step": 1, "moe_intermediate_size": 512,
			"shared_expert_intermediate_size": 512, "num_experts_per_tok": 10, "num_experts": 512, "norm_topk_prob": true, "full_attention_interval": 4}`,
		optional: biases("attention_bias", "attention_bias"),
		block: join(preNormsAfter, usualQKVO, headNorms, usualGated, qwenExperts, sharedExpert, deltaNet, map[string]string{
			"linear_attn.in_proj_qkvz": "attn_qkv|attn_gate",
			"linear_attn.in_proj_ba":   "ssm_ba",
		}),
		read: func(b *builder) {
			b.deltaLike()
			b.experts(true)
			b.setFull("headprof.dense", b.denseLayers())
		},
		made: with(experts, with(deltaMade, map[string]reshape{
			"ffn_gate_inp_shexp.weight": flatten, "attn_qkv.weight": byKeyHead(0, 1, 2), "attn_gate.weight": byKeyHead(3)})),
	}
	qwen35 = family{
		arch: "qwen35", prefix: "model.layers.", outer: usualOuter,
		defaults: `{"vocab_size": 248320, "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 32, "num_attention_heads": 16,
			"num_key_value_heads": 4, "hidden_act": "silu", "max_position_embeddings": 32768, "rms_norm_eps": 1e-06, "rope_theta": 10000,
			"partial_rotary_factor": 0.25, "head_dim": 256, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_value_head_dim": 128,
			"linear_num_key_heads": 16, "linear_num_value_heads": 32, "full_attention_interval": 4}`,
		optional: biases("attention_bias", "attention_bias"),
		block:    join(preNormsAfter, usualQKVO, headNorms, usualGated, deltaNet, apartGates),
		read: func(b *builder) {
			b.deltaLike()
			b.setFull("headprof.linear.grouped", true)
		},
		made: deltaMade,
	}
	qwen35moe = family{
		arch: "qwen35moe", prefix: "model.layers.", outer: usualOuter,
		defaults: `{"vocab_size": 248320, "hidden_size": 2048, "num_hidden_layers": 40, "num_attention_heads": 16,
			"num_key_value_heads": 2, "hidden_act": "silu", "max_position_embeddings": 32768, "rms_norm_eps": 1e-06, "rope_theta": 10000,
			"partial_rotary_factor": 0.25, "head_dim": 256, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_value_head_dim": 128,
			"linear_num_key_heads": 16, "linear_num_value_heads": 32, "moe_intermediate_size": 512,
			"shared_expert_intermediate_size": 512, "num_experts_per_tok": 8, "num_experts": 256, "full_attention_interval": 4}`,
		optional: biases("attention_bias", "attention_bias"),
		block:    join(preNormsAfter, usualQKVO, headNorms, qwenExperts, mergedExperts, sharedExpert, deltaNet, apartGates),
		read: func(b *builder) {
			b.values["intermediate_size"] = b.values["moe_intermediate_size"] // the class has no dense feed-forward
			b.deltaLike()
			b.setFull("headprof.linear.grouped", true)
			b.experts(true)
		},
		made: with(deltaMade, map[string]reshape{
			"ffn_gate_inp_shexp.weight": flatten, "ffn_gate_exps.weight": stackOr(half(0)), "ffn_up_exps.weight": stackOr(half(1)), "ffn_down_exps.weight": stackOr(whole)}),
	}
)

// preNormsAfter are the two norms as Qwen's hybrids call them in GGUF.
var preNormsAfter = map[string]string{"input_layernorm": "attn_norm", "post_attention_layernorm": "post_attention_norm"}

// apartGates are Qwen 3.5's projections, each a tensor.
var apartGates = map[string]string{
	"linear_attn.in_proj_qkv": "attn_qkv",
	"linear_attn.in_proj_z":   "attn_gate",
	"linear_attn.in_proj_b":   "ssm_beta",
	"linear_attn.in_proj_a":   "ssm_alpha",
}

// deltaLike reads Qwen's hybrids of linear and full attention.
func (b *builder) deltaLike() {
	b.activation("hidden_act", "silu")
	b.sizes()
	b.rmsEps()
	b.partialRope(b.dim, "rope_theta", "partial_rotary_factor")
	b.setFull("headprof.norm.add_one", true)
	every := b.count("full_attention_interval")
	b.attend = b.typedLayers("full_attention", "linear_attention", func(l int) bool { return (l+1)%every == 0 })
	b.setFull("headprof.full_attention", b.attend)
	b.set("ssm.conv_kernel", b.count("linear_conv_kernel_dim"))
	b.set("ssm.state_size", b.count("linear_key_head_dim"))
	b.set("ssm.group_count", b.count("linear_num_key_heads"))
	b.set("ssm.time_step_rank", b.count("linear_num_value_heads"))
	b.set("ssm.inner_size", b.count("linear_value_head_dim")*b.count("linear_num_value_heads"))
}

// experts reads a mixture beside a shared expert; normalised is the class's way
// where no setting says otherwise.
func (b *builder) experts(normalised bool) {
	if b.countOr("num_experts", 0) == 0 {
		return
	}
	b.set("expert_count", b.count("num_experts"))
	b.set("expert_used_count", b.count("num_experts_per_tok"))
	b.set("expert_feed_forward_length", b.count("moe_intermediate_size"))
	b.set("expert_shared_feed_forward_length", b.count("shared_expert_intermediate_size"))
	b.set("expert_weights_norm", b.boolOr("norm_topk_prob", normalised))
}

// denseLayers tells which layers have a dense feed-forward: those that
// mlp_only_layers list, and all but each decoder_sparse_step-th.
func (b *builder) denseLayers() []bool {
	var only []int
	b.read("mlp_only_layers", "a list of layers", &only)
	step, dense := b.count("decoder_sparse_step"), make([]bool, b.layers)
	for l := range dense {
		dense[l] = slices.Contains(only, l) || (l+1)%step != 0 || b.countOr("num_experts", 0) == 0
	}
	return dense
}
