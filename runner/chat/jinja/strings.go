package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

type stringMethod func(s *state, text string, a *args) Value

// made counts a new string of at most so many bytes.
func (s *state) made(bytes int) {
	s.scan(bytes)
	s.take(32 + int64(bytes))
}

func plain(name string, f func(string) string) stringMethod {
	return func(s *state, text string, a *args) Value {
		a.bind(name)
		s.made(3 * len(text))
		return f(text)
	}
}

func is(name string, f func(string) bool) stringMethod {
	return func(s *state, text string, a *args) Value {
		a.bind(name)
		s.scan(4 * len(text))
		return f(text)
	}
}

func each(ok func(rune) bool) func(string) bool {
	return func(text string) bool {
		for _, r := range text {
			if !ok(r) {
				return false
			}
		}
		return text != ""
	}
}

// stringMethods are the methods of str.
var stringMethods map[string]stringMethod

func init() {
	stringMethods = map[string]stringMethod{
		"upper":      plain("upper", upper),
		"lower":      plain("lower", lower),
		"casefold":   plain("casefold", casefold),
		"capitalize": plain("capitalize", capitalize),
		"title":      plain("title", titled),
		"swapcase":   plain("swapcase", swapcase),
		"strip":      stripping("strip", true, true),
		"lstrip":     stripping("lstrip", true, false),
		"rstrip":     stripping("rstrip", false, true),
		"center":     padding("center"),
		"ljust":      padding("ljust"),
		"rjust":      padding("rjust"),
		"zfill":      zfill,
		"expandtabs": expandtabs,
		"split":      func(s *state, t string, a *args) Value { return s.split("split", t, a, false) },
		"rsplit":     func(s *state, t string, a *args) Value { return s.split("rsplit", t, a, true) },
		"splitlines": func(s *state, t string, a *args) Value {
			in := a.bind("splitlines", "keepends?")
			s.made(2 * len(t))
			return s.listOf(s.lines(t, truth(in[0])))
		},
		"partition": func(s *state, t string, a *args) Value {
			sep := only(a, "partition")
			s.made(len(t))
			if b, c, ok := strings.Cut(t, nonEmpty(sep)); ok {
				return tuple{b, sep, c}
			}
			return tuple{t, "", ""}
		},
		"rpartition": func(s *state, t string, a *args) Value {
			sep := only(a, "rpartition")
			s.made(len(t))
			if i := strings.LastIndex(t, nonEmpty(sep)); i >= 0 {
				return tuple{t[:i], sep, t[i+len(sep):]}
			}
			return tuple{"", "", t}
		},
		"join": func(s *state, t string, a *args) Value {
			in := a.bind("join", "iterable", "/")
			b := &buffer{s: s}
			for i, v := range s.collect(in[0]) {
				item, ok := v.(string)
				if !ok {
					fail(0, "join needs strings, not %s", typeName(v))
				}
				if i > 0 {
					b.write(t)
				}
				b.write(item)
			}
			return b.b.String()
		},
		"replace": func(s *state, t string, a *args) Value {
			if len(a.names) > 0 {
				fail(0, "replace takes no names")
			}
			in := a.bind("replace", "old", "new", "count?")
			n := int64(-1)
			if len(a.pos) > 2 {
				n = index(in[2], "replace's count")
			}
			return s.replace(t, str(in[0], "replace"), str(in[1], "replace"), n)
		},
		"removeprefix": func(s *state, t string, a *args) Value {
			return strings.TrimPrefix(t, only(a, "removeprefix"))
		},
		"removesuffix": func(s *state, t string, a *args) Value {
			return strings.TrimSuffix(t, only(a, "removesuffix"))
		},
		"startswith": func(s *state, t string, a *args) Value { return s.affix("startswith", t, a, strings.HasPrefix) },
		"endswith":   func(s *state, t string, a *args) Value { return s.affix("endswith", t, a, strings.HasSuffix) },
		"find":       func(s *state, t string, a *args) Value { return s.find("find", t, a) },
		"rfind":      func(s *state, t string, a *args) Value { return s.find("rfind", t, a) },
		"index":      func(s *state, t string, a *args) Value { return s.find("index", t, a) },
		"rindex":     func(s *state, t string, a *args) Value { return s.find("rindex", t, a) },
		"count":      func(s *state, t string, a *args) Value { return s.find("count", t, a) },
		"format": func(s *state, t string, a *args) Value {
			return s.format(t, a)
		},
		"format_map": func(s *state, t string, a *args) Value {
			in := a.bind("format_map", "mapping", "/")
			d, ok := in[0].(*dict)
			if !ok {
				fail(0, "format_map needs a dict")
			}
			b := &args{}
			for _, e := range d.entries {
				if k, ok := e.key.(string); ok {
					b.add(k, e.value)
				}
			}
			return s.format(t, b)
		},
		"isspace":      is("isspace", each(isSpace)),
		"isalpha":      is("isalpha", each(unicode.IsLetter)),
		"isalnum":      is("isalnum", each(func(r rune) bool { return unicode.IsLetter(r) || isNumeric(r) })),
		"isdigit":      is("isdigit", each(isDigit)),
		"isdecimal":    is("isdecimal", each(func(r rune) bool { return unicode.Is(unicode.Nd, r) })),
		"isnumeric":    is("isnumeric", each(isNumeric)),
		"isascii":      is("isascii", ascii),
		"isprintable":  is("isprintable", func(t string) bool { return t == "" || each(unicode.IsPrint)(t) }),
		"islower":      is("islower", isLower),
		"isupper":      is("isupper", isUpper),
		"istitle":      is("istitle", isTitle),
		"isidentifier": is("isidentifier", isIdentifier),
	}
}

// str gives a string argument.
func str(v Value, what string) string {
	t, ok := textOf(v)
	if !ok {
		fail(0, "%s needs a string, not %s", what, typeName(v))
	}
	if _, ok := v.(markup); ok {
		fail(0, "%s with a string marked as safe is not supported", what)
	}
	return t
}

func only(a *args, name string) string { return str(a.bind(name, "text", "/")[0], name) }

func nonEmpty(sep string) string {
	if sep == "" {
		fail(0, "the separator is empty")
	}
	return sep
}

func (s *state) listOf(parts []string) Value {
	s.take(48 + 48*int64(len(parts)))
	s.work(int64(len(parts)))
	items := make([]Value, len(parts))
	for i, p := range parts {
		items[i] = p
	}
	return &list{items}
}

// Case. Python follows Unicode's full rules, by which a letter may become two.

func upper(t string) string {
	if ascii(t) {
		return strings.ToUpper(t)
	}
	return cases.Upper(language.Und).String(t)
}

func lower(t string) string {
	if ascii(t) {
		return strings.ToLower(t)
	}
	return cases.Lower(language.Und).String(t)
}

func casefold(t string) string {
	if ascii(t) {
		return strings.ToLower(t)
	}
	return cases.Fold().String(t)
}

// simple refuses letters whose case changes more than the letter.
func simple(t string) {
	for _, r := range t {
		if r < utf8.RuneSelf {
			continue
		}
		one := string(r)
		if upper(one) != string(unicode.ToUpper(r)) || lower(one) != string(unicode.ToLower(r)) || r == 'Σ' {
			fail(0, "changing the case of the letter %q is not supported", r)
		}
	}
}

func capitalize(t string) string {
	simple(t)
	r, n := utf8.DecodeRuneInString(t)
	if n == 0 {
		return t
	}
	return string(unicode.ToTitle(r)) + lower(t[n:])
}

func cased(r rune) bool {
	return unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r) ||
		unicode.Is(unicode.Other_Lowercase, r) || unicode.Is(unicode.Other_Uppercase, r)
}

func titled(t string) string {
	simple(t)
	before := false
	return strings.Map(func(r rune) rune {
		in := before
		before = cased(r)
		if in {
			return unicode.ToLower(r)
		}
		return unicode.ToTitle(r)
	}, t)
}

func swapcase(t string) string {
	simple(t)
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		if unicode.IsLower(r) {
			return unicode.ToUpper(r)
		}
		return r
	}, t)
}

func isUpperRune(r rune) bool {
	return unicode.IsUpper(r) || unicode.Is(unicode.Other_Uppercase, r)
}

func isLowerRune(r rune) bool {
	return unicode.IsLower(r) || unicode.Is(unicode.Other_Lowercase, r)
}

func isUpper(t string) bool {
	any := false
	for _, r := range t {
		if isLowerRune(r) || unicode.IsTitle(r) {
			return false
		}
		any = any || isUpperRune(r)
	}
	return any
}

func isLower(t string) bool {
	any := false
	for _, r := range t {
		if isUpperRune(r) || unicode.IsTitle(r) {
			return false
		}
		any = any || isLowerRune(r)
	}
	return any
}

func isTitle(t string) bool {
	any, before := false, false
	for _, r := range t {
		switch {
		case isUpperRune(r) || unicode.IsTitle(r):
			if before {
				return false
			}
			any, before = true, true
		case isLowerRune(r):
			if !before {
				return false
			}
			any = true
		default:
			before = false
		}
	}
	return any
}

// isDigit covers the decimal digits; what else Unicode calls a digit is refused.
func isDigit(r rune) bool {
	if unicode.Is(unicode.No, r) {
		fail(0, "asking whether %q is a digit is not supported", r)
	}
	return unicode.Is(unicode.Nd, r)
}

func isNumeric(r rune) bool {
	if unicode.Is(unicode.Han, r) {
		fail(0, "asking whether %q is a number is not supported", r)
	}
	return unicode.IsNumber(r)
}

func isIdentifier(t string) bool {
	if !ascii(t) {
		fail(0, "isidentifier of letters outside ASCII is not supported")
	}
	if t == "" || decimal(t[0]) {
		return false
	}
	for i := range len(t) {
		if !isWord(t[i]) {
			return false
		}
	}
	return true
}

func stripping(name string, left, right bool) stringMethod {
	return func(s *state, t string, a *args) Value {
		in := a.bind(name, "chars?", "/")
		return s.strip(name, t, in[0], left, right)
	}
}

func (s *state) strip(name, t string, chars Value, left, right bool) string {
	s.scan(len(t))
	drop := isSpace
	if chars != nil {
		c := str(chars, name)
		s.work(int64(len(t)) * int64(len(c)) / 16)
		drop = func(r rune) bool { return strings.ContainsRune(c, r) }
	}
	if left {
		t = strings.TrimLeftFunc(t, drop)
	}
	if right {
		t = strings.TrimRightFunc(t, drop)
	}
	return t
}

func padding(name string) stringMethod {
	return func(s *state, t string, a *args) Value {
		in := a.bind(name, "width", "/", "fillchar?")
		fill := " "
		if len(a.pos) > 1 {
			fill = str(in[1], name)
			if utf8.RuneCountInString(fill) != 1 {
				fail(0, "%s needs one character to fill with", name)
			}
		} else if len(a.names) > 0 {
			fail(0, "%s takes no names", name)
		}
		return s.pad(name, t, index(in[0], name+"'s width"), fill)
	}
}

// pad fills a string up to a width.
func (s *state) pad(name, t string, width int64, fill string) string {
	s.scan(len(t))
	n := width - int64(utf8.RuneCountInString(t))
	if n <= 0 {
		return t
	}
	if n > 1<<31 {
		n = 1 << 31
	}
	s.take(32 + n*int64(len(fill)) + int64(len(t)))
	s.work(n / 16)
	left := int64(0)
	switch name {
	case "rjust":
		left = n
	case "center": // Python puts the odd one to the left of odd widths
		left = n/2 + n&width&1
	}
	return strings.Repeat(fill, int(left)) + t + strings.Repeat(fill, int(n-left))
}

func zfill(s *state, t string, a *args) Value {
	in := a.bind("zfill", "width", "/")
	width := index(in[0], "zfill's width")
	if t != "" && (t[0] == '+' || t[0] == '-') {
		return t[:1] + s.pad("rjust", t[1:], width-1, "0")
	}
	return s.pad("rjust", t, width, "0")
}

func expandtabs(s *state, t string, a *args) Value {
	in := a.bind("expandtabs", "tabsize?")
	size := int64(8)
	if a.given(0, "tabsize") {
		size = index(in[0], "expandtabs's size")
	}
	b := &buffer{s: s}
	column := int64(0)
	for _, r := range t {
		switch r {
		case '\t':
			if size > 0 {
				n := size - column%size
				s.take(n)
				s.work(n / 16)
				b.write(strings.Repeat(" ", int(n)))
				column += n
			}
		case '\n', '\r':
			column = 0
			b.write(string(r))
		default:
			column++
			b.write(string(r))
		}
	}
	return b.b.String()
}

func (s *state) split(name, t string, a *args, right bool) Value {
	in := a.bind(name, "sep?", "maxsplit?")
	maxSplits := int64(-1)
	if a.given(1, "maxsplit") {
		maxSplits = index(in[1], name+"'s maxsplit")
	}
	s.made(len(t))
	if in[0] == nil {
		return s.listOf(s.words(t, maxSplits, right))
	}
	sep := nonEmpty(str(in[0], name))
	s.work(int64(strings.Count(t, sep)))
	s.take(80 * int64(strings.Count(t, sep)))
	var parts []string
	if !right {
		for maxSplits < 0 || int64(len(parts)) < maxSplits {
			b, c, ok := strings.Cut(t, sep)
			if !ok {
				break
			}
			parts = append(parts, b)
			t = c
		}
		return s.listOf(append(parts, t))
	}
	for maxSplits < 0 || int64(len(parts)) < maxSplits {
		i := strings.LastIndex(t, sep)
		if i < 0 {
			break
		}
		parts = append(parts, t[i+len(sep):])
		t = t[:i]
	}
	parts = append(parts, t)
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return s.listOf(parts)
}

// words splits at white space; the rest after maxSplits splits loses it at one end only.
func (s *state) words(t string, maxSplits int64, right bool) []string {
	s.scan(8 * len(t))
	var parts []string
	if !right {
		for {
			s.onePart()
			t = strings.TrimLeftFunc(t, isSpace)
			if t == "" {
				return parts
			}
			if maxSplits >= 0 && int64(len(parts)) >= maxSplits {
				return append(parts, t)
			}
			i := strings.IndexFunc(t, isSpace)
			if i < 0 {
				return append(parts, t)
			}
			parts = append(parts, t[:i])
			t = t[i:]
		}
	}
	for {
		s.onePart()
		t = strings.TrimRightFunc(t, isSpace)
		if t == "" {
			break
		}
		if maxSplits >= 0 && int64(len(parts)) >= maxSplits {
			parts = append(parts, t)
			break
		}
		i := strings.LastIndexFunc(t, isSpace)
		if i < 0 {
			parts = append(parts, t)
			break
		}
		_, w := utf8.DecodeRuneInString(t[i:])
		parts = append(parts, t[i+w:])
		t = t[:i]
	}
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return parts
}

// replace replaces at most n times; a negative n is without limit.
func (s *state) replace(t, old, new string, n int64) string {
	s.scan(len(t) + len(old))
	count := int64(0)
	if old == "" {
		count = int64(utf8.RuneCountInString(t)) + 1
	} else {
		count = int64(strings.Count(t, old))
	}
	if n < 0 || n > count {
		n = count
	}
	s.take(64 + int64(len(t)) + n*int64(len(new)))
	s.work((n*int64(len(new)) + int64(len(t))) / 16)
	return strings.Replace(t, old, new, int(n))
}

// part gives the part of a string that start and stop name, and where it begins.
func (s *state) part(t string, start, stop Value) (string, int, []int, bool) {
	at := s.offsets(t)
	n := len(t)
	if at != nil {
		n = len(at) - 1
	}
	from, to := s.bounds(n, start, stop)
	if i, ok := toInt(start); ok && i.IsInt64() && i.Int64() > int64(n) {
		return "", 0, at, false // beyond the end not even "" is found
	}
	if from > to {
		return "", 0, at, false
	}
	if at == nil {
		return t[from:to], from, at, true
	}
	return t[at[from]:at[to]], from, at, true
}

func (s *state) affix(name, t string, a *args, has func(string, string) bool) Value {
	if len(a.names) > 0 {
		fail(0, "%s takes no names", name)
	}
	in := a.bind(name, "affix", "start?", "stop?")
	p, _, _, ok := s.part(t, in[1], in[2])
	if many, isTuple := in[0].(tuple); isTuple {
		for _, v := range many {
			if has(p, str(v, name)) && ok {
				return true
			}
		}
		return false
	}
	return has(p, str(in[0], name)) && ok
}

func (s *state) find(name, t string, a *args) Value {
	if len(a.names) > 0 {
		fail(0, "%s takes no names", name)
	}
	in := a.bind(name, "text", "start?", "stop?")
	sub := str(in[0], name)
	p, from, _, ok := s.part(t, in[1], in[2])
	s.scan(len(p) + len(sub))
	if name == "count" {
		if !ok {
			return int64(0)
		}
		return int64(strings.Count(p, sub))
	}
	i := -1
	if ok {
		if name == "find" || name == "index" {
			i = strings.Index(p, sub)
		} else {
			i = strings.LastIndex(p, sub)
		}
	}
	if i < 0 {
		if strings.HasSuffix(name, "index") {
			fail(0, "the string is not found")
		}
		return int64(-1)
	}
	return int64(from + utf8.RuneCountInString(p[:i]))
}
