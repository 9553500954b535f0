package jinja_test

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"
)

func TestReal(t *testing.T) {
	f, err := os.Open("/tmp/chat/real.jsonl")
	if err != nil {
		t.Skip()
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	n, texts := 0, 0
	for lines.Scan() {
		var e struct {
			example
			Vars json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		n++
		if e.Want != nil {
			texts++
		}
		name := e.Name
		src := e.Template
		got, err := render(src, object(t, e.Vars))
		switch {
		case e.Want == nil && err == nil:
			t.Errorf("%s gives %q, want error", name, got)
		case e.Want != nil && err != nil:
			t.Errorf("%s: %v", name, err)
		case e.Want != nil && got != *e.Want:
			t.Errorf("%s: %q\nwant %q", name, got, *e.Want)
		}
	}
	t.Log(n, texts)
}
