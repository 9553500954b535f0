// Package chat turns a model's own chat template into what stands before and
// after a user's text, so that a prompt can be composed of tokens: the
// template's text with its control tokens, the user's text as plain text.
package chat

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// mark stands in for the user's text while a template is rendered. It has no
// white space at its ends and no characters that templates look for.
const mark = "headprofUserText7f3a"

// Frame renders template (Jinja, as Hugging Face chat templates are written)
// with one user message and the opening of the model's answer, and gives what
// comes before the user's text and after it. bos and eos are the texts of those
// tokens; a template that writes bos does so at the start of before, see
// [BeginsWith]. No tools, documents or system message are given, so templates
// put their own default system message where they have one.
//
// strftime_now gives 26 July 2024, whatever the day: a run must not change with
// the date it is made on, and this is the date that Llama 3.1 assumes.
//
// An error says what the template did wrong and names --chat off.
func Frame(template, bos, eos string) (before, after string, err error) {
	text, err := render(template, map[string]any{
		"messages":              turns{map[string]any{"role": "user", "content": mark}},
		"add_generation_prompt": true,
		"tools":                 nil,
		"documents":             nil,
		"bos_token":             bos,
		"eos_token":             eos,
	})
	if err != nil {
		return "", "", refuse(err)
	}
	switch before, after, _ = strings.Cut(text, mark); {
	case len(text) == len(before):
		return "", "", refuse(errors.New("it leaves the user's message out"))
	case strings.Contains(after, mark):
		return "", "", refuse(errors.New("it writes the user's message more than once"))
	}
	return before, after, nil
}

func refuse(err error) error {
	return fmt.Errorf("the model's chat template cannot be used: %w; run without it: --chat off", err)
}

// BeginsWith reports whether a frame's first part already begins with the BOS
// token's text, so that BOS must not be added to it again.
func BeginsWith(before, bos string) bool { return bos != "" && strings.HasPrefix(before, bos) }

// Limits on a template and on what it writes.
const (
	maxTemplate = 256 << 10
	maxText     = 1 << 20
	maxNesting  = 64
	maxTime     = 5 * time.Second
)

var errTooLong = fmt.Errorf("it writes more than %d bytes", maxText)

// limited is a writer that refuses to hold more than maxText bytes.
type limited struct{ b strings.Builder }

func (l *limited) Write(p []byte) (int, error) {
	if l.b.Len()+len(p) > maxText {
		return 0, errTooLong
	}
	return l.b.Write(p)
}

// render runs a template within the limits. One that is still busy when the
// time is up is left to itself: its goroutine cannot be stopped.
func render(template string, values map[string]any) (string, error) {
	if err := check(template); err != nil {
		return "", err
	}
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r = result{err: fmt.Errorf("it breaks the template engine: %.200v", p)}
			}
			done <- r
		}()
		t, err := parse(template)
		if err != nil {
			r.err = short(err)
			return
		}
		var out limited
		if err := t.Execute(&out, exec.NewContext(values)); err != nil {
			r.err = short(err)
			return
		}
		r.text = out.b.String()
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-time.After(maxTime):
		return "", fmt.Errorf("it is not done after %v", maxTime)
	}
}

// short keeps an error's last words: the engine puts the whole template in front.
func short(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			break
		}
		err = inner
	}
	const most = 300
	s := err.Error()
	if len(s) > most {
		s = "… " + s[len(s)-most:]
	}
	return errors.New(s)
}

// check refuses templates that are too large or nested too deep for the
// engine's recursive parser.
func check(template string) error {
	if len(template) > maxTemplate {
		return fmt.Errorf("it is %d bytes long, more than the limit of %d", len(template), maxTemplate)
	}
	depth, worst := 0, 0
	for i := range len(template) {
		switch template[i] {
		case '(', '[', '{':
			depth++
			worst = max(worst, depth)
		case ')', ']', '}':
			depth = max(0, depth-1)
		}
	}
	if worst > maxNesting {
		return fmt.Errorf("its brackets are nested %d deep, more than the limit of %d", worst, maxNesting)
	}
	return nil
}
