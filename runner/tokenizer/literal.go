package tokenizer

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// literal is a token that is matched as it is written.
type literal struct {
	id          int32
	left, right bool // swallows white space on that side
	word        bool // only where no letter or digit touches it
}

// literals finds tokens before anything else is done to a text: at every place
// the longest one wins.
type literals struct {
	all     map[string]literal
	lengths [256][]int // by first byte: lengths in use, longest first
}

func newLiterals(all map[string]literal) *literals {
	l := &literals{all: all}
	for s := range all {
		if s == "" {
			continue
		}
		have := false
		for _, n := range l.lengths[s[0]] {
			have = have || n == len(s)
		}
		if !have {
			l.lengths[s[0]] = append(l.lengths[s[0]], len(s))
		}
	}
	for i := range l.lengths {
		sort.Sort(sort.Reverse(sort.IntSlice(l.lengths[i])))
	}
	return l
}

// find gives the first match in s[from:]: its place, or start -1.
func (l *literals) find(s string, from int) (start, end int, lit literal) {
	for i := from; i < len(s); i++ {
		for _, n := range l.lengths[s[i]] {
			if i+n > len(s) {
				continue
			}
			lit, ok := l.all[s[i:i+n]]
			if !ok {
				continue
			}
			if lit.word && (wordBefore(s[:i]) || wordAfter(s[i+n:])) {
				break
			}
			return i, i + n, lit
		}
	}
	return -1, -1, literal{}
}

func wordBefore(s string) bool {
	r, n := utf8.DecodeLastRuneInString(s)
	return n > 0 && isWord(r)
}

func wordAfter(s string) bool {
	r, n := utf8.DecodeRuneInString(s)
	return n > 0 && isWord(r)
}

// isWord is \w with Unicode's definition (UTS 18, annex C).
func isWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic, unicode.Join_Control)
}

// cut walks s: it calls text for each stretch between literals (never an empty
// one) and token for each literal with the white space it swallows, in order. A
// literal made of white space that another one swallows is a token all the same.
func (l *literals) cut(s string, text func(a, b int), token func(a, b int, id int32)) {
	at, from := 0, 0
	for l != nil && len(l.all) > 0 {
		a, b, lit := l.find(s, from)
		if a < 0 {
			break
		}
		from = b
		if lit.left && a > at {
			a = at + len(strings.TrimRightFunc(s[at:a], unicode.IsSpace))
		}
		if lit.right {
			b = len(s) - len(strings.TrimLeftFunc(s[b:], unicode.IsSpace))
		}
		if a > at {
			text(at, a)
		}
		token(a, b, lit.id)
		at = b
	}
	if at < len(s) {
		text(at, len(s))
	}
}

// spaceMark is how SentencePiece writes a space.
const spaceMark = "\u2581"

// unmark turns SentencePiece's marks into spaces.
func unmark(s string) string { return strings.ReplaceAll(s, spaceMark, " ") }
