package needle

import (
	"strconv"
	"strings"
	"unicode"
)

// number reads a number written with digits at chars[i]: how many characters
// it takes, and its value in one form for all ways to write it. 0 where there
// is none.
//
//	12,500  12'500  12 500 (no-break)  12500   → 12500
//	1,5  1.5  1.50                             → 1.5
//	-40  −40                                   → -40
//	9:05  09:05                                → 9:05
//	50%  50 %                                  → 50%
//	1/2  ½                                     → 1/2
//	21st                                       → 21th
func number(chars []char, i int) (n int, value string) {
	at := func(k int) rune {
		if k < 0 || k >= len(chars) {
			return 0
		}
		return chars[k].r
	}
	k := i
	sign := ""
	switch at(k) {
	case '-':
		// A sign stands before its number and behind no word or number.
		if before := at(i - 1); before == 0 || unicode.IsSpace(before) || strings.ContainsRune("([{\"'«“„=<>~:", before) {
			sign = "-"
		} else {
			return 0, ""
		}
		k++
	case '+':
		k++
	case '±':
		sign = "±"
		k++
	}
	if sign != "" && currencies[at(k)] != "" { // -$5
		k++
	}
	from := k
	if at(k) == '.' && isDigit(at(k+1)) && !isDigit(at(k-1)) && (k == 0 || !unicode.IsLetter(at(k-1))) {
		k++ // .5
	}
	if !isDigit(at(k)) {
		return 0, ""
	}
	for {
		for isDigit(at(k)) {
			k++
		}
		if joinsDigits(at(k)) && isDigit(at(k+1)) {
			k++
			continue
		}
		break
	}
	var text []rune
	for _, c := range chars[from:k] {
		text = append(text, c.r)
	}
	written := string(text)
	parts, separators := splitDigits(written)
	if strings.Contains(separators, ",") && len(parts) > 1 && !grouping(parts, separators) && strings.Trim(separators, ",") == "" && len(parts) > 2 {
		// 1,2,3 is a list: the first one now, the others next.
		k = from + len(parts[0])
		parts, separators = parts[:1], ""
	}
	value = sign + canonical(parts, separators)
	// 1.5e-3
	if at(k) == 'e' {
		m := k + 1
		if at(m) == '-' || at(m) == '+' {
			m++
		}
		if e := m; isDigit(at(m)) {
			for isDigit(at(m)) {
				m++
			}
			if !unicode.IsLetter(at(m)) {
				value += "e"
				if at(k+1) == '-' {
					value += "-"
				}
				for ; e < m; e++ {
					value += string(at(e))
				}
				k = m
			}
		}
	}
	letters := 0
	for unicode.IsLetter(at(k + letters)) {
		letters++
	}
	if letters == 2 && !isDigit(at(k+2)) {
		switch string([]rune{at(k), at(k + 1)}) {
		case "st", "nd", "rd", "th":
			return k + 2 - i, value + "th"
		}
	}
	if isDigit(at(k+letters)) && letters > 0 {
		// 7f3a is a name. Its digits alone are no number.
		for unicode.IsLetter(at(k)) || isDigit(at(k)) {
			k++
		}
		var b strings.Builder
		for _, c := range chars[i:k] {
			b.WriteRune(c.r)
		}
		return k - i, b.String()
	}
	m := k
	for at(m) == ' ' {
		m++
	}
	if at(m) == '%' || at(m) == '‰' {
		return m + 1 - i, value + string(at(m))
	}
	return k - i, value
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

// joinsDigits is whether r between digits belongs to the number.
func joinsDigits(r rune) bool {
	return strings.ContainsRune(".,:/'^", r) && r != 0 || r == grouped || r == raised
}

// splitDigits gives a number's runs of digits and what stands between them.
func splitDigits(s string) (parts []string, separators string) {
	part := ""
	for _, r := range s {
		if isDigit(r) {
			part += string(r)
			continue
		}
		parts, part = append(parts, part), ""
		switch r {
		case grouped, '\'':
			r = ',' // separators of thousands only
			separators += "'"
			continue
		case raised:
			r = '^'
		}
		separators += string(r)
	}
	return append(parts, part), separators
}

// grouping is whether parts are groups of thousands, as in 12,500 or, by
// India's habit, 12,34,567.
func grouping(parts []string, separators string) bool {
	if separators == "" || strings.Trim(separators, separators[:1]) != "" || len(parts[0]) > 3 || parts[0] == "" || len(parts) > 1 && parts[0] == "0" {
		return false
	}
	for i, p := range parts[1:] {
		last := i == len(parts)-2
		if len(p) != 3 && (last || len(p) != 2) {
			return false
		}
	}
	return true
}

// canonical writes a number in one way.
func canonical(parts []string, separators string) string {
	if separators == "" {
		return parts[0]
	}
	if strings.ContainsAny(separators, ":/^") {
		b := parts[0]
		if separators[0] == ':' && len(b) == 2 && b[0] == '0' {
			b = b[1:] // 09:05
		}
		for i, p := range parts[1:] {
			b += separators[i:i+1] + p
		}
		return b
	}
	whole, fraction := strings.Join(parts, ""), ""
	last := separators[len(separators)-1]
	switch groups := separators[:len(separators)-1]; {
	case last == '\'': // 12'500
	case groups == "" && last == ',' && grouping(parts, separators): // 12,500
	case groups != "" && groups[0] == last: // 1.234.567; more than one of a kind groups
		if !grouping(parts, separators) {
			return strings.Join(parts, ".") // 192.168.0.1, 1.2.3
		}
	default: // 1.5, 1,5, 1.234,56, 12 500,5
		n := len(parts) - 1
		whole, fraction = strings.Join(parts[:n], ""), strings.TrimRight(parts[n], "0")
	}
	if whole == "" {
		whole = "0"
	}
	if fraction == "" {
		return whole
	}
	return whole + "." + fraction
}

// Number words of English.
var (
	smallNumbers = map[string]int{
		"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
		"ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
		"seventeen": 17, "eighteen": 18, "nineteen": 19,
	}
	tens = map[string]int{
		"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
	}
	ordinals = map[string]int{
		"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
		"tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14, "fifteenth": 15, "sixteenth": 16,
		"seventeenth": 17, "eighteenth": 18, "nineteenth": 19, "twentieth": 20, "thirtieth": 30, "fortieth": 40,
		"fiftieth": 50, "sixtieth": 60, "seventieth": 70, "eightieth": 80, "ninetieth": 90,
	}
	scales = map[string]int{"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
)

// spelledNumbers puts numbers that English words write in the place of the
// words: "twenty-one" is 21, "minus forty" -40, "1.5 million" 1500000, "fifty
// per cent" 50%, "seventh" 7th.
func spelledNumbers(ws []word) []word {
	var out []word
	for i := 0; i < len(ws); {
		n, value, sure := spelled(ws[i:])
		sign := 0
		if n == 0 && (ws[i].text == "minus" || ws[i].text == "negative") {
			if n, value, sure = spelled(ws[i+1:]); n > 0 && !strings.HasPrefix(value, "-") {
				sign, value = 1, "-"+value
			} else {
				n = 0
			}
		}
		if n == 0 {
			out = append(out, ws[i])
			i++
			continue
		}
		n += sign
		rest := ws[i+n:]
		if !strings.HasSuffix(value, "th") && !strings.HasSuffix(value, "%") {
			switch {
			case len(rest) > 0 && (rest[0].text == "percent" || rest[0].text == "pct" || rest[0].text == "%"):
				n, value, sure = n+1, value+"%", true
			case len(rest) > 1 && rest[0].text == "per" && rest[1].text == "cent":
				n, value, sure = n+2, value+"%", true
			}
		}
		out = append(out, word{text: value, start: ws[i].start, end: ws[i+n-1].end, number: sure})
		i += n
	}
	return out
}

// spelled reads one number at the beginning of ws: how many words it takes, 0
// where there is none, and its value. sure is false for words that are often
// no number: one, first, second.
func spelled(ws []word) (n int, value string, sure bool) {
	if len(ws) == 0 {
		return 0, "", false
	}
	if ws[0].number {
		value = ws[0].text
		for n = 1; n < len(ws) && scales[ws[n].text] > 0 && shiftable(value); n++ {
			value = shifted(value, scales[ws[n].text])
		}
		return n, value, true
	}
	total, current, scale := 0, 0, 100
	last := "" // kind of the word before
	done := func(n int, v int, ordinal bool) (int, string, bool) {
		s := strconv.Itoa(v)
		if ordinal {
			return n, s + "th", v > 2
		}
		return n, s, !(n == 1 && v == 1)
	}
	for n < len(ws) {
		w := ws[n].text
		ten, unit, ordinal := 0, -1, false
		if v, ok := tens[w]; ok {
			ten = v
		} else if v, ok := smallNumbers[w]; ok {
			unit = v
		} else if v, ok := ordinals[w]; ok {
			unit, ordinal = v, true
		} else if v, u, o := compound(w); v > 0 {
			ten, unit, ordinal = v, u, o
		}
		free := last == "" || last == "hundred" || last == "scale" || last == "and"
		switch {
		case ten > 0 && free:
			current += ten
			last = "ten"
			if unit >= 0 {
				current += unit
				last = "unit"
			}
		case ten == 0 && unit >= 0 && (free || last == "ten" && unit >= 1 && unit <= 9):
			current += unit
			last = "unit"
		case w == "hundred" && (last == "" || last == "unit" || last == "ten") && current < 100:
			current = 100 * max(current, 1)
			last = "hundred"
			n++
			continue
		case w != "hundred" && scales[w] > 0 && scales[w] < scale && last != "and" && last != "scale":
			scale = scales[w]
			v := max(current, 1)
			for range scale {
				v *= 10
			}
			total, current, last = total+v, 0, "scale"
			n++
			continue
		case w == "and" && (last == "hundred" || last == "scale") && n+1 < len(ws) && below100(ws[n+1].text):
			last = "and"
			n++
			continue
		case w == "point" && (last == "unit" || last == "ten") && n+1 < len(ws):
			fraction := ""
			k := n + 1
			for ; k < len(ws); k++ {
				v, ok := smallNumbers[ws[k].text]
				if !ok || v > 9 {
					break
				}
				fraction += string(rune('0' + v))
			}
			if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
				return k, strconv.Itoa(total+current) + "." + fraction, true
			}
			return done(n, total+current, false)
		default:
			if last == "" {
				return 0, "", false
			}
			return done(n, total+current, false)
		}
		n++
		if ordinal {
			return done(n, total+current, true)
		}
	}
	return done(n, total+current, false)
}

// compound splits "twentyone", as "twenty-one" reads without its hyphen.
func compound(w string) (ten, unit int, ordinal bool) {
	for name, v := range tens {
		rest, ok := strings.CutPrefix(w, name)
		if !ok {
			continue
		}
		if u, ok := smallNumbers[rest]; ok && u >= 1 && u <= 9 {
			return v, u, false
		}
		if u, ok := ordinals[rest]; ok && u <= 9 {
			return v, u, true
		}
	}
	return 0, -1, false
}

func below100(w string) bool {
	_, small := smallNumbers[w]
	_, ten := tens[w]
	_, ordinal := ordinals[w]
	v, _, _ := compound(w)
	return small || ten || ordinal || v > 0
}

// shiftable is whether value is digits and at most one point, with a sign.
func shiftable(value string) bool {
	return strings.Trim(strings.TrimPrefix(value, "-"), "0123456789.") == "" && strings.Count(value, ".") < 2
}

// shifted is value times ten to the places.
func shifted(value string, places int) string {
	whole, fraction, _ := strings.Cut(value, ".")
	for len(fraction) < places {
		fraction += "0"
	}
	whole += fraction[:places]
	sign := ""
	if s, ok := strings.CutPrefix(whole, "-"); ok {
		sign, whole = "-", s
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if rest := strings.TrimRight(fraction[places:], "0"); rest != "" {
		return sign + whole + "." + rest
	}
	return sign + whole
}
