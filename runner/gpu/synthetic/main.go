// Command synthetic writes a GGUF file of a Llama-shaped model with random
// weights, to measure speed on a model of a given size where none is at hand.
// What it says is nonsense. The tokenizer is copied from another model:
//
//	go run ./runner/vulkan/synthetic -tokenizer smollm2.gguf -out 7b.gguf
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"

	"headprof/runner/gguf"
	"headprof/runner/tensor"
)

func main() {
	from := flag.String("tokenizer", "", "GGUF `file` whose tokenizer is copied")
	out := flag.String("out", "", "`file` to write")
	s := shape{}
	flag.IntVar(&s.width, "width", 4096, "width of the residual stream")
	flag.IntVar(&s.layers, "layers", 32, "layers")
	flag.IntVar(&s.heads, "heads", 32, "query heads")
	flag.IntVar(&s.kvHeads, "kv-heads", 8, "KV heads")
	flag.IntVar(&s.ff, "ff", 14336, "width of the feed-forward")
	flag.Parse()
	if *from == "" || *out == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := s.write(*from, *out); err != nil {
		fmt.Fprintln(os.Stderr, "synthetic:", err)
		os.Exit(1)
	}
}

type shape struct{ width, layers, heads, kvHeads, ff int }

func (s shape) write(from, out string) error {
	if s.width%256 != 0 || s.ff%256 != 0 || s.width%s.heads != 0 || s.heads%s.kvHeads != 0 {
		return fmt.Errorf("width and feed-forward must be multiples of 256, and heads must divide: %+v", s)
	}
	f, err := gguf.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	words, ok, err := f.Strings("tokenizer.ggml.tokens")
	if err != nil || !ok {
		return fmt.Errorf("%s has no tokenizer (%v)", from, err)
	}
	u := func(n int) any { return uint32(n) }
	entries := []gguf.KV{
		{Key: "general.architecture", Value: "llama"}, {Key: "general.name", Value: "random weights"},
		{Key: "llama.block_count", Value: u(s.layers)}, {Key: "llama.context_length", Value: u(1 << 17)},
		{Key: "llama.embedding_length", Value: u(s.width)}, {Key: "llama.feed_forward_length", Value: u(s.ff)},
		{Key: "llama.attention.head_count", Value: u(s.heads)}, {Key: "llama.attention.head_count_kv", Value: u(s.kvHeads)},
		{Key: "llama.attention.layer_norm_rms_epsilon", Value: float32(1e-5)}, {Key: "llama.rope.freq_base", Value: float32(500000)},
		{Key: "llama.vocab_size", Value: u(len(words))}, {Key: "tokenizer.ggml.tokens", Value: words},
	}
	for _, key := range []string{"tokenizer.ggml.model", "tokenizer.ggml.pre"} {
		if v, ok, err := f.String(key); err == nil && ok {
			entries = append(entries, gguf.KV{Key: key, Value: v})
		}
	}
	if v, ok, err := f.Strings("tokenizer.ggml.merges"); err == nil && ok {
		entries = append(entries, gguf.KV{Key: "tokenizer.ggml.merges", Value: v})
	}
	if v, ok, err := f.Ints("tokenizer.ggml.token_type"); err == nil && ok {
		types := make([]int32, len(v))
		for i, x := range v {
			types[i] = int32(x)
		}
		entries = append(entries, gguf.KV{Key: "tokenizer.ggml.token_type", Value: types})
	}
	for _, key := range []string{"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"} {
		if v, ok, err := f.Uint(key); err == nil && ok {
			entries = append(entries, gguf.KV{Key: key, Value: uint32(v)})
		}
	}
	w, err := os.Create(out)
	if err != nil {
		return err
	}
	if err := gguf.Write(w, entries, s.tensors(len(words))); err != nil {
		w.Close()
		return err
	}
	return w.Close()
}

// tensors makes Q4_K matrices. Matrices of one shape share their bytes, so
// that a 7B model takes little memory to write.
func (s shape) tensors(vocab int) (all []tensor.Tensor) {
	rng := rand.New(rand.NewPCG(1, 2))
	shared := map[[2]int][]byte{}
	matrix := func(name string, rows, cols int) {
		key := [2]int{rows, cols}
		if shared[key] == nil {
			data := make([]byte, rows*cols/256*144)
			for i := range data {
				data[i] = byte(rng.Uint32())
			}
			for b := 0; b < len(data); b += 144 { // scales of about 2⁻¹³: weights of about 1/50
				data[b+1], data[b+3] = 0x08, 0x14
			}
			shared[key] = data
		}
		all = append(all, tensor.Tensor{Name: name, Type: tensor.Q4_K, Shape: []int{rows, cols}, Data: shared[key]})
	}
	ones := make([]float32, s.width)
	for i := range ones {
		ones[i] = 1
	}
	norm := func(name string) { all = append(all, tensor.FromF32(name, []int{s.width}, ones)) }
	kv := s.width / s.heads * s.kvHeads
	matrix("token_embd.weight", vocab, s.width)
	for l := range s.layers {
		p := fmt.Sprintf("blk.%d.", l)
		norm(p + "attn_norm.weight")
		matrix(p+"attn_q.weight", s.width, s.width)
		matrix(p+"attn_k.weight", kv, s.width)
		matrix(p+"attn_v.weight", kv, s.width)
		matrix(p+"attn_output.weight", s.width, s.width)
		norm(p + "ffn_norm.weight")
		matrix(p+"ffn_gate.weight", s.ff, s.width)
		matrix(p+"ffn_up.weight", s.ff, s.width)
		matrix(p+"ffn_down.weight", s.width, s.ff)
	}
	norm("output_norm.weight")
	return all
}
