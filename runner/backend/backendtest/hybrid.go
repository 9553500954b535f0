package backendtest

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"headprof/fixtures"
	"headprof/runner/gguf"
	"headprof/runner/tensor"
)

// Hybrid is a GGUF file of a small random Qwen 3.5 with the tokenizer of the
// built-in model: five layers, of which numbers 1 and 3 have attention and the
// others a recurrent state.
func Hybrid() []byte {
	const width, layers, heads, kv, dim, ff, keys, values, keyDim, valueDim, taps = 48, 5, 4, 2, 16, 40, 2, 4, 8, 12, 4
	f := begin("qwen35", 35, width, map[string]any{
		"block_count": layers, "feed_forward_length": ff,
		"attention.head_count": heads, "attention.head_count_kv": kv, "attention.key_length": dim, "attention.value_length": dim,
		"rope.freq_base": float32(10000), "rope.dimension_count": dim / 2,
		"full_attention_interval": 2, "ssm.conv_kernel": taps, "ssm.state_size": keyDim, "ssm.group_count": keys,
		"ssm.time_step_rank": values, "ssm.inner_size": values * valueDim,
	})
	for l := range layers {
		at := fmt.Sprintf("blk.%d.", l)
		f.add(at+"attn_norm.weight", 1, width)
		f.add(at+"post_attention_norm.weight", 1, width)
		f.gated(at, ff, width)
		if l%2 == 1 {
			f.attention(at, 2*heads*dim, heads*dim, kv*dim, width)
			f.add(at+"attn_q_norm.weight", 1, dim)
			f.add(at+"attn_k_norm.weight", 1, dim)
			continue
		}
		convolved, inner := 2*keys*keyDim+values*valueDim, values*valueDim
		f.matrix(at+"attn_qkv.weight", convolved, width)
		f.matrix(at+"attn_gate.weight", inner, width)
		f.matrix(at+"ssm_alpha.weight", values, width)
		f.matrix(at+"ssm_beta.weight", values, width)
		f.add(at+"ssm_conv1d.weight", 0.5, convolved, taps)
		f.add(at+"ssm_dt.bias", 0.5, values)
		f.add(at+"ssm_a", 1, values)
		f.add(at+"ssm_norm.weight", 1, valueDim)
		f.matrix(at+"ssm_out.weight", width, inner)
	}
	return f.bytes()
}

// Parallel is a GGUF file of a small random Falcon-H1: each of its three layers
// has attention and a recurrent state.
func Parallel() []byte {
	const width, layers, heads, kv, dim, ff, scans, groups, stateDim, inner, taps = 48, 3, 4, 2, 16, 40, 4, 2, 8, 40, 4
	f := begin("falcon-h1", 71, width, map[string]any{
		"block_count": layers, "feed_forward_length": ff,
		"attention.head_count": heads, "attention.head_count_kv": kv, "attention.key_length": dim, "attention.value_length": dim,
		"rope.freq_base": float32(10000), "ssm.conv_kernel": taps, "ssm.state_size": stateDim, "ssm.group_count": groups,
		"ssm.time_step_rank": scans, "ssm.inner_size": inner,
	})
	f.matrix("output.weight", f.vocab, width)
	for l := range layers {
		at := fmt.Sprintf("blk.%d.", l)
		f.add(at+"attn_norm.weight", 1, width)
		f.add(at+"ffn_norm", 1, width)
		f.gated(at, ff, width)
		f.attention(at, heads*dim, heads*dim, kv*dim, width)
		convolved := inner + 2*groups*stateDim
		f.matrix(at+"ssm_in.weight", inner+convolved+scans, width)
		f.add(at+"ssm_conv1d.weight", 0.5, convolved, taps)
		f.add(at+"ssm_conv1d.bias", 0.2, convolved)
		f.add(at+"ssm_dt.bias", 0.5, scans)
		f.add(at+"ssm_a", 1, scans, 1)
		f.add(at+"ssm_d", 1, scans, 1)
		f.add(at+"ssm_norm.weight", 1, groups, inner/groups)
		f.matrix(at+"ssm_out.weight", width, inner)
	}
	return f.bytes()
}

// file is a GGUF file in the making.
type file struct {
	entries []gguf.KV
	tensors []tensor.Tensor
	rng     *rand.Rand
	vocab   int
}

// begin makes a file with the tokenizer of the built-in model, the embedding and
// the output norm.
func begin(family string, seed uint64, width int, settings map[string]any) *file {
	tiny, err := gguf.OpenBytes("tiny", fixtures.Tiny())
	check(err)
	defer tiny.Close()
	f := &file{rng: rand.New(rand.NewPCG(7, seed))}
	set := func(key string, v any) { f.entries = append(f.entries, gguf.KV{Key: key, Value: v}) }
	for _, k := range tiny.Keys() {
		if strings.HasPrefix(k, "tokenizer.") {
			set(k, Setting(tiny.Metadata, k))
		}
	}
	embedding, ok := tiny.Tensor("token_embd.weight")
	if !ok {
		panic("the built-in model has no embedding")
	}
	context, _, err := tiny.Uint("llama.context_length")
	check(err)
	set("general.architecture", family)
	set("general.name", "hybrid")
	set(family+".context_length", max(int(context), 4096))
	set(family+".embedding_length", width)
	set(family+".attention.layer_norm_rms_epsilon", float32(1e-5))
	for k, v := range settings {
		set(family+"."+k, v)
	}
	f.vocab = embedding.Rows()
	f.add("token_embd.weight", 0.7, f.vocab, width)
	f.add("output_norm.weight", 1, width)
	return f
}

// add makes a tensor of normal numbers; norms are about 1, decays negative.
func (f *file) add(name string, scale float64, shape ...int) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(f.rng.NormFloat64() * scale)
		if strings.HasSuffix(strings.TrimSuffix(name, ".weight"), "norm") {
			x[i] = float32(0.5 + f.rng.Float64())
		}
		if strings.HasSuffix(name, "ssm_a") {
			x[i] = float32(-math.Exp(f.rng.NormFloat64()))
		}
	}
	f.tensors = append(f.tensors, tensor.FromF32(name, shape, x))
}

func (f *file) matrix(name string, rows, cols int) {
	f.add(name, 1.2/math.Sqrt(float64(cols)), rows, cols)
}

func (f *file) gated(at string, ff, width int) {
	f.matrix(at+"ffn_gate.weight", ff, width)
	f.matrix(at+"ffn_up.weight", ff, width)
	f.matrix(at+"ffn_down.weight", width, ff)
}

func (f *file) attention(at string, q, out, kv, width int) {
	f.matrix(at+"attn_q.weight", q, width)
	f.matrix(at+"attn_k.weight", kv, width)
	f.matrix(at+"attn_v.weight", kv, width)
	f.matrix(at+"attn_output.weight", width, out)
}

func (f *file) bytes() []byte {
	var out bytes.Buffer
	check(gguf.Write(&out, f.entries, f.tensors))
	return out.Bytes()
}

// Setting gives a metadata value as gguf.Write takes it; nil where it takes none.
func Setting(m *gguf.Metadata, key string) any {
	if v, ok, err := m.String(key); ok && err == nil {
		return v
	}
	if v, ok, err := m.Bool(key); ok && err == nil {
		return v
	}
	if v, ok, err := m.Int(key); ok && err == nil {
		return int(v)
	}
	if v, ok, err := m.Float(key); ok && err == nil {
		return float32(v)
	}
	if v, ok, err := m.Strings(key); ok && err == nil {
		return v
	}
	if v, ok, err := m.Ints(key); ok && err == nil {
		list := make([]int, len(v))
		for i, n := range v {
			list[i] = int(n)
		}
		return list
	}
	if v, ok, err := m.Floats(key); ok && err == nil {
		list := make([]float32, len(v))
		for i, x := range v {
			list[i] = float32(x)
		}
		return list
	}
	return nil
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
