package tokenizer

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/dlclark/regexp2"
)

// matchTime bounds one match of a file's pattern, so that a hostile one cannot
// hold a run. The patterns of this package need no bound.
var matchTime = 10 * time.Second

// stuck notes that a file's pattern took too long: what a tokenizer with such a
// pattern gives is of no use, and Problem says so. nil: nobody asks.
type stuck struct{ pattern atomic.Pointer[string] }

// finder walks a text's matches: it calls match with the bytes [a, b) of each
// in order, leaving empty ones out.
type finder func(s string, match func(a, b int))

// compile makes a finder of a pattern in the Oniguruma syntax that
// tokenizer.json files use, as far as it is that of Perl and .NET too. After a
// match that takes longer than limit, twice, it finds nothing any more.
func compile(pattern string, limit time.Duration, s *stuck) (finder, error) {
	p, err := atomicGroups(pattern)
	if err != nil {
		return nil, err
	}
	re, err := regexp2.Compile(p, regexp2.None)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", pattern, err)
	}
	re.MatchTimeout = limit
	// A process that was stopped for a while looks like a match that takes long.
	patient := func(find func() (*regexp2.Match, error)) *regexp2.Match {
		m, err := find()
		if err != nil {
			m, err = find()
		}
		if err != nil && s != nil {
			s.pattern.Store(&pattern)
		}
		return m
	}
	return func(text string, match func(a, b int)) {
		if s != nil && s.pattern.Load() != nil {
			return
		}
		runes := []rune(text)
		at, index := 0, 0 // the byte and the rune reached
		forward := func(to int) int {
			for index < to {
				at += width(text, at)
				index++
			}
			return at
		}
		m := patient(func() (*regexp2.Match, error) { return re.FindRunesMatch(runes) })
		for m != nil {
			if m.Length > 0 {
				a := forward(m.Index)
				match(a, forward(m.Index+m.Length))
			}
			last := m
			m = patient(func() (*regexp2.Match, error) { return re.FindNextMatch(last) })
		}
	}, nil
}

// width is how many bytes of s[i:] range takes for one rune.
func width(s string, i int) int {
	for k := range s[i:] {
		if k > 0 {
			return k
		}
	}
	return len(s) - i
}

// isolate makes matches words, and what stands between them.
func isolate(find finder) splitter {
	return func(s string, emit func(a, b int)) {
		from := 0
		find(s, func(a, b int) {
			if a > from {
				emit(from, a)
			}
			emit(a, b)
			from = b
		})
		if from < len(s) {
			emit(from, len(s))
		}
	}
}

// mustIsolate is for the patterns of this package.
func mustIsolate(pattern string) splitter {
	find, err := compile(pattern, regexp2.DefaultMatchTimeout, nil)
	if err != nil {
		panic(err)
	}
	return isolate(find)
}

// atomicGroups rewrites the possessive forms x?+, x*+ and x++, which regexp2
// lacks, as (?>x?), (?>x*) and (?>x+).
func atomicGroups(p string) (string, error) {
	var out []byte
	atom := -1 // where in out the last atom begins
	var open []int
	for i := 0; i < len(p); {
		switch c := p[i]; c {
		case '\\':
			n := 2
			if i+1 >= len(p) {
				return "", fmt.Errorf("pattern %q ends in a backslash", p)
			}
			if (p[i+1] == 'p' || p[i+1] == 'P' || p[i+1] == 'x') && i+2 < len(p) && p[i+2] == '{' {
				for i+n < len(p) && p[i+n-1] != '}' {
					n++
				}
			}
			atom = len(out)
			out = append(out, p[i:i+n]...)
			i += n
		case '[':
			atom = len(out)
			depth := 0
			for i < len(p) {
				if p[i] == '\\' && i+1 < len(p) {
					out = append(out, p[i], p[i+1])
					i += 2
					continue
				}
				if p[i] == '[' {
					depth++
				}
				if p[i] == ']' {
					depth--
				}
				if p[i] == '[' && depth > 1 && !(i+1 < len(p) && p[i+1] == ':') {
					out = append(out, '\\') // a bracket in a set is itself
					depth--
				}
				out = append(out, p[i])
				i++
				if depth == 0 {
					break
				}
			}
		case '(':
			open = append(open, len(out))
			out = append(out, c)
			i++
			atom = -1
		case ')':
			if len(open) == 0 {
				return "", fmt.Errorf("pattern %q closes a group that it did not open", p)
			}
			atom = open[len(open)-1]
			open = open[:len(open)-1]
			out = append(out, c)
			i++
		case '?', '*', '+':
			possessive := i+1 < len(p) && p[i+1] == '+' && atom >= 0 && (i == 0 || p[i-1] != '(')
			if !possessive {
				out = append(out, c)
				i++
				continue
			}
			rest := string(out[atom:])
			out = append(out[:atom], "(?>"+rest+string(c)+")"...)
			i += 2
		default:
			atom = len(out)
			n := width(p, i)
			out = append(out, p[i:i+n]...)
			i += n
		}
	}
	return string(out), nil
}
