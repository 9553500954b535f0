package chat

import (
	"fmt"
	"strings"

	"headprof/runner/chat/jinja"
)

// Variables are template variables that the user sets, such as enable_thinking.
type Variables map[string]jinja.Value

// reserved are the variables that the frame itself sets.
var reserved = map[string]bool{"messages": true, "add_generation_prompt": true, "bos_token": true, "eos_token": true}

// ParseVariables reads settings of the form key=value. A value is JSON, so that
// false, 3 and ["a"] are no strings, or else a string as it stands; Python's
// True, False and None are read as JSON's.
func ParseVariables(settings []string) (Variables, error) {
	all := Variables{}
	for _, s := range settings {
		key, text, ok := strings.Cut(s, "=")
		switch _, twice := all[key]; {
		case !ok || !isName(key):
			return nil, fmt.Errorf("%q is not of the form key=value", s)
		case reserved[key]:
			return nil, fmt.Errorf("%s is set by headprof", key)
		case twice:
			return nil, fmt.Errorf("%s is set twice", key)
		}
		switch text {
		case "True":
			text = "true"
		case "False":
			text = "false"
		case "None":
			text = "null"
		}
		v, err := jinja.JSON([]byte(text))
		if err != nil {
			v = text
		}
		all[key] = v
	}
	return all, nil
}

func isName(s string) bool {
	for i, c := range s {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
