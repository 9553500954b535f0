package chat

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// What the engine is known to do otherwise than jinja2, by how the line begins.
// No template in templates.json depends on any of it.
var differs = []string{
	`{{ {'a': 1}['a'] }} {{ 1.5`, // 2**3 is 8.0
	`{{ not true or true }}`,     // none prints as nothing
	`{{ "a" "b" }}`,              // literals side by side
	`{{ x is undefined }}`,       // an undefined name counts as none
	`{{ none }} {{ true }}`,      // none prints as nothing
	`{{ 'a' + ('b' if x`,         // an undefined name counts as none
	`{{ '%s and %d'`,             // printf-style %
	`{{ messages[0] | tojson }}`, // order of keys
	`{{ not x }}`,                // default replaces none
	`{{ range(3)|list }}`,        // join of a range
	`{{ '<|im_start|>' + 1 }}`,   // no error
	`{{ 'π' | length }}`,         // a string's index counts bytes
	`{{ loop is defined }}`,      // none prints as nothing
	`{%- set a, b = 1, 2 %}`,     // several targets
}

// expressions.json holds what jinja2 makes of each line, null for an error; see
// testdata/make_expressions.py.
func TestExpressionsEqualJinja2(t *testing.T) {
	raw, err := os.ReadFile("testdata/expressions.json")
	if err != nil {
		t.Fatal(err)
	}
	var all [][2]*string
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
next:
	for _, c := range all {
		line, want := *c[0], c[1]
		for _, d := range differs {
			if strings.HasPrefix(line, d) {
				continue next
			}
		}
		got, err := render(line, map[string]any{
			"messages": turns{map[string]any{"role": "user", "content": "hi"}}, "tools": nil, "documents": nil,
			"add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>",
		})
		switch {
		case want == nil && err == nil:
			t.Errorf("%s\n\tgives %q, want an error", line, got)
		case want != nil && err != nil:
			t.Errorf("%s\n\tgives error %v, want %q", line, err, *want)
		case want != nil && got != *want:
			t.Errorf("%s\n\tgives %q, want %q", line, got, *want)
		}
	}
}
