package safetensors

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// family translates one model type's names and settings.
type family struct {
	arch   string            // general.architecture
	prefix string            // of layers, such as "model.layers."
	outer  map[string]string // tensors outside layers
	block  map[string]string // tensors of a layer; * stands for an expert's or head's number, | joins tensors that are made of one
	read   func(b *builder)
	// defaults are the class's values of settings that config.json leaves out, as
	// a JSON object.
	defaults string
	// optional tells, by tensor without blk.N., which setting says whether it is
	// there: a setting's name, "!name" for its opposite, "" for never, "true".
	optional map[string]string
	made     map[string]reshape // by GGUF's name without blk.N.: tensors that are not taken as they are
	// quantised is the quant_method of quantization_config that the family reads; "": none.
	quantised string
}

// ignored reports tensors that hold no weights of the language model: masks and
// tables that are computed, and other networks in the same checkpoint.
func ignored(name string) bool {
	for _, end := range []string{"rotary_emb.inv_freq", "attn.bias", "attn.masked_bias", "attention.bias", "attention.masked_bias"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	for _, part := range []string{"vision_tower.", "multi_modal_projector.", "visual.", "mtp."} {
		if strings.HasPrefix(name, part) || strings.HasPrefix(name, "model."+part) {
			return true
		}
	}
	return false
}

// families is by config.json's model_type.
var families = map[string]*family{}

// register adds a family; for the init of its file.
func register(modelType string, f *family) { families[modelType] = f }

// ModelTypes lists the supported values of config.json's model_type.
func ModelTypes() []string { return slices.Sorted(maps.Keys(families)) }

// unsupported gives the reason why a model type that people have is refused.
var unsupported = map[string]string{
	"bloom": alibi, "mpt": alibi,
	"nemotron_h": stateSpace, "jamba": stateSpace, "bamba": stateSpace,
}

const (
	alibi      = "it uses ALiBi, whose position biases headprof does not compute"
	stateSpace = "it has state-space (Mamba) layers, which headprof does not compute"
)

func findFamily(modelType string) (*family, error) {
	if f := families[modelType]; f != nil {
		return f, nil
	}
	reason := ""
	if r := unsupported[modelType]; r != "" {
		reason = ": " + r
	}
	return nil, fmt.Errorf("model type %q is not supported%s; supported: %s", modelType, reason, strings.Join(ModelTypes(), ", "))
}

// place is where a tensor belongs in GGUF's vocabulary.
type place struct {
	name   string // such as blk.0.attn_q.weight
	base   string // the same without blk.N.
	layer  int    // -1 outside layers
	member int    // the number that * stood for; -1 without
}

// places splits a place of tensors that are made of one.
func (p place) places() (all []place) {
	stem, kind, joined := p.base, "", strings.Contains(p.base, "|")
	if !joined {
		return []place{p}
	}
	for _, k := range []string{".weight", ".bias"} {
		if rest, ok := strings.CutSuffix(stem, k); ok {
			stem, kind = rest, k
		}
	}
	for _, base := range strings.Split(stem, "|") {
		one := p
		one.base = base + kind
		one.name = fmt.Sprintf("blk.%d.%s", p.layer, one.base)
		all = append(all, one)
	}
	return all
}

// translate gives the place of a tensor, ok false where the family knows none.
// Checkpoints of the bare network lack the prefix that names it, those of a
// model that also sees have one more.
func (f *family) translate(name string) (p place, ok bool) {
	for _, seeing := range []string{"model.language_model.", "language_model.model."} {
		if rest, ok := strings.CutPrefix(name, seeing); ok {
			name = "model." + rest
		}
	}
	name = strings.TrimPrefix(name, "language_model.")
	if p, ok = f.translateWhole(name); ok {
		return p, true
	}
	root, _, _ := strings.Cut(f.prefix, ".")
	return f.translateWhole(root + "." + name)
}

func (f *family) translateWhole(name string) (p place, ok bool) {
	stem, kind := cutKind(name)
	p = place{layer: -1, member: -1}
	if to, ok := f.outer[stem]; ok {
		p.base = to + kind
		p.name = p.base
		return p, true
	}
	rest, ok := strings.CutPrefix(stem, f.prefix)
	if !ok {
		return p, false
	}
	number, rest, ok := strings.Cut(rest, ".")
	if !ok {
		return p, false
	}
	if p.layer, ok = parseNumber(number); !ok {
		return p, false
	}
	to, found := f.block[rest]
	if !found {
		var pattern string
		if pattern, p.member, ok = starNumber(rest); !ok {
			return p, false
		}
		if to, found = f.block[pattern]; !found {
			return p, false
		}
	}
	p.base = to + kind
	p.name = "blk." + number + "." + p.base
	return p, true
}

// cutKind splits .weight or .bias off. Merged experts have neither: they are
// weights, or biases that say so behind an underscore.
func cutKind(name string) (stem, kind string) {
	for _, kind := range []string{".weight", ".bias"} {
		if stem, ok := strings.CutSuffix(name, kind); ok {
			return stem, kind
		}
	}
	if strings.HasSuffix(name, "_bias") {
		return name, ".bias"
	}
	return name, ".weight"
}

// starNumber replaces the one part of a dotted name that is a number by *.
func starNumber(s string) (pattern string, n int, ok bool) {
	parts := strings.Split(s, ".")
	for i, p := range parts {
		if n, ok = parseNumber(p); ok {
			parts[i] = "*"
			return strings.Join(parts, "."), n, true
		}
	}
	return "", 0, false
}

// parseNumber accepts the one decimal form of a small number.
func parseNumber(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && n < 1<<16 && strconv.Itoa(n) == s
}

// join merges tables; later ones add to and override earlier ones.
func join(tables ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, t := range tables {
		maps.Copy(all, t)
	}
	return all
}

// biases is the part of family.optional for projections with and without bias:
// a setting's name, "true" or "" for Q, K and V, and for the output.
func biases(qkv, output string) map[string]string {
	return map[string]string{"attn_q.bias": qkv, "attn_k.bias": qkv, "attn_v.bias": qkv, "attn_output.bias": output}
}

// Tables that most families share.
var (
	usualOuter = map[string]string{"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
	usualQKVO  = map[string]string{
		"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
	}
	usualGated = map[string]string{"mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
	preNorms   = map[string]string{"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
	headNorms  = map[string]string{"self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm"}
)
