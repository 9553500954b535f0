// Package chat turns a model's own chat template into what stands before and
// after a user's text, so that a prompt can be composed of tokens: the
// template's text with its control tokens, the user's text as plain text.
package chat

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"headprof/runner/chat/jinja"
)

// marks stand in for the user's text while a template is rendered. They have no
// white space at their ends and no characters that templates look for, and
// differ in length and letters: a frame that is not the same for both depends
// on the user's text.
var marks = []string{"headprofUserText7f3a", "anotherTextOfTheUser-Q82"}

// Frame renders template (Jinja, as Hugging Face chat templates are written)
// with one user message and the opening of the model's answer, and gives what
// comes before the user's text and after it. bos and eos are the texts of those
// tokens, "" where the model has none; a template that writes bos does so at the
// start of before. No tools, documents or system message are
// given, so templates put their own default system message where they have one.
// variables are set in addition.
//
// strftime_now gives 26 July 2024, whatever the day: a run must not change with
// the date it is made on, and this is the date that Llama 3.1 assumes.
//
// An error says what the template did wrong, on which line, and names --chat off.
func Frame(template, bos, eos string, variables Variables) (before, after string, err error) {
	t, err := jinja.Parse(template, jinja.Default)
	if err != nil {
		return "", "", refuse(err)
	}
	for name := range variables {
		if !t.Reads(name) {
			return "", "", fmt.Errorf("--chat-var %s: %w", name, ErrUnread)
		}
	}
	for i, mark := range marks {
		text, err := t.Render(values(mark, bos, eos, variables), today)
		if err != nil {
			return "", "", refuse(err)
		}
		b, a, found := strings.Cut(text, mark)
		switch {
		case !found:
			return "", "", refuse(errors.New("it leaves the user's message out"))
		case strings.Contains(a, mark):
			return "", "", refuse(errors.New("it writes the user's message more than once"))
		case i > 0 && (b != before || a != after):
			return "", "", refuse(errors.New("what it writes around the user's message depends on the message's text"))
		}
		before, after = b, a
	}
	return before, after, nil
}

// today is the date that templates are told, see [Frame].
var today = jinja.Date(2024, time.July, 26, 12)

// values are the variables that transformers sets.
func values(content, bos, eos string, variables Variables) map[string]jinja.Value {
	all := map[string]jinja.Value{
		"messages":              jinja.List(jinja.Dict("role", "user", "content", content)),
		"add_generation_prompt": true,
		"tools":                 nil,
		"documents":             nil,
	}
	if bos != "" {
		all["bos_token"] = bos
	}
	if eos != "" {
		all["eos_token"] = eos
	}
	for name, v := range variables {
		all[name] = v
	}
	return all
}

// ErrUnread is that a variable was set which the template does not read.
var ErrUnread = errors.New("the model's chat template does not read a variable of this name")

func refuse(err error) error {
	return fmt.Errorf("the model's chat template cannot be used: %w; run without it: --chat off", err)
}
