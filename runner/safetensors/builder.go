package safetensors

import (
	"fmt"
	"slices"

	"headprof/runner/gguf"
	"headprof/runner/tensor"
)

// builder turns settings into a family's GGUF metadata.
type builder struct {
	settings
	family *family
	meta   *gguf.Metadata
	made   map[string]tensor.Tensor // tensors that settings hold
	layers int
	attend []bool // layers that have attention; nil: all
	drafts int    // layers of a draft model behind the last, whose tensors are left out
	heads  int
	dim    int // of a head's queries and keys
}

// set stores a key of the family, such as block_count.
func (b *builder) set(key string, v any) { b.setFull(b.family.arch+"."+key, v) }

func (b *builder) setFull(key string, v any) {
	if err := b.meta.Set(key, v); err != nil {
		b.fail("%v", err)
	}
}

// sizes reads what most families state under the same names.
func (b *builder) sizes() {
	width := b.count("hidden_size")
	b.shape(b.count("num_hidden_layers"), width, b.count("num_attention_heads"), b.countOr("head_dim", 0))
	b.set("context_length", b.count("max_position_embeddings"))
	b.set("feed_forward_length", b.count("intermediate_size"))
	b.set("attention.head_count_kv", b.countOr("num_key_value_heads", b.heads))
}

// shape sets layers, width and heads; a dim of 0 stands for width / heads.
func (b *builder) shape(layers, width, heads, dim int) {
	b.set("block_count", layers)
	b.set("embedding_length", width)
	b.set("attention.head_count", heads)
	if dim == 0 {
		if width%heads != 0 {
			b.fail("the width %d is no multiple of the %d heads, and there is no \"head_dim\"", width, heads)
		}
		dim = width / heads
	}
	b.set("attention.key_length", dim)
	b.set("attention.value_length", dim)
	b.layers, b.heads, b.dim = layers, heads, dim
}

// llamaLike reads a pre-norm RMSNorm family with a SiLU gate.
func (b *builder) llamaLike() {
	b.activation("hidden_act", "silu")
	b.refuse("mlp_bias")
	b.sizes()
	b.rmsEps()
	b.rope(b.dim)
}

func (b *builder) rmsEps() {
	b.set("attention.layer_norm_rms_epsilon", float32(b.floatOr("rms_norm_eps", 0)))
}

// windowEverywhere sets a sliding window on all layers where there is one.
// transformers computes nothing else for these classes, whatever layer_types say.
func (b *builder) windowEverywhere() {
	w, want := b.countOr("sliding_window", 0), "full_attention"
	if w > 0 {
		want = "sliding_attention"
		b.set("attention.sliding_window", w)
	}
	for l, t := range b.layerTypes() {
		if t != want {
			b.fail("\"layer_types\" is %q at layer %d, where \"sliding_window\" of model type %q makes all layers %q; remove one of them", t, l, b.text("model_type"), want)
			return
		}
	}
}

// windowAt sets the window of the layers that layer_types call sliding; without
// them, of those for which local is true.
func (b *builder) windowAt(local func(l int) bool) {
	pattern := make([]bool, b.layers)
	for l := range pattern {
		pattern[l] = local(l)
	}
	for l, t := range b.layerTypes() {
		pattern[l] = t == "sliding_attention"
	}
	if !slices.Contains(pattern, true) {
		b.set("attention.sliding_window", 0)
		return
	}
	w := b.countOr("sliding_window", 0)
	if w == 0 {
		b.fail("\"sliding_window\" is null or 0, but layers have one by \"layer_types\"; state it")
	}
	b.set("attention.sliding_window", w)
	b.set("attention.sliding_window_pattern", pattern)
}

// layerTypes reads what attention each layer has; nil where nothing says so.
func (b *builder) layerTypes() []string {
	types := b.texts("layer_types")
	if types != nil && len(types) != b.layers {
		b.fail("\"layer_types\" has %d entries for %d layers; fetch the file again", len(types), b.layers)
		return nil
	}
	for l, t := range types {
		if t != "full_attention" && t != "sliding_attention" {
			b.fail("\"layer_types\" is %q at layer %d, where headprof supports full_attention and sliding_attention", t, l)
			return nil
		}
	}
	return types
}

// typedLayers tells which layers are of type yes, all others being of type no:
// as layer_types list them, or where that is absent as fallback says.
func (b *builder) typedLayers(yes, no string, fallback func(l int) bool) []bool {
	types, out := b.texts("layer_types"), make([]bool, b.layers)
	if types != nil && len(types) != b.layers {
		b.fail("\"layer_types\" has %d entries for %d layers; fetch the file again", len(types), b.layers)
		return out
	}
	for l := range out {
		switch {
		case types == nil:
			out[l] = fallback(l)
		case types[l] != yes && types[l] != no:
			b.fail("\"layer_types\" is %q at layer %d, where model type %q has %s and %s", types[l], l, b.text("model_type"), yes, no)
		default:
			out[l] = types[l] == yes
		}
	}
	return out
}

// switchedWindow is Qwen's: off unless switched on, and then for the layers
// from max_window_layers on.
func (b *builder) switchedWindow() {
	if !b.boolOr("use_sliding_window", false) {
		b.values["sliding_window"] = []byte("null")
	}
	from := b.countOr("max_window_layers", 0)
	b.windowAt(func(l int) bool { return b.has("sliding_window") && l >= from })
}

// moe reads a mixture of experts in which every layer has one.
func (b *builder) moe() {
	b.set("expert_count", b.countOr("num_local_experts", b.count("num_experts")))
	b.set("expert_used_count", b.count("num_experts_per_tok"))
	if b.countOr("decoder_sparse_step", 1) != 1 || b.has("mlp_only_layers") && string(b.values["mlp_only_layers"]) != "[]" {
		b.fail("some layers have no experts (\"decoder_sparse_step\", \"mlp_only_layers\"), which headprof does not support")
	}
}

// build makes the metadata of a folder.
func (f *family) build(s settings, source, name string) (*builder, error) {
	b := &builder{settings: s, family: f, meta: gguf.NewMetadata(source), made: map[string]tensor.Tensor{}}
	b.setDefaults(f.defaults)
	b.setFull("general.architecture", f.arch)
	b.setFull("general.name", name)
	f.read(b)
	b.set("vocab_size", b.count("vocab_size"))
	b.endTokens()
	if *b.err != nil {
		return nil, fmt.Errorf("%s: %w", source, *b.err)
	}
	return b, nil
}

// endTokens stores the ids that begin and end texts. eos may be a list, of
// which transformers stops at any; GGUF's key then gets the first.
func (b *builder) endTokens() {
	if id := b.tokenIDs("bos_token_id"); len(id) > 0 {
		b.setFull("tokenizer.ggml.bos_token_id", id[0])
	}
	if ids := b.tokenIDs("eos_token_id"); len(ids) > 0 {
		b.setFull("tokenizer.ggml.eos_token_id", ids[0])
		b.setFull("headprof.eos_token_ids", ids)
	}
}

// tokenIDs reads one token id or a list of them.
func (b *builder) tokenIDs(key string) (ids []int) {
	if raw := b.values[key]; len(raw) > 0 && raw[0] == '[' {
		b.read(key, "a list of token ids", &ids)
	} else if id := -1; b.read(key, "a token id", &id) {
		ids = []int{id}
	}
	return slices.DeleteFunc(ids, func(id int) bool { return id < 0 })
}
