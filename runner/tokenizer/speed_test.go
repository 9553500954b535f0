package tokenizer_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// 2 MB of English: go test -bench Haystack -run xxx ./runner/tokenizer
func BenchmarkHaystack(b *testing.B) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "fixtures", "haystack.txt"))
	if err != nil {
		b.Fatal(err)
	}
	text := strings.Repeat(string(raw), 2<<20/len(raw)+1)[:2<<20]
	for _, name := range []string{"smollm2.gguf", "gemma3-270m.gguf"} {
		b.Run(name, func(b *testing.B) {
			tok := openModel(b, name)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tok.Encode(text)
			}
		})
	}
}
