package main

import (
	"testing"

	"headprof/fixtures"
	"headprof/runner/backend/backendtest"
	"headprof/runner/gguf"
)

// Chat templates of tests: one with variables, one of a model that thinks and
// can be told not to, one that begins each answer with a thought, and one that
// takes thoughts out of earlier turns and says no more.
const (
	turns         = "{% for m in messages %}{{ m.role }}: {{ m['content'] }}\n{% endfor %}"
	plainTemplate = turns + "{% if enable_thinking is defined and enable_thinking is false %}no thinking, {{ style | default('plain') }}\n{% endif %}"
	thinkTemplate = turns + "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
	openTemplate  = turns + "<think>\n{% if false %}</think>{% endif %}"
	stripTemplate = "{% for m in messages %}{{ m.role }}: {{ m['content'].split('</think>')[-1] }}\n{% endfor %}"
)

// tinyWithTemplate is the built-in model with a chat template.
func tinyWithTemplate(t *testing.T, template string) []byte {
	t.Helper()
	f, err := gguf.OpenBytes("tiny", fixtures.Tiny())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	meta := map[string]any{"tokenizer.chat_template": template}
	for _, k := range f.Keys() {
		if meta[k] = backendtest.Setting(f.Metadata, k); meta[k] == nil {
			t.Fatalf("setting %s is of a kind that the test does not copy", k)
		}
	}
	return store(t, meta, f.Tensors())
}
