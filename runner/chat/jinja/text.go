package jinja

import (
	"math/big"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// isSpace reports what Python's str.isspace and its regular expressions count
// as white space.
func isSpace(r rune) bool {
	switch {
	case r >= 0x09 && r <= 0x0d, r >= 0x1c && r <= 0x20, r == 0x85, r == 0xa0, r == 0x1680,
		r >= 0x2000 && r <= 0x200a, r == 0x2028, r == 0x2029, r == 0x202f, r == 0x205f, r == 0x3000:
		return true
	}
	return false
}

// text is Python's str().
func (s *state) text(v Value) string {
	switch v := v.(type) {
	case string:
		return v
	case markup:
		return string(v)
	case *undefined:
		return ""
	}
	return s.repr(v)
}

// repr is Python's repr().
func (s *state) repr(v Value) string {
	b := &buffer{s: s}
	s.writeRepr(b, v)
	return b.b.String()
}

func (s *state) writeRepr(b *buffer, v Value) {
	s.work(1)
	s.enter()
	defer s.leave()
	sequence := func(open string, items []Value, end string) {
		b.write(open)
		for i, item := range items {
			if i > 0 {
				b.write(", ")
			}
			s.writeRepr(b, item)
		}
		b.write(end)
	}
	switch v := v.(type) {
	case nil:
		b.write("None")
	case bool:
		if v {
			b.write("True")
		} else {
			b.write("False")
		}
	case int64:
		b.write(strconv.FormatInt(v, 10))
	case *big.Int:
		b.write(s.digits(v))
	case float64:
		b.write(floatText(v))
	case string:
		s.scan(8 * len(v))
		b.write(quoted(v))
	case markup:
		b.write("Markup(" + quoted(string(v)) + ")")
	case tuple:
		if len(v) == 1 {
			sequence("(", v, ",)")
		} else {
			sequence("(", v, ")")
		}
	case *group:
		sequence("(", []Value{v.key, v.list}, ")")
	case *list:
		sequence("[", v.items, "]")
	case *dict:
		b.write("{")
		for i, e := range v.entries {
			if i > 0 {
				b.write(", ")
			}
			s.writeRepr(b, e.key)
			b.write(": ")
			s.writeRepr(b, e.value)
		}
		b.write("}")
	case *undefined:
		b.write("Undefined")
	case *namespace:
		b.write("<Namespace ")
		s.writeRepr(b, v.attrs)
		b.write(">")
	case *span:
		b.write("range(" + strconv.FormatInt(v.start, 10) + ", " + strconv.FormatInt(v.stop, 10))
		if v.step != 1 {
			b.write(", " + strconv.FormatInt(v.step, 10))
		}
		b.write(")")
	case *view:
		b.write("dict_" + v.kind + "([")
		for i := range v.of.entries {
			if i > 0 {
				b.write(", ")
			}
			s.writeRepr(b, v.item(i))
		}
		b.write("])")
	case *macro:
		if v.anonymous {
			b.write("<Macro anonymous>")
		} else {
			b.write("<Macro " + quoted(v.name) + ">")
		}
	case *loopValue:
		b.write("<LoopContext " + strconv.Itoa(v.index+1) + "/" + strconv.Itoa(v.length()) + ">")
	default:
		fail(0, "writing out %s is not supported: Python writes its address in memory", typeName(v))
	}
}

// digits gives a large int's text, which Python refuses beyond a length.
func (s *state) digits(v *big.Int) string {
	s.work(int64(v.BitLen()) * int64(v.BitLen()) / 4096)
	text := v.String()
	if len(strings.TrimPrefix(text, "-")) > maxDigits {
		fail(0, "an int of more than %d digits cannot be written", maxDigits)
	}
	return text
}

// floatText is repr() of a float: the shortest digits that give it back.
func floatText(f float64) string {
	e := strconv.FormatFloat(f, 'e', -1, 64)
	exp, _ := strconv.Atoi(e[strings.IndexByte(e, 'e')+1:])
	if exp < -4 || exp >= 16 {
		return e // at least two digits of exponent in both
	}
	t := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(t, ".") {
		t += ".0"
	}
	return t
}

// quoted is repr() of a string.
func quoted(text string) string {
	quote := byte('\'')
	if strings.Contains(text, "'") && !strings.Contains(text, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteByte(quote)
	hex := func(prefix string, r rune, width int) {
		h := strconv.FormatInt(int64(r), 16)
		b.WriteString(prefix + strings.Repeat("0", width-len(h)) + h)
	}
	for _, r := range text {
		switch {
		case r == rune(quote) || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x100:
			hex(`\x`, r, 2)
		case r < 0x10000:
			hex(`\u`, r, 4)
		default:
			hex(`\U`, r, 8)
		}
	}
	b.WriteByte(quote)
	return b.String()
}

// lines is str.splitlines(); with ends, each keeps its line break.
func (s *state) lines(text string, ends bool) []string {
	s.scan(8 * len(text))
	var out []string
	for text != "" {
		s.onePart()
		i := strings.IndexFunc(text, func(r rune) bool {
			switch r {
			case '\n', '\r', '\v', '\f', 0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029:
				return true
			}
			return false
		})
		if i < 0 {
			return append(out, text)
		}
		_, n := utf8.DecodeRuneInString(text[i:])
		if strings.HasPrefix(text[i:], "\r\n") {
			n = 2
		}
		if ends {
			out = append(out, text[:i+n])
		} else {
			out = append(out, text[:i])
		}
		text = text[i+n:]
	}
	return out
}

// onePart counts a part of a string that is split, in the list as it grows.
func (s *state) onePart() {
	s.work(1)
	s.take(80)
}

// offsets gives where each character of a string begins, and its end; nil for
// ASCII, where both are the same.
func (s *state) offsets(text string) []int {
	s.scan(4 * len(text))
	if ascii(text) {
		return nil
	}
	s.take(8 * int64(len(text)+1))
	at := make([]int, 0, len(text)+1)
	for i := range text {
		at = append(at, i)
	}
	return append(at, len(text))
}

func ascii(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
