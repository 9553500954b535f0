package main

import (
	"testing"

	"headprof/fixtures"
	"headprof/runner/gguf"
)

// tinyWithTemplate is the built-in model with a chat template.
func tinyWithTemplate(t *testing.T) []byte {
	t.Helper()
	f, err := gguf.OpenBytes("tiny", fixtures.Tiny())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	meta := map[string]any{"tokenizer.chat_template": "{% for m in messages %}{{ m.role }}: {{ m['content'] }}\n{% endfor %}" +
		"{% if enable_thinking is defined and enable_thinking is false %}no thinking, {{ style | default('plain') }}\n{% endif %}"}
	for _, k := range f.Keys() {
		if meta[k] = valueOf(f.Metadata, k); meta[k] == nil {
			t.Fatalf("setting %s is of a kind that the test does not copy", k)
		}
	}
	return store(t, meta, f.Tensors())
}
