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
	tiny, err := gguf.OpenBytes("tiny", fixtures.Tiny())
	check(err)
	defer tiny.Close()
	const width, layers, heads, kv, dim, ff, keys, values, keyDim, valueDim, taps = 48, 5, 4, 2, 16, 40, 2, 4, 8, 12, 4
	var entries []gguf.KV
	set := func(key string, v any) { entries = append(entries, gguf.KV{Key: key, Value: v}) }
	for _, k := range tiny.Keys() {
		if strings.HasPrefix(k, "tokenizer.") {
			set(k, setting(tiny.Metadata, k))
		}
	}
	embedding, ok := tiny.Tensor("token_embd.weight")
	if !ok {
		panic("the built-in model has no embedding")
	}
	context, _, err := tiny.Uint("llama.context_length")
	check(err)
	set("general.architecture", "qwen35")
	set("general.name", "hybrid")
	for k, v := range map[string]any{
		"block_count": layers, "context_length": max(int(context), 4096), "embedding_length": width, "feed_forward_length": ff,
		"attention.head_count": heads, "attention.head_count_kv": kv, "attention.key_length": dim, "attention.value_length": dim,
		"attention.layer_norm_rms_epsilon": float32(1e-5), "rope.freq_base": float32(10000), "rope.dimension_count": dim / 2,
		"full_attention_interval": 2, "ssm.conv_kernel": taps, "ssm.state_size": keyDim, "ssm.group_count": keys,
		"ssm.time_step_rank": values, "ssm.inner_size": values * valueDim,
	} {
		set("qwen35."+k, v)
	}
	rng := rand.New(rand.NewPCG(7, 35))
	var tensors []tensor.Tensor
	add := func(name string, scale float64, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64() * scale)
			if strings.HasSuffix(name, "norm.weight") {
				x[i] = float32(0.5 + rng.Float64())
			}
			if strings.HasSuffix(name, "ssm_a") {
				x[i] = float32(-math.Exp(rng.NormFloat64()))
			}
		}
		tensors = append(tensors, tensor.FromF32(name, shape, x))
	}
	matrix := func(name string, rows, cols int) { add(name, 1.2/math.Sqrt(float64(cols)), rows, cols) }
	add("token_embd.weight", 0.7, embedding.Rows(), width)
	add("output_norm.weight", 1, width)
	for l := range layers {
		at := fmt.Sprintf("blk.%d.", l)
		add(at+"attn_norm.weight", 1, width)
		add(at+"post_attention_norm.weight", 1, width)
		matrix(at+"ffn_gate.weight", ff, width)
		matrix(at+"ffn_up.weight", ff, width)
		matrix(at+"ffn_down.weight", width, ff)
		if l%2 == 1 {
			matrix(at+"attn_q.weight", 2*heads*dim, width)
			matrix(at+"attn_k.weight", kv*dim, width)
			matrix(at+"attn_v.weight", kv*dim, width)
			matrix(at+"attn_output.weight", width, heads*dim)
			add(at+"attn_q_norm.weight", 1, dim)
			add(at+"attn_k_norm.weight", 1, dim)
			continue
		}
		convolved, inner := 2*keys*keyDim+values*valueDim, values*valueDim
		matrix(at+"attn_qkv.weight", convolved, width)
		matrix(at+"attn_gate.weight", inner, width)
		matrix(at+"ssm_alpha.weight", values, width)
		matrix(at+"ssm_beta.weight", values, width)
		add(at+"ssm_conv1d.weight", 0.5, convolved, taps)
		add(at+"ssm_dt.bias", 0.5, values)
		add(at+"ssm_a", 1, values)
		add(at+"ssm_norm.weight", 1, valueDim)
		matrix(at+"ssm_out.weight", width, inner)
	}
	var out bytes.Buffer
	check(gguf.Write(&out, entries, tensors))
	return out.Bytes()
}

// setting gives a metadata value as gguf.Write takes it.
func setting(m *gguf.Metadata, key string) any {
	if v, ok, err := m.String(key); ok && err == nil {
		return v
	}
	if v, ok, err := m.Bool(key); ok && err == nil {
		return v
	}
	if v, ok, err := m.Int(key); ok && err == nil {
		return int(v)
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
	v, _, err := m.Floats(key)
	check(err)
	list := make([]float32, len(v))
	for i, x := range v {
		list[i] = float32(x)
	}
	return list
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
