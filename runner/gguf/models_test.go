package gguf

import (
	"testing"

	"headprof/fixtures/reference"
	"headprof/runner/tensor"
)

// Real models open, with the sizes that their publishers' config.json states.
func TestRealModels(t *testing.T) {
	for _, m := range []struct {
		file, family                string
		layers, width, vocab, heads int
	}{
		{"smollm2.gguf", "llama", 30, 576, 49152, 9},
		{"gemma3-270m.gguf", "gemma3", 18, 640, 262144, 4},
	} {
		f, err := Open(reference.Model(t, m.file))
		if err != nil {
			t.Error(err)
			continue
		}
		if s, _, err := f.String("general.architecture"); s != m.family || err != nil {
			t.Errorf("%s: architecture %q, %v", m.file, s, err)
		}
		for key, want := range map[string]int{".block_count": m.layers, ".embedding_length": m.width, ".attention.head_count": m.heads} {
			if n, _, err := f.Uint(m.family + key); int(n) != want || err != nil {
				t.Errorf("%s: %s is %d, %v; want %d", m.file, key, n, err, want)
			}
		}
		if words, _, err := f.Strings("tokenizer.ggml.tokens"); len(words) != m.vocab || err != nil {
			t.Errorf("%s: %d tokens, %v", m.file, len(words), err)
		}
		e, ok := f.Tensor("token_embd.weight")
		if !ok || e.Rows() != m.vocab || e.Cols() != m.width {
			t.Errorf("%s: token_embd.weight %v", m.file, e.Shape)
		}
		row := make([]float32, e.Cols())
		tensor.Dequantize(row, e.Row(1000), e.Type)
		for _, x := range row {
			if x != x || x > 100 || x < -100 {
				t.Errorf("%s: an embedding of %g", m.file, x)
				break
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
