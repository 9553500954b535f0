// Package jinja runs chat templates: the Jinja language as Hugging Face's
// transformers sets it up (jinja2's ImmutableSandboxedEnvironment with
// trim_blocks, lstrip_blocks and loop controls, a generation tag, tojson,
// raise_exception and strftime_now), with the semantics of Python's values.
//
// A template is data from a stranger. It gives exactly the text that jinja2
// 3.1 gives, or an error: what is not supported is refused by name, never
// approximated. It reads nothing but the variables it is given, and every step
// and every byte it asks for is counted before it is granted ([Limits]), so
// that time and memory are bounded whatever it does, and equally on every
// machine.
package jinja

import (
	"fmt"
	"time"
)

// Limits bound one rendering.
type Limits struct {
	Source int   // bytes of the template
	Output int   // bytes of the text
	Memory int64 // bytes of all values ever made, temporary ones included
	Steps  int64 // evaluated nodes, and one for every few bytes that are copied or searched
}

// Default are limits far above what published templates need (of 70 templates
// with six conversations each, the greediest takes 98 KB and 3,500 steps). They
// keep the process below 256 MB and the time at about a second.
var Default = Limits{Source: 256 << 10, Output: 1 << 20, Memory: 64 << 20, Steps: 4_000_000}

// Error is what a template did wrong, and where.
type Error struct {
	Line int
	What string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.What
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.What)
}

// Template is a parsed template. It can be rendered by several goroutines.
type Template struct {
	run    stmt
	root   *function
	names  map[string]bool
	limits Limits
}

// Parse reads a template. The error is an [*Error].
func Parse(source string, limits Limits) (t *Template, err error) {
	defer func() {
		if p := recover(); p != nil {
			t, err = nil, failed(p)
		}
	}()
	if len(source) > limits.Source {
		fail(0, "the template is %d bytes long, more than the limit of %d", len(source), limits.Source)
	}
	body := parse(source)
	t = compile(body)
	t.limits = limits
	return t, nil
}

// Reads reports whether the template reads a variable of this name anywhere.
func (t *Template) Reads(name string) bool { return t.names[name] }

// Render gives the template's text with these variables and this time as now.
// The variables' values are of the types that [Value] lists. The error is an
// [*Error].
func (t *Template) Render(variables map[string]Value, now time.Time) (text string, err error) {
	s := &state{limits: t.limits, variables: variables, now: now}
	defer func() {
		if p := recover(); p != nil {
			e := failed(p)
			if e.Line == 0 {
				e.Line = s.line
			}
			text, err = "", e
		}
	}()
	out := &buffer{s: s, limit: t.limits.Output}
	t.run(&scope{s: s, cells: make([]Value, t.root.size)}, out)
	return out.b.String(), nil
}

// fail ends parsing or rendering with an error; line 0 is the line in progress.
func fail(line int, format string, args ...any) {
	panic(&Error{line, fmt.Sprintf(format, args...)})
}

// failed turns what a panic carried into the error; other panics go on.
func failed(p any) *Error {
	e, ok := p.(*Error)
	if !ok {
		panic(p)
	}
	const limit = 300
	if len(e.What) > limit {
		e.What = e.What[:limit] + " …"
	}
	return e
}

// state is one rendering.
type state struct {
	limits    Limits
	variables map[string]Value
	now       time.Time
	line      int
	memory    int64
	steps     int64
	calls     int
}

// take counts bytes that are about to be allocated.
func (s *state) take(bytes int64) {
	s.memory += bytes
	if bytes < 0 || s.memory > s.limits.Memory {
		fail(0, "the template asks for more than %d MB of memory", s.limits.Memory>>20)
	}
}

// work counts steps that are about to be made.
func (s *state) work(steps int64) {
	s.steps += steps
	if steps < 0 || s.steps > s.limits.Steps {
		fail(0, "the template is not done after %d steps", s.limits.Steps)
	}
}

// scan counts the steps of reading so many bytes.
func (s *state) scan(bytes int) { s.work(1 + int64(bytes)/16) }

// maxCalls bounds how deep macros, loops and values may nest. Python ends at
// 1000 of its own calls, which is more than this.
const maxCalls = 120

// enter counts one level of nesting until the function it gives is called.
func (s *state) enter() {
	if s.calls++; s.calls > maxCalls {
		fail(0, "the template's calls or values are nested more than %d deep", maxCalls)
	}
}

func (s *state) leave() { s.calls-- }
