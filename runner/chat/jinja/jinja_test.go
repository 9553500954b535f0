package jinja_test

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"headprof/runner/chat/jinja"
)

// example is a template and what jinja2 makes of it, nil for an error.
type example struct {
	Name, Template string
	Want           *string
}

func variables(t testing.TB) map[string]jinja.Value {
	t.Helper()
	raw, err := os.ReadFile("testdata/variables.json")
	if err != nil {
		t.Fatal(err)
	}
	return object(t, raw)
}

func object(t testing.TB, raw []byte) map[string]jinja.Value {
	t.Helper()
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		t.Fatal(err)
	}
	vars := map[string]jinja.Value{}
	for k, p := range parts {
		v, err := jinja.JSON(p)
		if err != nil {
			t.Fatal(k, err)
		}
		vars[k] = v
	}
	return vars
}

func render(template string, vars map[string]jinja.Value) (string, error) {
	t, err := jinja.Parse(template, jinja.Default)
	if err != nil {
		return "", err
	}
	return t.Render(vars, jinja.Date(2024, 7, 26, 12))
}

// refused reports whether an error says that this package does not do what
// jinja2 does, and not that the template is wrong.
func refused(err error) bool {
	for _, s := range []string{"not supported", "more than", "too large", "too deep", "must not begin with an underscore"} {
		if strings.Contains(err.Error(), s) {
			return true
		}
	}
	return false
}

// check compares a rendering with jinja2's and reports whether it was refused.
func check(t *testing.T, e example, vars map[string]jinja.Value) bool {
	got, err := render(e.Template, vars)
	switch {
	case e.Want == nil && err == nil:
		t.Errorf("%s: %s\n\tgives %q, want an error", e.Name, e.Template, got)
	case e.Want != nil && err != nil && refused(err):
		return true
	case e.Want != nil && err != nil:
		t.Errorf("%s: %s\n\tgives the error %v, want %q", e.Name, e.Template, err, *e.Want)
	case e.Want != nil && got != *e.Want:
		t.Errorf("%s: %s\n\tgives %q,\n\twant  %q", e.Name, e.Template, got, *e.Want)
	}
	return false
}

// TestLive compares fresh random templates with jinja2. testdata/live.sh runs
// it with what testdata/fuzz.py wrote.
func TestLive(t *testing.T) {
	name := os.Getenv("HEADPROF_JINJA_LIVE")
	if name == "" {
		t.Skip("testdata/live.sh runs this test")
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	vars := variables(t)
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	all, texts, refusals := 0, 0, 0
	for lines.Scan() {
		var e example
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		all++
		if e.Want != nil {
			texts++
		}
		if check(t, e, vars) {
			refusals++
			if os.Getenv("HEADPROF_JINJA_REFUSALS") != "" {
				_, err := render(e.Template, vars)
				t.Logf("%s: %v", e.Name, err)
			}
		}
	}
	if err := lines.Err(); err != nil || all == 0 {
		t.Fatal("no templates", err)
	}
	t.Logf("%d templates, %d of them with a text; %d of those refused", all, texts, refusals)
	if refusals*20 > texts {
		t.Errorf("%d of %d templates with a text are refused", refusals, texts)
	}
}

// TestCorpus compares with what jinja2 3.1.6 gave; see testdata/make_corpus.py.
func TestCorpus(t *testing.T) {
	raw, err := os.ReadFile("testdata/corpus.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []example
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	vars := variables(t)
	refusals := 0
	for _, e := range all {
		if check(t, e, vars) {
			refusals++
			_, err := render(e.Template, vars)
			t.Logf("refused: %s: %v", e.Name, err)
		}
	}
	if len(all) < 400 || refusals > 10 {
		t.Errorf("%d templates, %d refused", len(all), refusals)
	}
}
