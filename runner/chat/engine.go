package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
	"github.com/nikolalohinski/gonja/v2/parser"
)

// parse reads a template the way transformers sets Jinja up: a line that holds
// just a block leaves no blank line behind. Templates cannot read files.
func parse(template string) (*exec.Template, error) {
	conf := config.New()
	conf.TrimBlocks, conf.LeftStripBlocks = true, true
	return exec.NewTemplate("template", conf, only(rewrite(template)), environment())
}

// only is a loader that has the one template.
type only string

func (o only) Read(string) (io.Reader, error) { return strings.NewReader(string(o)), nil }
func (o only) Resolve(path string) (string, error) {
	return "", fmt.Errorf("it asks for another file, %q", path)
}
func (o only) Inherit(string) (loaders.Loader, error) { return o, nil }

func environment() *exec.Environment {
	structures := map[string]parser.ControlStructureParser{}
	for _, name := range []string{"if", "for", "set", "call", "filter", "with", "raw", "do", "break", "continue"} {
		if p, ok := builtins.ControlStructures.Get(name); ok {
			structures[name] = p
		}
	}
	structures["generation"] = generation
	structures["macro"] = macro(new(int))
	return &exec.Environment{
		Context: exec.EmptyContext().Update(builtins.GlobalFunctions).Update(builtins.GlobalVariables).Update(exec.NewContext(map[string]any{
			"raise_exception": raise,
			"strftime_now":    strftime,
		})),
		Filters: exec.NewFilterSet(map[string]exec.FilterFunction{}).Update(builtins.Filters).Update(exec.NewFilterSet(map[string]exec.FilterFunction{
			"tojson": toJSON,
		})),
		Tests:             builtins.Tests,
		ControlStructures: exec.NewControlStructureSet(structures),
		Methods: exec.Methods{
			Bool: builtins.Methods.Bool, Int: builtins.Methods.Int, Float: builtins.Methods.Float,
			Str: strMethods(), Dict: builtins.Methods.Dict, List: builtins.Methods.List,
		},
	}
}

// raise is raise_exception(message): the template refuses its input.
func raise(_ *exec.Evaluator, args *exec.VarArgs) (*exec.Value, error) {
	what := "it raises an exception"
	if len(args.Args) > 0 {
		what = fmt.Sprintf("it raises %q", args.Args[0].String())
	}
	return nil, errors.New(what)
}

// today is the date that templates are told, see [Frame].
var today = time.Date(2024, time.July, 26, 12, 0, 0, 0, time.UTC)

// strftime is strftime_now(format).
func strftime(_ *exec.Evaluator, args *exec.VarArgs) (string, error) {
	if len(args.Args) != 1 {
		return "", errors.New("it calls strftime_now without a format")
	}
	return formatTime(args.Args[0].String(), today)
}

func formatTime(format string, at time.Time) (string, error) {
	layouts := map[byte]string{
		'd': "02", 'm': "01", 'y': "06", 'Y': "2006", 'b': "Jan", 'B': "January", 'a': "Mon", 'A': "Monday",
		'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM", 'j': "002", 'e': "_2",
		'F': "2006-01-02", 'T': "15:04:05", 'D': "01/02/06", 'z': "-0700", 'Z': "MST",
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		plain := format[i] == '-' && i+1 < len(format) // %-d: no padding
		if plain {
			i++
		}
		if format[i] == '%' {
			b.WriteByte('%')
			continue
		}
		layout, ok := layouts[format[i]]
		if !ok {
			return "", fmt.Errorf("it asks strftime_now for %%%c", format[i])
		}
		s := at.Format(layout)
		if plain {
			s = strings.TrimLeft(s, "0 ")
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// toJSON is the tojson filter as transformers replaces it: Python's json.dumps
// without ASCII escapes.
func toJSON(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	if in.IsError() {
		return in
	}
	indent := 0
	if v, ok := params.KwArgs["indent"]; ok && v.IsInteger() {
		indent = min(max(v.Integer(), 0), 16)
	}
	var b strings.Builder
	if err := dump(&b, in.ToGoSimpleType(false), indent, 0); err != nil {
		return exec.AsValue(err)
	}
	return exec.AsSafeValue(b.String())
}

// dump writes v as Python does: ", " and ": " between, or line by line.
func dump(b *strings.Builder, v any, indent, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("it writes JSON nested deeper than %d", maxNesting)
	}
	open := func(c byte, n int, item func(i int) error) error {
		b.WriteByte(c)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
				if indent == 0 {
					b.WriteByte(' ')
				}
			}
			if indent > 0 {
				b.WriteString("\n" + strings.Repeat(" ", indent*(depth+1)))
			}
			if err := item(i); err != nil {
				return err
			}
		}
		if indent > 0 && n > 0 {
			b.WriteString("\n" + strings.Repeat(" ", indent*depth))
		}
		b.WriteByte(c + 2) // ] after [, } after {
		return nil
	}
	switch v := v.(type) {
	case error:
		return v
	case []any:
		return open('[', len(v), func(i int) error { return dump(b, v[i], indent, depth+1) })
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		return open('{', len(keys), func(i int) error {
			quote(b, keys[i])
			b.WriteString(": ")
			return dump(b, v[keys[i]], indent, depth+1)
		})
	case string:
		quote(b, v)
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case float64:
		s := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(s, ".eN") {
			s += ".0"
		}
		b.WriteString(s)
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("it asks for JSON of a value that has none: %w", err)
		}
		b.Write(raw)
	}
	return nil
}

func quote(b *strings.Builder, s string) {
	var one strings.Builder
	e := json.NewEncoder(&one)
	e.SetEscapeHTML(false)
	_ = e.Encode(s)
	b.WriteString(strings.TrimSuffix(one.String(), "\n"))
}
