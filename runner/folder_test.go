package runner_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headprof/fixtures/reference"
	"headprof/runner"
)

func write(t *testing.T, dir, name, data string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

// letters is a tokenizer.json of 67 tokens: three special ones, then one per character.
func letters() string {
	vocab := map[string]int{"<unk>": 0, "<s>": 1, "</s>": 2}
	for i := range 64 {
		vocab[string(rune('?'+i))] = 3 + i
	}
	added := []map[string]any{}
	for id, name := range []string{"<unk>", "<s>", "</s>"} {
		added = append(added, map[string]any{"id": id, "content": name, "special": true})
	}
	data, err := json.Marshal(map[string]any{
		"added_tokens": added,
		"model":        map[string]any{"type": "BPE", "vocab": vocab, "merges": []string{}, "unk_token": "<unk>"},
	})
	if err != nil {
		panic(err)
	}
	return string(data)
}

// golden copies one of runner/arch's golden models without a tokenizer.
func golden(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	for _, file := range []string{"config.json", "model.safetensors"} {
		data, err := os.ReadFile(filepath.Join("arch/testdata", name, file))
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, file, string(data))
	}
	return dir
}

// A Hugging Face folder opens by its path and gives transformers' logits, its
// tokenizer, every token that ends a text, and its chat template.
func TestOpenFolder(t *testing.T) {
	dir := golden(t, "llama")
	write(t, dir, "tokenizer.json", letters())
	write(t, dir, "generation_config.json", `{"eos_token_id": [2, 66]}`)
	write(t, dir, "tokenizer_config.json", `{"chat_template": "{{ messages[0].content }}", "add_bos_token": true, "bos_token": "<s>", "eos_token": "</s>"}`)
	for _, path := range []string{dir, filepath.Join(dir, "config.json"), filepath.Join(dir, "model.safetensors")} {
		m, err := runner.Open(path, runner.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.ChatTemplate(); got != "{{ messages[0].content }}" {
			t.Errorf("chat template %q", got)
		}
		tok := m.Tokenizer()
		if ids := tok.Encode("AB"); len(ids) != 2 || ids[0].ID != 5 || ids[1].ID != 6 {
			t.Errorf("tokens of AB: %v", ids)
		}
		if id, _ := tok.BOS(); id != 1 || !tok.IsEnd(2) || !tok.IsEnd(66) || tok.IsEnd(65) {
			t.Errorf("BOS %d; 2, 66, 65 end a text: %t %t %t", id, tok.IsEnd(2), tok.IsEnd(66), tok.IsEnd(65))
		}
		var want struct {
			Tokens    []int32
			Positions []int
			Logits    [][]float32
		}
		if err := json.Unmarshal(reference.Unzip(t, "arch/testdata/llama/golden.json.gz"), &want); err != nil {
			t.Fatal(err)
		}
		s, err := m.NewSession(0)
		if err != nil {
			t.Fatal(err)
		}
		logits, err := s.Extend(context.Background(), want.Tokens, runner.Watch{Logits: want.Positions})
		if err != nil {
			t.Fatal(err)
		}
		for i := range want.Logits {
			for j, w := range want.Logits[i] {
				if math.Abs(float64(logits[i][j]-w)) > 1e-4 {
					t.Fatalf("logit %d at position %d is %g, want %g", j, want.Positions[i], logits[i][j], w)
				}
			}
		}
		s.Close()
		m.Close()
	}
}

// A folder with a SentencePiece model only uses that.
func TestFolderWithTokenizerModel(t *testing.T) {
	dir := golden(t, "llama")
	write(t, dir, "tokenizer.model", string(reference.Unzip(t, "tokenizer/testdata/bpe-identity.model.gz")))
	m, err := runner.Open(dir, runner.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	text := "the text"
	var ids []int32
	for _, token := range m.Tokenizer().Encode(text) {
		ids = append(ids, token.ID)
	}
	if got := m.Tokenizer().Decode(ids); got != text {
		t.Errorf("%v decode to %q", ids, got)
	}
}

// What a folder lacks is named, and how to get it.
func TestIncompleteFolders(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(dir string)
		o     runner.Options
		want  []string
	}{
		"no tokenizer":   {func(dir string) { os.Remove(filepath.Join(dir, "tokenizer.json")) }, runner.Options{}, []string{"tokenizer.json nor tokenizer.model", "save_pretrained"}},
		"bad tokenizer":  {func(dir string) { write(t, dir, "tokenizer.json", "{") }, runner.Options{}, []string{"tokenizer.json"}},
		"bad generation": {func(dir string) { write(t, dir, "generation_config.json", `{"eos_token_id": "x"}`) }, runner.Options{}, []string{"generation_config.json", "eos_token_id"}},
		"pre":            {func(string) {}, runner.Options{Pre: "gpt-2"}, []string{"pre-tokenizer", "GGUF"}},
		"no weights":     {func(dir string) { os.Remove(filepath.Join(dir, "model.safetensors")) }, runner.Options{}, []string{"model.safetensors"}},
		"no model":       {func(dir string) { os.Remove(filepath.Join(dir, "config.json")) }, runner.Options{}, []string{"config.json", ".gguf"}},
	} {
		dir := golden(t, "llama")
		write(t, dir, "tokenizer.json", letters())
		c.spoil(dir)
		_, err := runner.Open(dir, c.o)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, w := range append(c.want, dir) {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not name %q", name, err, w)
			}
		}
	}
}

// A folder that holds one GGUF model stands for it; several are a question.
func TestFolderWithGGUF(t *testing.T) {
	dir := t.TempDir()
	data := string(reference.Unzip(t, "arch/testdata/qwen2/model.gguf.gz"))
	write(t, dir, "a.gguf", data)
	s, err := runner.OpenSource(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name() != filepath.Join(dir, "a.gguf") {
		t.Errorf("opened %s", s.Name())
	}
	s.Close()
	write(t, dir, "b.gguf", data)
	if _, err = runner.OpenSource(dir); err == nil || !strings.Contains(err.Error(), "2 GGUF models") {
		t.Errorf("two models: %v", err)
	}
}

// LongRoPE's models keep to their original context, and say what to do, unless
// they are opened for more.
func TestLongRoPEContext(t *testing.T) {
	dir := golden(t, "phi3")
	data, err := os.ReadFile("arch/testdata/phi3-long/config.json")
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "config.json", string(data))
	write(t, dir, "tokenizer.json", letters())
	for asked, limit := range map[int]int{0: 16, 16: 16, 17: 256} {
		m, err := runner.Open(dir, runner.Options{Threads: 1, Context: asked})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Config().Context; got != limit {
			t.Errorf("opened for %d tokens, the limit is %d, want %d", asked, got, limit)
		}
		s, err := m.NewSession(0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Extend(context.Background(), make([]int32, limit+1), runner.Watch{})
		if err == nil || !strings.Contains(err.Error(), fmt.Sprint(limit)) || limit == 16 != strings.Contains(err.Error(), "opened for longer") {
			t.Errorf("opened for %d tokens: %v", asked, err)
		}
		s.Close()
		m.Close()
	}
}
