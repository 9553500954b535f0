package tokenizer

import (
	"sort"
	"strings"
)

// literals finds tokens that are matched as they are, before anything else is
// done to a text: at every place the longest one wins.
type literals struct {
	ids     map[string]int32
	lengths [256][]int // by first byte: lengths in use, longest first
}

func newLiterals(texts map[string]int32) *literals {
	l := &literals{ids: texts}
	for s := range texts {
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

// find gives the first match in s[from:]: its place and id, or start -1.
func (l *literals) find(s string, from int) (start, end int, id int32) {
	if l == nil || len(l.ids) == 0 {
		return -1, -1, -1
	}
	for i := from; i < len(s); i++ {
		for _, n := range l.lengths[s[i]] {
			if i+n > len(s) {
				continue
			}
			if id, ok := l.ids[s[i:i+n]]; ok {
				return i, i + n, id
			}
		}
	}
	return -1, -1, -1
}

// cut walks s: it calls text for each stretch between literals (never an empty
// one) and token for each literal, in order.
func (l *literals) cut(s string, text func(a, b int), token func(a, b int, id int32)) {
	at := 0
	for {
		a, b, id := l.find(s, at)
		if a < 0 {
			break
		}
		if a > at {
			text(at, a)
		}
		token(a, b, id)
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
