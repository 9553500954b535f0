package tokenizer_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headprof/runner/gguf"
	"headprof/runner/tokenizer"
)

// realFolder is what testdata/fetch_real.sh fetched.
func realFolder(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("HEADPROF_TOKENIZERS")
	if dir == "" {
		t.Skip("HEADPROF_TOKENIZERS names no folder; testdata/fetch_real.sh makes one")
	}
	return dir
}

// The expected ids come from the tokenizers package; see testdata/make_real.py.
func TestRealTokenizers(t *testing.T) {
	dir := realFolder(t)
	var want struct {
		Block      int
		Tokenizers map[string]expected
	}
	raw, err := os.ReadFile("testdata/real.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	text := mixed(t, 5, 1<<17)
	for name, ids5 := range want.Tokenizers {
		t.Run(name, func(t *testing.T) {
			vocabulary, err := os.ReadFile(filepath.Join(dir, name, "tokenizer.json"))
			if err != nil {
				t.Fatal(err)
			}
			config, err := os.ReadFile(filepath.Join(dir, name, "tokenizer_config.json"))
			if err != nil {
				t.Fatal(err)
			}
			tok, err := tokenizer.FromJSON(vocabulary, config)
			if err != nil {
				t.Fatal(err)
			}
			compareIDs(t, ids(tok.Encode(text)), ids5, want.Block)
		})
	}
}

// llama.cpp's vocabularies with its test vectors: texts in NAME.inp, the ids of
// each on a line of NAME.out. BERT's is of a kind that no family here has.
func TestRealVocabulariesEqualLlamaCpp(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(realFolder(t), "ggml-vocab-*.gguf"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d vocabularies, %v", len(files), err)
	}
	for _, file := range files {
		in, err := os.ReadFile(file + ".inp")
		if err != nil || strings.Contains(file, "bert") {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			out, err := os.ReadFile(file + ".out")
			if err != nil {
				t.Fatal(err)
			}
			f, err := gguf.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			tok, err := tokenizer.FromMetadata(f, tokenizer.Options{})
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(string(out), "\n")
			for i, text := range strings.Split(string(in), "\n__ggml_vocab_test__\n") {
				if got := strings.Trim(fmt.Sprint(ids(tok.Encode(text))), "[]"); got != strings.TrimSpace(lines[i]) {
					t.Errorf("%q: %s, want %s", text, got, lines[i])
				}
			}
		})
	}
}
