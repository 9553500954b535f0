package jinja

import (
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

type kind int

const (
	tEOF kind = iota
	tData
	tVariableBegin
	tVariableEnd
	tBlockBegin
	tBlockEnd
	tName
	tString
	tInteger
	tFloat
	tOperator
)

// token is one token; text is the name, the operator, or the string's or data's value.
type token struct {
	kind kind
	text string
	num  Value // of a number
	line int
}

func (t token) is(op string) bool  { return t.kind == tOperator && t.text == op }
func (t token) name(s string) bool { return t.kind == tName && t.text == s }
func (t token) describe() string {
	switch t.kind {
	case tEOF:
		return "the end of the template"
	case tData:
		return "text"
	case tVariableBegin:
		return "{{"
	case tVariableEnd:
		return "}}"
	case tBlockBegin:
		return "{%"
	case tBlockEnd:
		return "%}"
	case tString:
		return "a string"
	case tInteger, tFloat:
		return "a number"
	}
	return strconv.Quote(t.text)
}

type lexer struct {
	src      string
	pos      int
	line     int
	counted  int // position up to which newlines are in line
	tokens   []token
	brackets []byte
}

// lex splits a template into tokens, after jinja2's lexer with trim_blocks and
// lstrip_blocks.
func lex(source string) []token {
	if !utf8.ValidString(source) {
		fail(0, "the template is not valid UTF-8")
	}
	source = strings.ReplaceAll(strings.ReplaceAll(source, "\r\n", "\n"), "\r", "\n")
	l := &lexer{src: strings.TrimSuffix(source, "\n"), line: 1}
	atLineStart := true
	for l.pos < len(l.src) {
		begin := l.nextTag()
		if begin < 0 {
			l.add(tData, l.src[l.pos:])
			l.pos = len(l.src)
			break
		}
		start := l.pos
		text := l.src[start:begin]
		what := l.src[begin+1]
		sign := byte(0)
		l.at(begin)
		after := begin + 2
		if after < len(l.src) && (l.src[after] == '-' || l.src[after] == '+') {
			sign = l.src[after]
			after++
		}
		text = strip(text, sign, atLineStart, what != '{')
		l.at(start)
		l.add(tData, text)
		l.at(begin)
		switch what {
		case '#':
			l.pos = after
			l.comment()
		case '{':
			l.add(tVariableBegin, "")
			l.pos = after
			l.expression(false)
		default:
			if end, ok := rawBegin(l.src, after); ok {
				l.pos = end
				l.raw()
				break
			}
			l.add(tBlockBegin, "")
			l.pos = after
			l.expression(true)
		}
		atLineStart = l.pos > 0 && l.src[l.pos-1] == '\n'
	}
	l.at(l.pos)
	l.tokens = append(l.tokens, token{kind: tEOF, line: l.line})
	return l.tokens
}

// nextTag is where the next {{, {% or {# begins, or -1.
func (l *lexer) nextTag() int {
	for i := l.pos; ; i++ {
		j := strings.IndexByte(l.src[i:], '{')
		if j < 0 || i+j+1 >= len(l.src) {
			return -1
		}
		if i += j; strings.IndexByte("{%#", l.src[i+1]) >= 0 {
			return i
		}
	}
}

// strip removes white space before a tag: all of it before a minus sign, that
// of the tag's own line before a block or a comment.
func strip(text string, sign byte, atLineStart, own bool) string {
	switch {
	case sign == '-':
		return strings.TrimRightFunc(text, isSpace)
	case sign == '+' || !own:
		return text
	}
	begin := strings.LastIndexByte(text, '\n') + 1
	if begin == 0 && !atLineStart {
		return text
	}
	if strings.TrimLeftFunc(text[begin:], isSpace) == "" {
		return text[:begin]
	}
	return text
}

// at counts the lines up to a position.
func (l *lexer) at(pos int) {
	if pos > l.counted {
		l.line += strings.Count(l.src[l.counted:pos], "\n")
		l.counted = pos
	}
}

func (l *lexer) add(k kind, text string) {
	if k == tData && text == "" {
		return
	}
	l.tokens = append(l.tokens, token{kind: k, text: text, line: l.line})
}

func spaces(s string, i int) int {
	return len(s) - len(strings.TrimLeftFunc(s[i:], isSpace))
}

// rawBegin reports where the text of a raw block begins.
func rawBegin(s string, i int) (int, bool) {
	i = spaces(s, i)
	if !strings.HasPrefix(s[i:], "raw") {
		return 0, false
	}
	i = spaces(s, i+3)
	switch {
	case strings.HasPrefix(s[i:], "-%}"):
		return spaces(s, i+3), true
	case strings.HasPrefix(s[i:], "%}"):
		return i + 2, true
	}
	return 0, false
}

// blockEnd reports where the text after a block's or comment's end begins.
// mark is % or #.
func blockEnd(s string, i int, mark string) (int, bool) {
	switch {
	case strings.HasPrefix(s[i:], "+"+mark+"}"):
		return i + 3, true
	case strings.HasPrefix(s[i:], "-"+mark+"}"):
		return spaces(s, i+3), true
	case strings.HasPrefix(s[i:], mark+"}"):
		if i += 2; i < len(s) && s[i] == '\n' {
			i++
		}
		return i, true
	}
	return 0, false
}

func (l *lexer) comment() {
	for i := l.pos; i < len(l.src); i++ {
		if end, ok := blockEnd(l.src, i, "#"); ok {
			l.pos = end
			return
		}
	}
	fail(l.line, "a comment has no end")
}

func (l *lexer) raw() {
	atLineStart := l.src[l.pos-1] == '\n'
	for i := l.pos; i < len(l.src); i++ {
		if !strings.HasPrefix(l.src[i:], "{%") {
			continue
		}
		j, sign := i+2, byte(0)
		if j < len(l.src) && (l.src[j] == '-' || l.src[j] == '+') {
			sign = l.src[j]
			j++
		}
		j = spaces(l.src, j)
		if !strings.HasPrefix(l.src[j:], "endraw") {
			continue
		}
		if end, ok := blockEnd(l.src, spaces(l.src, j+6), "%"); ok {
			l.at(l.pos)
			l.add(tData, strip(l.src[l.pos:i], sign, atLineStart, true))
			l.pos = end
			return
		}
	}
	fail(l.line, "a raw block has no end")
}

// operators, the longest first.
var operators = []string{"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"}

// expression reads the tokens of a block or a variable up to its end.
func (l *lexer) expression(block bool) {
	l.brackets = l.brackets[:0]
	for {
		if l.pos >= len(l.src) {
			return // the parser says what is missing
		}
		l.at(l.pos)
		rest := l.src[l.pos:]
		if len(l.brackets) == 0 {
			if block {
				if end, ok := blockEnd(l.src, l.pos, "%"); ok {
					l.add(tBlockEnd, "")
					l.pos = end
					return
				}
			} else if strings.HasPrefix(rest, "-}}") || strings.HasPrefix(rest, "}}") {
				l.add(tVariableEnd, "")
				if rest[0] == '-' {
					l.pos = spaces(l.src, l.pos+3)
				} else {
					l.pos += 2
				}
				return
			}
		}
		if after := spaces(l.src, l.pos); after > l.pos {
			l.pos = after
			continue
		}
		switch c := rest[0]; {
		case c >= '0' && c <= '9':
			l.number(rest)
		case c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			n := 1
			for n < len(rest) && (isWord(rest[n]) || rest[n] >= utf8.RuneSelf) {
				n++
			}
			for i := range n {
				if rest[i] >= utf8.RuneSelf {
					fail(l.line, "the name %q is not supported: it has letters outside ASCII", rest[:n])
				}
			}
			l.add(tName, rest[:n])
			l.pos += n
		case c == '\'' || c == '"':
			l.str(rest)
		default:
			l.operator(rest)
		}
	}
}

func isWord(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func (l *lexer) operator(rest string) {
	for _, op := range operators {
		if !strings.HasPrefix(rest, op) {
			continue
		}
		switch op {
		case "(", "[", "{":
			l.brackets = append(l.brackets, op[0])
		case ")", "]", "}":
			open := map[string]byte{")": '(', "]": '[', "}": '{'}[op]
			if n := len(l.brackets); n == 0 || l.brackets[n-1] != open {
				fail(l.line, "unexpected %q", op)
			}
			l.brackets = l.brackets[:len(l.brackets)-1]
		}
		l.add(tOperator, op)
		l.pos += len(op)
		return
	}
	r, _ := utf8.DecodeRuneInString(rest)
	fail(l.line, "unexpected character %q", r)
}

// digits gives the length of a run of digits with single underscores between.
func digits(s string, ok func(byte) bool) int {
	n := 0
	for n < len(s) {
		switch {
		case ok(s[n]):
			n++
		case s[n] == '_' && n > 0 && n+1 < len(s) && ok(s[n+1]):
			n++
		default:
			return n
		}
	}
	return n
}

func decimal(c byte) bool { return c >= '0' && c <= '9' }

func (l *lexer) number(rest string) {
	// A number after a point is an element (x.0.1), no fraction begins there.
	if l.pos == 0 || l.src[l.pos-1] != '.' {
		whole := digits(rest, decimal)
		n := whole
		frac := 0
		if n+1 < len(rest) && rest[n] == '.' {
			if frac = digits(rest[n+1:], decimal); frac > 0 {
				n += 1 + frac
			}
		}
		exp := 0
		if n < len(rest) && (rest[n] == 'e' || rest[n] == 'E') {
			m := n + 1
			if m < len(rest) && (rest[m] == '+' || rest[m] == '-') {
				m++
			}
			if exp = digits(rest[m:], decimal); exp > 0 {
				n = m + exp
			}
		}
		if frac > 0 || exp > 0 {
			f, err := strconv.ParseFloat(strings.ReplaceAll(rest[:n], "_", ""), 64)
			if err != nil {
				fail(l.line, "the number %s is too large", rest[:n])
			}
			l.tokens = append(l.tokens, token{kind: tFloat, text: rest[:n], num: f, line: l.line})
			l.pos += n
			return
		}
	}
	n := 0
	prefixed := func(letters string, ok func(byte) bool) bool {
		if rest[0] != '0' || len(rest) < 3 || !strings.ContainsRune(letters, rune(rest[1])) {
			return false
		}
		body := rest[2:]
		skip := 0
		if body[0] == '_' {
			skip = 1
		}
		if d := digits(body[skip:], ok); d > 0 {
			n = 2 + skip + d
			return true
		}
		return false
	}
	switch {
	case prefixed("bB", func(c byte) bool { return c == '0' || c == '1' }),
		prefixed("oO", func(c byte) bool { return c >= '0' && c <= '7' }),
		prefixed("xX", func(c byte) bool {
			return decimal(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		}):
	case rest[0] == '0':
		n = digits(rest, func(c byte) bool { return c == '0' })
	default:
		n = digits(rest, decimal)
	}
	if n > maxDigits {
		fail(l.line, "a number of %d digits is too large", n)
	}
	v, ok := new(big.Int).SetString(strings.ReplaceAll(rest[:n], "_", ""), 0)
	if !ok {
		v = new(big.Int) // zeros alone
	}
	l.tokens = append(l.tokens, token{kind: tInteger, text: rest[:n], num: integer(v), line: l.line})
	l.pos += n
}

// str reads a string literal with Python's escapes.
func (l *lexer) str(rest string) {
	quote := rest[0]
	var b strings.Builder
	i := 1
	hex := func(n int) {
		if i+n > len(rest) {
			fail(l.line, "a string ends within an escape")
		}
		v, err := strconv.ParseUint(rest[i:i+n], 16, 32)
		if err != nil {
			fail(l.line, "a string has a broken escape: %q", rest[i-2:i+n])
		}
		if v > utf8.MaxRune || v >= 0xD800 && v < 0xE000 {
			fail(l.line, "a string has the escape %q, which is no character", rest[i-2:i+n])
		}
		b.WriteRune(rune(v))
		i += n
	}
	for {
		if i >= len(rest) {
			fail(l.line, "unexpected character %q: a string has no end", rune(quote))
		}
		c := rest[i]
		if c == quote {
			break
		}
		i++
		if c != '\\' {
			b.WriteByte(c)
			continue
		}
		if i >= len(rest) {
			continue
		}
		e := rest[i]
		i++
		switch {
		case e == '\n':
		case strings.IndexByte(`\'"`, e) >= 0:
			b.WriteByte(e)
		case strings.IndexByte("abfnrtv", e) >= 0:
			b.WriteByte(map[byte]byte{'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}[e])
		case e >= '0' && e <= '7':
			v := int(e - '0')
			for n := 1; n < 3 && i < len(rest) && rest[i] >= '0' && rest[i] <= '7'; n++ {
				v = v*8 + int(rest[i]-'0')
				i++
			}
			b.WriteRune(rune(v))
		case e == 'x':
			hex(2)
		case e == 'u':
			hex(4)
		case e == 'U':
			hex(8)
		case e == 'N' || e >= utf8.RuneSelf:
			fail(l.line, "a string has the escape \\%c, which is not supported", e)
		default:
			b.WriteByte('\\')
			b.WriteByte(e)
		}
	}
	l.add(tString, b.String())
	l.pos += i + 1
}
