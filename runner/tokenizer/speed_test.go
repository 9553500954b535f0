package tokenizer_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// 2 MB of English: go test -bench Haystack -run xxx ./runner/tokenizer
func BenchmarkHaystack(b *testing.B) {
	raw, err := os.ReadFile(filepath.Join(runtime.GOROOT(), "src", "testdata", "Isaac.Newton-Opticks.txt"))
	if err != nil {
		raw = []byte(strings.Repeat("The rays of light differ in their colours, 1704.\n", 1<<14))
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
