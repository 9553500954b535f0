package jinja

import (
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// layout is how a value is to be written: the parts of a conversion in % and in
// str.format.
type layout struct {
	fill      string
	align     byte // < > = ^, or 0
	sign      byte // + or space, or 0
	alternate bool
	width     int64
	comma     byte  // , or _, or 0
	precision int64 // -1: none
	verb      byte
}

// printf is Python's text % values.
func (s *state) printf(format string, values Value) string {
	items, isTuple := tupleOf(values)
	if !isTuple {
		items = tuple{values}
	}
	mapping := false
	switch values.(type) {
	case *dict, *list, *undefined, *span:
		mapping = true // Python asks only whether it has items
	}
	next := 0
	take := func() Value {
		if next >= len(items) {
			fail(0, "the format %% needs more than %d values", len(items))
		}
		next++
		return items[next-1]
	}
	b := &buffer{s: s}
	for i := 0; i < len(format); {
		j := strings.IndexByte(format[i:], '%')
		if j < 0 {
			b.write(format[i:])
			break
		}
		b.write(format[i : i+j])
		i += j + 1
		more := func() byte {
			if i >= len(format) {
				fail(0, "the format ends in the middle of a conversion")
			}
			return format[i]
		}
		l := layout{fill: " ", precision: -1}
		var named Value = missing
		if more() == '(' {
			depth, from := 1, i+1
			for i++; depth > 0; i++ {
				switch more() {
				case '(':
					depth++
				case ')':
					depth--
				}
			}
			d, ok := values.(*dict)
			if !ok {
				fail(0, "the format names a value, and there is no dict")
			}
			v, ok := d.get(s, format[from:i-1])
			if !ok {
				fail(0, "the format names %q, which the dict does not have", format[from:i-1])
			}
			named = v
		}
		arg := func() Value {
			if named != missing {
				return named
			}
			return take()
		}
		left, zero, plus, space := false, false, false, false
		for flags := true; flags; {
			switch more() {
			case '-':
				left = true
			case '0':
				zero = true
			case '+':
				plus = true
			case ' ':
				space = true
			case '#':
				l.alternate = true
			default:
				flags = false
				continue
			}
			i++
		}
		size := func() int64 {
			if more() == '*' {
				i++
				return index(take(), "a width in a format")
			}
			from := i
			for decimal(more()) {
				i++
			}
			if from == i {
				return 0
			}
			n, err := strconv.ParseInt(format[from:i], 10, 32)
			if err != nil {
				fail(0, "a width in a format is too large")
			}
			return n
		}
		if l.width = size(); l.width < 0 {
			left, l.width = true, -l.width
		}
		if more() == '.' {
			i++
			l.precision = max(0, size())
		}
		for strings.IndexByte("hlL", more()) >= 0 {
			i++
		}
		l.verb = more()
		i++
		switch {
		case plus:
			l.sign = '+'
		case space:
			l.sign = ' '
		}
		l.align = '>'
		switch {
		case left:
			l.align = '<'
		case zero:
			l.align = '='
		}
		switch l.verb {
		case '%':
			b.write("%")
		case 's', 'r', 'a':
			v := arg()
			t := ""
			if _, ok := v.(markup); ok {
				fail(0, "formatting a string marked as safe is not supported")
			}
			switch l.verb {
			case 's':
				t = s.text(v)
			case 'r':
				t = s.repr(v)
			default:
				t = s.ascii(v)
			}
			if left {
				l.align = '<'
			} else {
				l.align = '>'
			}
			b.write(s.laidText(t, l))
		case 'c':
			v := arg()
			t, ok := v.(string)
			if ok {
				if utf8.RuneCountInString(t) != 1 {
					fail(0, "%%c needs one character")
				}
			} else {
				t = char(v)
			}
			if !left {
				l.align = '>'
			}
			l.precision = -1
			b.write(s.laidText(t, l))
		case 'd', 'i', 'u', 'o', 'x', 'X':
			v := arg()
			n, ok := toInt(v)
			if f, isFloat := v.(float64); isFloat && strings.IndexByte("diu", l.verb) >= 0 {
				n, _ = big.NewFloat(f).Int(nil)
				ok = true
			}
			if !ok {
				fail(0, "%%%c needs a number, not %s", l.verb, typeName(v))
			}
			b.write(s.printInt(n, l))
		case 'e', 'E', 'f', 'F', 'g', 'G':
			v := arg()
			f, ok := 0.0, isNumber(v)
			if ok {
				f = toFloat(v)
			} else {
				fail(0, "%%%c needs a number, not %s", l.verb, typeName(v))
			}
			if l.align == '=' {
				l.fill = "0"
			}
			if l.precision < 0 {
				l.precision = 6
			}
			b.write(s.laidFloat(f, l))
		default:
			fail(0, "the format has the unknown conversion %%%c", l.verb)
		}
	}
	if next < len(items) && !mapping {
		fail(0, "the format uses %d of %d values", next, len(items))
	}
	return b.b.String()
}

func char(v Value) string {
	n := index(v, "a character's number")
	if n < 0 || n > utf8.MaxRune || n >= 0xD800 && n < 0xE000 {
		fail(0, "%d is no character's number", n)
	}
	return string(rune(n))
}

// ascii is Python's ascii().
func (s *state) ascii(v Value) string {
	t := s.repr(v)
	s.made(6 * len(t))
	var b strings.Builder
	for _, r := range t {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case r < 0x100:
			b.WriteString(`\x` + strconv.FormatInt(int64(r), 16))
		case r < 0x10000:
			h := strconv.FormatInt(int64(r), 16)
			b.WriteString(`\u` + strings.Repeat("0", 4-len(h)) + h)
		default:
			h := strconv.FormatInt(int64(r), 16)
			b.WriteString(`\U` + strings.Repeat("0", 8-len(h)) + h)
		}
	}
	return b.String()
}

// printInt writes an int for %: a precision gives the least number of digits.
func (s *state) printInt(n *big.Int, l layout) string {
	base, prefix := 10, ""
	switch l.verb {
	case 'o':
		base, prefix = 8, "0o"
	case 'x', 'X':
		base, prefix = 16, "0"+string(l.verb)
	}
	d := s.base(new(big.Int).Abs(n), base)
	if l.verb == 'X' {
		d = strings.ToUpper(d)
	}
	if l.precision > int64(len(d)) {
		d = s.pad("rjust", d, l.precision, "0")
	}
	if !l.alternate {
		prefix = ""
	}
	if l.align == '=' {
		l.fill = "0"
	}
	return s.laidNumber(n.Sign() < 0, prefix, d, l)
}

func (s *state) base(n *big.Int, base int) string {
	if base == 10 {
		return s.digits(n)
	}
	s.made(n.BitLen())
	return n.Text(base)
}

// laidNumber adds sign, prefix and filling to the digits of a number.
func (s *state) laidNumber(minus bool, prefix, digits string, l layout) string {
	sign := ""
	switch {
	case minus:
		sign = "-"
	case l.sign == '+' || l.sign == ' ':
		sign = string(l.sign)
	}
	head := sign + prefix
	if l.align == '=' {
		n := l.width - int64(len(head))
		if l.fill == "0" && l.comma != 0 {
			fail(0, "filling a number with zeros and separators is not supported")
		}
		return head + s.padRunes(digits, n, '>', l.fill)
	}
	align := l.align
	if align == 0 {
		align = '>'
	}
	return s.padRunes(head+digits, l.width, align, l.fill)
}

func (s *state) padRunes(t string, width int64, align byte, fill string) string {
	switch align {
	case '<':
		return s.pad("ljust", t, width, fill)
	case '^':
		s.scan(len(t))
		n := width - int64(utf8.RuneCountInString(t))
		if n <= 0 {
			return t
		}
		return s.pad("ljust", s.pad("rjust", t, width-n+n/2, fill), width, fill)
	}
	return s.pad("rjust", t, width, fill)
}

func (s *state) laidText(t string, l layout) string {
	if l.precision >= 0 {
		t = s.sliceTo(t, l.precision)
	}
	align := l.align
	if align == 0 {
		align = '<'
	}
	return s.padRunes(t, l.width, align, l.fill)
}

func (s *state) sliceTo(t string, n int64) string {
	if int64(len(t)) <= n {
		return t
	}
	return s.slice(t, nil, n, nil).(string)
}

// laidFloat writes a float by e, f, g, their capitals, or % .
func (s *state) laidFloat(f float64, l layout) string {
	if l.precision > 400 {
		fail(0, "a float with %d digits is not supported", l.precision)
	}
	verb := l.verb
	suffix := ""
	if verb == '%' {
		verb, suffix = 'f', "%"
		f = finite(f * 100)
	}
	minus := f < 0 || f == 0 && 1/f < 0
	if minus {
		f = -f
	}
	var t string
	switch verb {
	case 'f', 'F':
		t = strconv.FormatFloat(f, 'f', int(l.precision), 64)
	case 'e', 'E':
		t = strconv.FormatFloat(f, 'e', int(l.precision), 64)
	default:
		t = general(f, int(max(1, l.precision)))
	}
	if l.alternate {
		fail(0, "a float with # is not supported")
	}
	if verb < 'a' {
		t = strings.ToUpper(t)
	}
	if l.comma != 0 {
		t = grouped(t, l.comma)
	}
	return s.laidNumber(minus, "", t+suffix, l)
}

// general is %g: so many digits, without zeros at the end.
func general(f float64, digits int) string {
	e := strconv.FormatFloat(f, 'e', digits-1, 64)
	i := strings.IndexByte(e, 'e')
	exp, _ := strconv.Atoi(e[i+1:])
	if exp < -4 || exp >= digits {
		m := e[:i]
		if strings.Contains(m, ".") {
			m = strings.TrimRight(strings.TrimRight(m, "0"), ".")
		}
		return m + e[i:]
	}
	t := strconv.FormatFloat(f, 'f', digits-1-exp, 64)
	if strings.Contains(t, ".") {
		t = strings.TrimRight(strings.TrimRight(t, "0"), ".")
	}
	return t
}

// grouped puts a separator between thousands.
func grouped(t string, sep byte) string {
	n := strings.IndexFunc(t, func(r rune) bool { return r < '0' || r > '9' })
	if n < 0 {
		n = len(t)
	}
	var b strings.Builder
	for i := range n {
		if i > 0 && (n-i)%3 == 0 {
			b.WriteByte(sep)
		}
		b.WriteByte(t[i])
	}
	return b.String() + t[n:]
}

// format is str.format.
func (s *state) format(text string, a *args) string {
	auto := 0 // next place; -1 once places are numbered
	return s.formatInto(text, a, &auto, 0)
}

func (s *state) formatInto(text string, a *args, auto *int, depth int) string {
	if depth > 1 {
		fail(0, "a format is nested too deep")
	}
	b := &buffer{s: s}
	for i := 0; i < len(text); {
		j := strings.IndexAny(text[i:], "{}")
		if j < 0 {
			b.write(text[i:])
			break
		}
		b.write(text[i : i+j])
		i += j
		if i+1 < len(text) && text[i+1] == text[i] {
			b.write(text[i : i+1])
			i += 2
			continue
		}
		if text[i] == '}' {
			fail(0, "a format has a } alone")
		}
		i++
		from, open, bracket := i, 1, false
		for ; open > 0; i++ {
			if i >= len(text) {
				fail(0, "a format has a { without its }")
			}
			switch {
			case text[i] == '{' && !bracket:
				open++
			case text[i] == '}' && !bracket:
				open--
			case text[i] == '[':
				bracket = true
			case text[i] == ']':
				bracket = false
			}
		}
		b.write(s.field(text[from:i-1], a, auto, depth))
	}
	return b.b.String()
}

// field is what stands between braces: name!conversion:layout.
func (s *state) field(field string, a *args, auto *int, depth int) string {
	name, spec, conversion := field, "", byte(0)
	bracket := false
scan:
	for i := range len(field) {
		switch c := field[i]; {
		case c == '[':
			bracket = true
		case c == ']':
			bracket = false
		case c == '{' || c == '}':
			fail(0, "a format has braces in a name")
		case !bracket && (c == ':' || c == '!'):
			name = field[:i]
			if c == '!' {
				if i+1 >= len(field) || i+2 < len(field) && field[i+2] != ':' {
					fail(0, "a format has a broken conversion")
				}
				conversion = field[i+1]
				if i+2 < len(field) {
					spec = field[i+3:]
				}
			} else {
				spec = field[i+1:]
			}
			break scan
		}
	}
	v := s.fieldValue(name, a, auto)
	spec = s.formatInto(spec, a, auto, depth+1)
	if _, ok := v.(markup); ok {
		fail(0, "formatting a string marked as safe is not supported")
	}
	switch conversion {
	case 0:
	case 's':
		v = s.text(v)
	case 'r':
		v = s.repr(v)
	case 'a':
		v = s.ascii(v)
	default:
		fail(0, "a format has the unknown conversion !%c", conversion)
	}
	return s.formatted(v, spec)
}

func (s *state) fieldValue(name string, a *args, auto *int) Value {
	end := strings.IndexAny(name, ".[")
	if end < 0 {
		end = len(name)
	}
	first, rest := name[:end], name[end:]
	var v Value
	if n, err := strconv.Atoi(first); err == nil && decimal(first[0]) || first == "" {
		switch {
		case first == "" && *auto < 0 || first != "" && *auto > 0:
			fail(0, "a format mixes numbered and unnumbered places")
		case first == "":
			n = *auto
			*auto++
		default:
			*auto = -1
		}
		if n >= len(a.pos) {
			fail(0, "a format asks for value %d of %d", n, len(a.pos))
		}
		v = a.pos[n]
	} else {
		i := indexOf(a.names, first)
		if i < 0 {
			fail(0, "a format asks for the name %q", first)
		}
		v = a.values[i]
	}
	for rest != "" {
		if rest[0] == '.' {
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			if end == 0 {
				fail(0, "a format has an empty attribute")
			}
			v = s.getattr(v, rest[1:1+end])
			rest = rest[1+end:]
			continue
		}
		end := strings.IndexByte(rest, ']')
		if end < 0 || end == 1 || rest[0] != '[' {
			fail(0, "a format has a broken name")
		}
		key := rest[1:end]
		if n, err := strconv.ParseInt(key, 10, 64); err == nil && decimal(key[0]) {
			v = s.getitem(v, n)
		} else {
			v = s.getitem(v, key)
		}
		rest = rest[end+1:]
		if rest != "" && rest[0] != '.' && rest[0] != '[' {
			fail(0, "a format has a broken name")
		}
	}
	return v
}

// formatted is Python's format(v, spec).
func (s *state) formatted(v Value, spec string) string {
	if spec == "" {
		return s.text(v)
	}
	l := parseLayout(spec)
	if t, ok := v.(string); ok {
		if l.verb != 0 && l.verb != 's' || l.align == '=' || l.sign != 0 || l.alternate || l.comma != 0 {
			fail(0, "the format %q does not fit a string", spec)
		}
		return s.laidText(t, l)
	}
	if !isNumber(v) {
		fail(0, "the format %q does not fit %s", spec, typeName(v))
	}
	if b, ok := v.(bool); ok && l.verb == 0 {
		v = number(b)
	}
	n, isInt := toInt(v)
	if isInt && (l.verb == 0 || strings.IndexByte("bcdoxX", l.verb) >= 0) {
		if l.precision >= 0 {
			fail(0, "the format %q does not fit an int", spec)
		}
		if l.verb == 'c' {
			if l.sign != 0 || l.alternate {
				fail(0, "the format %q does not fit a character", spec)
			}
			if l.align == 0 {
				l.align = '<'
			}
			return s.padRunes(char(v), l.width, l.align, l.fill)
		}
		base, prefix := 10, ""
		switch l.verb {
		case 'b':
			base, prefix = 2, "0b"
		case 'o':
			base, prefix = 8, "0o"
		case 'x', 'X':
			base, prefix = 16, "0"+string(l.verb)
		}
		if !l.alternate {
			prefix = ""
		}
		d := s.base(new(big.Int).Abs(n), base)
		if l.verb == 'X' {
			d = strings.ToUpper(d)
		}
		if l.comma != 0 {
			if base != 10 {
				fail(0, "the format %q is not supported", spec)
			}
			s.made(2 * len(d))
			d = grouped(d, l.comma)
		}
		return s.laidNumber(n.Sign() < 0, prefix, d, l)
	}
	f := toFloat(v)
	switch l.verb {
	case 'e', 'E', 'f', 'F', 'g', 'G', '%':
		if l.precision < 0 {
			l.precision = 6
		}
		return s.laidFloat(f, l)
	case 0:
		if l.precision >= 0 || l.comma != 0 || l.alternate {
			fail(0, "the format %q of a float is not supported", spec)
		}
		minus := f < 0 || f == 0 && 1/f < 0
		return s.laidNumber(minus, "", strings.TrimPrefix(floatText(f), "-"), l)
	}
	fail(0, "the format %q is not supported", spec)
	return ""
}

func parseLayout(spec string) layout {
	l := layout{fill: " ", precision: -1}
	rest := spec
	aligns := func(i int) bool { return i < len(rest) && strings.IndexByte("<>=^", rest[i]) >= 0 }
	_, w := utf8.DecodeRuneInString(rest)
	if aligns(w) {
		l.fill, l.align, rest = rest[:w], rest[w], rest[w+1:]
	} else if aligns(0) {
		l.align, rest = rest[0], rest[1:]
	}
	is := func(set string) byte {
		if rest != "" && strings.IndexByte(set, rest[0]) >= 0 {
			c := rest[0]
			rest = rest[1:]
			return c
		}
		return 0
	}
	if l.sign = is("+- "); l.sign == '-' {
		l.sign = '-'
	}
	if is("z") != 0 {
		fail(0, "the format %q is not supported", spec)
	}
	l.alternate = is("#") != 0
	if is("0") != 0 {
		if l.align == 0 {
			l.fill, l.align = "0", '='
		}
	}
	number := func() int64 {
		n := digitsOf(rest)
		v, err := strconv.ParseInt(rest[:n], 10, 32)
		if err != nil {
			fail(0, "the format %q has a number that is too large", spec)
		}
		rest = rest[n:]
		return v
	}
	if digitsOf(rest) > 0 {
		l.width = number()
	}
	l.comma = is(",_")
	if is(".") != 0 {
		if digitsOf(rest) == 0 {
			fail(0, "the format %q has no precision after its point", spec)
		}
		l.precision = number()
	}
	if len(rest) > 1 {
		fail(0, "the format %q is not valid", spec)
	}
	if rest != "" {
		l.verb = rest[0]
	}
	return l
}

func digitsOf(t string) int { return len(t) - len(strings.TrimLeft(t, "0123456789")) }
