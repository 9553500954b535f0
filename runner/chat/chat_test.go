package chat_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"headprof/runner/chat"
)

type published struct{ Name, BOS, EOS, Template, Before, After string }

// templates.json holds what jinja2 renders; see testdata/make_expected.py.
func templates(t testing.TB) []published {
	t.Helper()
	raw, err := os.ReadFile("testdata/templates.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []published
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestFrameEqualsJinja2(t *testing.T) {
	for _, c := range templates(t) {
		t.Run(c.Name, func(t *testing.T) {
			before, after, err := chat.Frame(c.Template, c.BOS, c.EOS, nil)
			if err != nil {
				t.Fatal(err)
			}
			if before != c.Before {
				t.Errorf("before: %q, want %q", before, c.Before)
			}
			if after != c.After {
				t.Errorf("after: %q, want %q", after, c.After)
			}
		})
	}
}

func TestUnusableTemplates(t *testing.T) {
	for name, c := range map[string]struct{ template, want string }{
		"raises":        {`{{ raise_exception('only tools may speak') }}`, "only tools may speak"},
		"leaves out":    {`{{ bos_token }}hello`, "leaves the user's message out"},
		"writes twice":  {`{{ messages[0].content }} {{ messages[0].content }}`, "more than once"},
		"syntax":        {`{% for m in messages %}{{ m.content }}`, "--chat off"},
		"unknown block": {`{% frobnicate %}`, "--chat off"},
		"reads files":   {`{% include '/etc/hostname' %}{{ messages[0].content }}`, "--chat off"},
		"endless macro": {`{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}{{ messages[0].content }}`, "deep"},
		"too much text": {`{% for i in range(100000) %}0123456789012{% endfor %}`, "more than 1048576 bytes"},
		"too nested":    {strings.Repeat("{{ ((((", 30) + "1", "nested"},
		"too long":      {strings.Repeat("x", 1<<19), "limit"},
		"bad date":      {`{{ strftime_now('%Q') }}{{ messages[0].content }}`, "%Q"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := chat.Frame(c.template, "<s>", "</s>", nil)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "--chat off") {
				t.Errorf("error %v, want one with %q and --chat off", err, c.want)
			}
		})
	}
}

func FuzzFrame(f *testing.F) {
	for _, c := range templates(f) {
		f.Add(c.Template)
	}
	f.Add(`{% macro f(x) %}{{ x }}{% endmacro %}{{ f(messages) }}{{ [1,2][5] }}{{ {}.a.b }}`)
	f.Fuzz(func(t *testing.T, template string) {
		if len(template) > 1<<14 {
			return
		}
		before, after, err := chat.Frame(template, "<s>", "</s>", nil)
		if err != nil && !strings.Contains(err.Error(), "--chat off") {
			t.Errorf("an error without a remedy: %v", err)
		}
		if len(before)+len(after) > 1<<20 {
			t.Errorf("%d bytes of frame", len(before)+len(after))
		}
	})
}
