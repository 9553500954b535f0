package tokenizer_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headprof/runner/tokenizer"
)

// The reference ids come from the tokenizers and sentencepiece packages; see
// testdata/make_reference.py, which writes them. Only hashes of blocks of ids
// are kept; a difference is named by its block.
// With HEADPROF_IDS set to a folder it writes its ids there, which
// testdata/first_difference.py compares with the reference's one by one.

type parityReference struct {
	Text struct {
		SHA256 string
		Bytes  int
	}
	Block         int
	Named         map[string]expected
	Gemma4        expected
	ByteLevel     map[string]expected `json:"byte-level"`
	Spaced        map[string]expected
	Unigram       map[string]expected
	SentencePiece map[string]expected
	Models        map[string]expected
}

type expected struct {
	Patch  map[string]json.RawMessage
	Count  int
	Blocks string // 8 hexadecimal digits a block
}

func readReference(t testing.TB) (ref parityReference, text string) {
	t.Helper()
	raw, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &ref); err != nil {
		t.Fatal(err)
	}
	text = mixed(t, 1, 1<<20)
	sum := sha256.Sum256([]byte(text))
	if len(text) != ref.Text.Bytes || hex.EncodeToString(sum[:]) != ref.Text.SHA256 {
		t.Fatal("mixed_test.go and testdata/mixed.py do not make the same text")
	}
	return ref, text
}

func readGzip(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// patched replaces top-level values of a tokenizer.json; those under "model"
// are replaced one by one.
func patched(t testing.TB, base []byte, patch map[string]json.RawMessage) []byte {
	t.Helper()
	var j map[string]json.RawMessage
	if err := json.Unmarshal(base, &j); err != nil {
		t.Fatal(err)
	}
	for k, v := range patch {
		if k != "model" {
			j[k] = v
			continue
		}
		var model, more map[string]json.RawMessage
		if json.Unmarshal(j["model"], &model) != nil || json.Unmarshal(v, &more) != nil {
			t.Fatal("model is no object")
		}
		for k, v := range more {
			model[k] = v
		}
		j["model"], _ = json.Marshal(model)
	}
	out, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// compare checks a tokenizer's ids of text against a reference's hashes.
func compare(t *testing.T, tok *tokenizer.Tokenizer, text string, want expected, block int) {
	t.Helper()
	compareIDs(t, ids(tok.Encode(text)), want, block)
}

func compareIDs(t *testing.T, got []int32, want expected, block int) {
	t.Helper()
	if dir := os.Getenv("HEADPROF_IDS"); dir != "" {
		b, _ := json.Marshal(got)
		if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", " ")+".json"), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i*block < len(got) || i*8 < len(want.Blocks); i++ {
		from, to := min(i*block, len(got)), min((i+1)*block, len(got))
		b, _ := json.Marshal(got[from:to])
		sum := sha256.Sum256(b)
		if len(want.Blocks) < (i+1)*8 || hex.EncodeToString(sum[:4]) != want.Blocks[i*8:i*8+8] {
			t.Fatalf("ids differ first within tokens %d to %d (%d tokens, want %d)", from, to, len(got), want.Count)
		}
	}
	if len(got) != want.Count {
		t.Fatalf("%d tokens, want %d", len(got), want.Count)
	}
}

// byChunks is by_chunks of testdata/make_reference.py.
func byChunks(tok *tokenizer.Tokenizer, text string) (out []int32) {
	runes := []rune(strings.ReplaceAll(text, "\x00", ""))
	for len(runes) > 0 {
		n := min(1000, len(runes))
		out = append(out, ids(tok.Encode(string(runes[:n])))...)
		runes = runes[n:]
	}
	return out
}

func TestParity(t *testing.T) {
	ref, text := readReference(t)
	byteLevel := readGzip(t, "byte-level.json.gz")
	for name, want := range ref.Named {
		t.Run("pre "+name, func(t *testing.T) {
			tok, err := tokenizer.New(specOf(t, byteLevel, name))
			if err != nil {
				t.Fatal(err)
			}
			tokens := tok.Encode(text)
			compareIDs(t, ids(tokens), want, ref.Block)
			partitions(t, text, tokens)
		})
	}
	t.Run("gemma4", func(t *testing.T) {
		tok, err := tokenizer.New(spacedSpec(t, readGzip(t, "spaced.json.gz")))
		if err != nil {
			t.Fatal(err)
		}
		tokens := tok.Encode(text)
		compareIDs(t, ids(tokens), ref.Gemma4, ref.Block)
		partitions(t, text, tokens)
	})
	for file, list := range map[string]map[string]expected{
		"byte-level.json.gz": ref.ByteLevel, "spaced.json.gz": ref.Spaced, "unigram.json.gz": ref.Unigram,
	} {
		base := readGzip(t, file)
		for name, want := range list {
			t.Run(strings.TrimSuffix(file, ".json.gz")+" "+name, func(t *testing.T) {
				tok, err := tokenizer.FromJSON(patched(t, base, want.Patch), nil)
				if err != nil {
					t.Fatal(err)
				}
				compare(t, tok, text, want, ref.Block)
			})
		}
	}
	for name, want := range ref.SentencePiece {
		t.Run("sentencepiece "+name, func(t *testing.T) {
			tok, err := tokenizer.FromSentencePiece(readGzip(t, name+".model.gz"), nil)
			if err != nil {
				t.Fatal(err)
			}
			compareIDs(t, byChunks(tok, text), want, ref.Block)
		})
	}
	for name, want := range ref.Models {
		t.Run(name, func(t *testing.T) { compare(t, openModel(t, name), text, want, ref.Block) })
	}
}

// specOf is the vocabulary of a byte-level tokenizer.json as a GGUF file has it.
func specOf(t testing.TB, file []byte, pre string) tokenizer.Spec {
	t.Helper()
	var j struct {
		Model struct {
			Vocab  map[string]int32
			Merges [][2]string
		}
	}
	if err := json.Unmarshal(file, &j); err != nil {
		t.Fatal(err)
	}
	sp := tokenizer.Spec{
		Model: "gpt2", Pre: pre, BOS: tokenizer.None, EOS: 0, UNK: tokenizer.None,
		Tokens: make([]string, len(j.Model.Vocab)), Types: make([]tokenizer.Type, len(j.Model.Vocab)),
	}
	for s, id := range j.Model.Vocab {
		sp.Tokens[id], sp.Types[id] = s, tokenizer.Normal
	}
	sp.Types[0] = tokenizer.Control
	for _, m := range j.Model.Merges {
		sp.Merges = append(sp.Merges, m[0]+" "+m[1])
	}
	return sp
}

// spacedSpec is the vocabulary of a tokenizer.json whose symbols are characters
// as a GGUF file of Gemma 4 has it.
func spacedSpec(t testing.TB, file []byte) tokenizer.Spec {
	t.Helper()
	sp := specOf(t, file, "")
	sp.Model, sp.EOS, sp.UNK = "gemma4", 2, 0
	sp.Types[0], sp.Types[1], sp.Types[2] = tokenizer.Unknown, tokenizer.Control, tokenizer.Control
	for i, s := range sp.Tokens {
		if strings.HasPrefix(s, "<0x") && len(s) == 6 {
			sp.Types[i] = tokenizer.Byte
		}
	}
	return sp
}
