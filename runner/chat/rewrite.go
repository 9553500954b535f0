package chat

import "strings"

// The template engine knows conditional expressions (a if c else b) only as a
// whole output or a whole assignment. Templates have them within brackets and
// chained, too, so all are rewritten to what the engine evaluates as lazily:
// ((c) and [a] or [b])[0].

// rewrite changes the code of a template and leaves its text alone.
func rewrite(template string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(template, '{')
		if i < 0 || i+1 == len(template) {
			return b.String() + template
		}
		var closing string
		switch template[i+1] {
		case '{':
			closing = "}}"
		case '%':
			closing = "%}"
		case '#':
			end := strings.Index(template[i:], "#}")
			if end < 0 {
				return b.String() + template
			}
			b.WriteString(template[:i+end+2])
			template = template[i+end+2:]
			continue
		default:
			b.WriteString(template[:i+1])
			template = template[i+1:]
			continue
		}
		n := codeLen(template[i+2:], closing)
		if n < 0 {
			return b.String() + template
		}
		code := template[i+2 : i+2+n]
		b.WriteString(template[:i+2])
		b.WriteString(rewriteCode(code, closing))
		b.WriteString(closing)
		template = template[i+4+n:]
		if closing == "%}" && strings.Trim(code, "-+ \t\r\n") == "raw" {
			end := strings.Index(template, "endraw")
			if end < 0 {
				return b.String() + template
			}
			b.WriteString(template[:end])
			template = template[end:]
			at := strings.Index(template, "%}")
			if at < 0 {
				return b.String() + template
			}
			b.WriteString(template[:at+2])
			template = template[at+2:]
		}
	}
}

// codeLen is how far the closing delimiter is, not counting those in strings.
func codeLen(s, closing string) int {
	depth := 0
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '"' || c == '\'':
			i += stringLen(s[i:])
			continue
		case strings.HasPrefix(s[i:], closing) && (closing == "%}" || depth == 0):
			return i
		case c == '{':
			depth++
		case c == '}':
			depth--
		}
		i++
	}
	return -1
}

// stringLen is the length of the string literal that s begins with.
func stringLen(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		}
	}
	return len(s)
}

func rewriteCode(code, closing string) string {
	start, end := 0, len(code)
	if end > 0 && (code[0] == '-' || code[0] == '+') {
		start = 1
	}
	if end > start && (code[end-1] == '-' || code[end-1] == '+') {
		end--
	}
	body := code[start:end]
	top := closing == "}}"
	if !top {
		word, _, _ := strings.Cut(strings.TrimLeft(body, " \t\r\n"), " ")
		top = word == "set"
	}
	out, _ := elements(body, 0, 0, top)
	return code[:start] + out + code[end:]
}

// elements rewrites s[i:] up to the bracket that closes the group it is in (or
// the end) and gives where it stopped. Commas, colons and assignments part a
// group's elements; conditionals in them are rewritten if rewriting is set.
func elements(s string, i, depth int, rewriting bool) (string, int) {
	var out, cur strings.Builder
	flush := func() {
		if rewriting {
			out.WriteString(conditional(cur.String()))
		} else {
			out.WriteString(cur.String())
		}
		cur.Reset()
	}
	for i < len(s) {
		c := s[i]
		switch {
		case c == '"' || c == '\'':
			n := stringLen(s[i:])
			cur.WriteString(s[i : i+n])
			i += n
			continue
		case (c == '(' || c == '[' || c == '{') && depth < maxNesting:
			inner, at := elements(s, i+1, depth+1, true)
			cur.WriteByte(c)
			cur.WriteString(inner)
			i = at
			if i < len(s) {
				cur.WriteByte(s[i])
				i++
			}
			continue
		case c == ')' || c == ']' || c == '}':
			if depth > 0 {
				flush()
				return out.String(), i
			}
		case c == ',' || c == ':', c == '=' && !operator(s, i):
			flush()
			out.WriteByte(c)
			i++
			continue
		}
		cur.WriteByte(c)
		i++
	}
	flush()
	return out.String(), i
}

// operator reports whether the = at s[i] is part of ==, !=, <= or >=.
func operator(s string, i int) bool {
	return i+1 < len(s) && s[i+1] == '=' || i > 0 && strings.IndexByte("=!<>", s[i-1]) >= 0
}

// conditional rewrites one element, whose brackets hold no conditionals any more.
func conditional(s string) string {
	at := keyword(s, "if", 0)
	if at < 0 {
		return s
	}
	yes, rest := s[:at], s[at+2:]
	no := "''" // nothing, where there is no else
	test := rest
	if e := keyword(rest, "else", 0); e >= 0 {
		test, no = rest[:e], conditional(rest[e+4:])
	}
	if strings.TrimSpace(yes) == "" || strings.TrimSpace(test) == "" {
		return s
	}
	// A filter behind the last operand must stay with it.
	return " ((" + test + ") and [" + yes + "] or [" + no + "])[0] "
}

// keyword finds a word outside strings and brackets, or gives -1.
func keyword(s, word string, i int) int {
	depth := 0
	for i < len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\'':
			i += stringLen(s[i:])
			continue
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		case depth == 0 && nameByte(c):
			n := 1
			for i+n < len(s) && nameByte(s[i+n]) {
				n++
			}
			if s[i:i+n] == word && (i == 0 || s[i-1] != '.') {
				return i
			}
			i += n
			continue
		}
		i++
	}
	return -1
}

func nameByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
