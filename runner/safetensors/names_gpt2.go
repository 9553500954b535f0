package safetensors

func init() { register("gpt2", &gpt2) }

// GPT-2's layers are stored as input × output ("Conv1D"), all others as output × input.
var gpt2 = family{
	arch: "gpt2", prefix: "transformer.h.",
	defaults: `{"vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12, "activation_function": "gelu_new",
			"layer_norm_epsilon": 1e-05, "scale_attn_weights": true, "tie_word_embeddings": true}`,
	optional: map[string]string{"attn_qkv.bias": "true", "attn_output.bias": "true"},
	outer:    map[string]string{"transformer.wte": "token_embd", "transformer.wpe": "position_embd", "transformer.ln_f": "output_norm", "lm_head": "output"},
	block: map[string]string{
		"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output",
		"ln_2": "ffn_norm", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
	},
	read: func(b *builder) {
		b.activation("activation_function", "gelu_new", "gelu_pytorch_tanh")
		b.refuse("scale_attn_by_inverse_layer_idx")
		b.refuse("add_cross_attention")
		if !b.boolOr("scale_attn_weights", false) {
			b.fail("\"scale_attn_weights\" is false, which headprof does not support")
		}
		width := b.count("n_embd")
		b.shape(b.count("n_layer"), width, b.count("n_head"), 0)
		b.set("context_length", b.count("n_positions"))
		b.set("feed_forward_length", b.countOr("n_inner", 4*width))
		b.set("attention.head_count_kv", b.heads)
		b.set("attention.layer_norm_epsilon", float32(b.floatOr("layer_norm_epsilon", 0)))
	},
	made: map[string]reshape{
		"attn_qkv.weight": transpose, "attn_output.weight": transpose,
		"ffn_up.weight": transpose, "ffn_down.weight": transpose,
	},
}
