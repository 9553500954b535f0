package tokenizer

import (
	"strings"
	"unicode"
)

// A splitter cuts a text into words for byte-pair encoding: it calls emit with
// [a, b) of every word, in order. Merges never cross words.
type splitter func(s string, emit func(a, b int))

// sequence cuts every word of a again with b. Each word is a text of its own to
// b: a lookahead at its end sees the end.
func sequence(a, b splitter) splitter {
	return func(s string, emit func(x, y int)) {
		a(s, func(x, y int) {
			b(s[x:y], func(p, q int) { emit(x+p, x+q) })
		})
	}
}

func whole(s string, emit func(a, b int)) {
	if len(s) > 0 {
		emit(0, len(s))
	}
}

// isolateNumbers makes each run of at most n number characters a word of its
// own, and what stands between them words too: \p{N}{1,n}. n 0 means no limit.
func isolateNumbers(n int) splitter {
	return func(s string, emit func(a, b int)) {
		t := classes()
		from := 0
		for i := 0; i < len(s); {
			_, c, w := runeAt(t, s, i)
			if c&number == 0 {
				i += w
				continue
			}
			if i > from {
				emit(from, i)
			}
			end := i + w
			for k := 1; k != n; k++ {
				_, c, w := runeAt(t, s, end)
				if c&number == 0 {
					break
				}
				end += w
			}
			emit(i, end)
			i, from = end, end
		}
		if from < len(s) {
			emit(from, len(s))
		}
	}
}

// contraction gives the end of 's 't 're 've 'm 'll 'd at s[i:], where s[i] is
// an apostrophe, or -1. fold 0: lower case only; 1: ASCII case is ignored;
// 2: also U+017F, which Unicode folds to s.
func contraction(s string, i, fold int) int {
	at := func(k int) byte {
		if k >= len(s) {
			return 0
		}
		c := s[k]
		if fold > 0 && 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		return c
	}
	switch at(i + 1) {
	case 's', 't', 'm', 'd':
		return i + 2
	case 'r', 'v':
		if at(i+2) == 'e' {
			return i + 3
		}
	case 'l':
		if at(i+2) == 'l' {
			return i + 3
		}
	case 0xC5:
		if fold > 1 && at(i+2) == 0xBF {
			return i + 3
		}
	}
	return -1
}

// run gives the end of the longest stretch at s[i:] whose characters have any
// bit of want and none of not.
func run(t *[unicode.MaxRune + 1]class, s string, i int, want, not class) int {
	for {
		_, c, w := runeAt(t, s, i)
		if w == 0 || c&want == 0 || c&not != 0 {
			return i
		}
		i += w
	}
}

// without is run for characters that have no bit of not.
func without(t *[unicode.MaxRune + 1]class, s string, i int, not class) int {
	for {
		_, c, w := runeAt(t, s, i)
		if w == 0 || c&not != 0 {
			return i
		}
		i += w
	}
}

// scanGPT2 is the scanner of
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// the pattern of the GPT-2 release (Radford et al. 2019).
func scanGPT2(s string, emit func(a, b int)) {
	t := classes()
	for i := 0; i < len(s); {
		r, c, w := runeAt(t, s, i)
		if r == '\'' {
			if end := contraction(s, i, 0); end > 0 {
				emit(i, end)
				i = end
				continue
			}
		}
		body, bc := i, c
		if r == ' ' {
			if _, nc, nw := runeAt(t, s, i+1); nw > 0 && nc&space == 0 {
				body, bc = i+1, nc
			}
		}
		var end int
		switch {
		case bc&letter != 0:
			end = run(t, s, body, letter, noClass)
		case bc&number != 0:
			end = run(t, s, body, number, noClass)
		case bc&space == 0:
			end = without(t, s, body, letter|number|space)
		default:
			end = spaces(t, s, i, w, run(t, s, i, space, noClass))
		}
		emit(i, end)
		i = end
	}
}

// spaces gives the end of the match of \s+(?!\S)|\s+ on the stretch of spaces
// [i, e) whose first character is w bytes wide: all of it at the end of the
// text or where it is one character, else all but its last character.
func spaces(t *[unicode.MaxRune + 1]class, s string, i, w, e int) int {
	if e == len(s) || e == i+w {
		return e
	}
	last := e - 1
	for last > i && s[last]&0xC0 == 0x80 {
		last--
	}
	return last
}

// wordScan is the family of patterns that began with cl100k:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
//	 ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
type wordScan struct {
	digits  int    // most numbers in a word; 0: no limit
	fold    int    // case of contractions, see contraction; -1: none
	letters class  // what words are made of: letter, or letter|mark
	others  class  // what ends a stretch of symbols
	tail    string // what a stretch of symbols takes along behind it
	cased   bool   // words end where lower case turns to upper: the o200k and tekken patterns
	suffix  bool   // a contraction may end a cased word
}

func (p wordScan) split(s string, emit func(a, b int)) {
	t := classes()
	for i := 0; i < len(s); {
		end := p.next(t, s, i)
		emit(i, end)
		i = end
	}
}

func (p wordScan) next(t *[unicode.MaxRune + 1]class, s string, i int) int {
	r, c, w := runeAt(t, s, i)
	if r == '\'' && p.fold >= 0 && !p.cased {
		if end := contraction(s, i, p.fold); end > 0 {
			return end
		}
	}
	if p.cased {
		if end := p.casedWord(t, s, i, r, c, w); end > 0 {
			return end
		}
	} else {
		if c&p.letters != 0 {
			return run(t, s, i, p.letters, noClass)
		}
		if r != '\r' && r != '\n' && c&number == 0 {
			if _, nc, _ := runeAt(t, s, i+w); nc&p.letters != 0 {
				return run(t, s, i+w, p.letters, noClass)
			}
		}
	}
	if c&number != 0 {
		end := i + w
		for k := 1; k != p.digits; k++ {
			_, nc, nw := runeAt(t, s, end)
			if nc&number == 0 {
				break
			}
			end += nw
		}
		return end
	}
	body, bc, bw := i, c, w
	if r == ' ' {
		body = i + 1
		_, bc, bw = runeAt(t, s, body)
	}
	if bw > 0 && bc&p.others == 0 {
		end := without(t, s, body, p.others)
		for end < len(s) && strings.IndexByte(p.tail, s[end]) >= 0 {
			end++
		}
		return end
	}
	if c&space == 0 { // a mark alone where others holds marks
		return i + w
	}
	e := run(t, s, i, space, noClass)
	for k := e - 1; k >= i; k-- {
		if s[k] == '\n' || s[k] == '\r' {
			return k + 1
		}
	}
	return spaces(t, s, i, w, e)
}

// casedWord matches, with U = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] and
// l = [\p{Ll}\p{Lm}\p{Lo}\p{M}],
//
//	[^\r\n\p{L}\p{N}]?U*l+(contraction)?|[^\r\n\p{L}\p{N}]?U+l*(contraction)?
//
// and gives its end, or -1.
func (p wordScan) casedWord(t *[unicode.MaxRune + 1]class, s string, i int, r rune, c class, w int) int {
	end := -1
	lead := r != '\r' && r != '\n' && c&(letter|number) == 0
	if lead {
		end = lowerEnd(t, s, i+w)
	}
	if end < 0 {
		end = lowerEnd(t, s, i)
	}
	if end < 0 && lead {
		end = upperEnd(t, s, i+w)
	}
	if end < 0 {
		end = upperEnd(t, s, i)
	}
	if end > 0 && p.suffix && end < len(s) && s[end] == '\'' {
		if e := contraction(s, end, p.fold); e > 0 {
			return e
		}
	}
	return end
}

func isUpperSide(c class) bool { return c&(letter|mark) != 0 && c&lower == 0 }
func isLowerSide(c class) bool { return c&(letter|mark) != 0 && c&upper == 0 }

// lowerEnd matches U*l+ at s[i:]: its end or -1.
func lowerEnd(t *[unicode.MaxRune + 1]class, s string, i int) int {
	back := -1 // end of the last character seen that both U and l hold
	for {
		_, c, w := runeAt(t, s, i)
		if w == 0 || !isUpperSide(c) {
			break
		}
		i += w
		if isLowerSide(c) {
			back = i
		}
	}
	end := i
	for {
		_, c, w := runeAt(t, s, end)
		if w == 0 || !isLowerSide(c) {
			break
		}
		end += w
	}
	if end > i {
		return end
	}
	return back
}

// upperEnd matches U+l* at s[i:]: its end or -1.
func upperEnd(t *[unicode.MaxRune + 1]class, s string, i int) int {
	start := i
	for {
		_, c, w := runeAt(t, s, i)
		if w == 0 || !isUpperSide(c) {
			break
		}
		i += w
	}
	if i == start {
		return -1
	}
	for {
		_, c, w := runeAt(t, s, i)
		if w == 0 || !isLowerSide(c) {
			return i
		}
		i += w
	}
}
