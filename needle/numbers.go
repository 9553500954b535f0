package needle

import (
	"regexp"
	"strconv"
	"strings"
)

// What a number written with digits looks like in a normalised text.
var (
	digitsForm = regexp.MustCompile(`^(?:([-+±])\p{Sc}?)?(\.?\d+(?:[.,:/'^` + string(grouped) + string(raised) + `]\d+)*)` +
		`(e[-+]?\d+\b)?` + `((?:st|nd|rd|th)\b)?` + `(?: *([%‰]))?`)
	// 7f3a is a name, and its digits are no number.
	nameForm = regexp.MustCompile(`^[-+±]?\d+\p{L}+\d[\p{L}\d]*`)
	// A sign stands at the beginning, behind white space or a mark that opens.
	signForm = regexp.MustCompile(`(?:^|[\s(\[{"'«“„=<>~:])$`)
	// 12,500 and 12'500, 12,34,567 as in India, 1.250.000, 1.234,56.
	groupForms = []*regexp.Regexp{
		regexp.MustCompile(`^([1-9]\d{0,2}(?:[,']\d{3})+)(?:\.(\d+))?$`),
		regexp.MustCompile(`^([1-9]\d{0,2}(?:'\d{3})+)(?:,(\d+))?$`),
		regexp.MustCompile(`^([1-9]\d{0,2}(?:,\d{2})+,\d{3})(?:\.(\d+))?$`),
		regexp.MustCompile(`^([1-9]\d{0,2}(?:\.\d{3}){2,})(?:,(\d+))?$`),
		regexp.MustCompile(`^([1-9]\d{0,2}\.\d{3}),(\d+)$`),
	}
	decimalForm = regexp.MustCompile(`^(\d*)[.,](\d+)$`)
	listForm    = regexp.MustCompile(`\d+(?:,\d+){2,}`) // 1,2,3 where no group form fits
	hourForm    = regexp.MustCompile(`^0(\d:)`)
	uniform     = strings.NewReplacer(string(grouped), "'", string(raised), "^")
)

// number reads a number written with digits at the beginning of text, before
// being what stands in front: how many bytes it takes, 0 where there is none,
// and its value in one form for all ways to write it.
//
//	12,500  12'500  12 500 (no-break)  12500   → 12500
//	1,5  1.5  1.50                             → 1.5
//	-40                                        → -40
//	9:05  09:05                                → 9:05
//	50%  50 %                                  → 50%
//	1/2                                        → 1/2
//	21st                                       → 21th
func number(before, text string) (n int, value string) {
	if name := nameForm.FindString(text); name != "" {
		return len(name), name
	}
	m := digitsForm.FindStringSubmatch(text)
	if m == nil {
		return 0, ""
	}
	all, digits, exponent, ordinal, share := m[0], m[2], m[3], m[4], m[5]
	sign := m[1]
	if sign != "" && !signForm.MatchString(before) {
		return 0, ""
	}
	if ordinal != "" {
		ordinal = "th"
	}
	return len(all), strings.TrimPrefix(sign, "+") + plainDigits(uniform.Replace(digits)) + strings.Replace(exponent, "+", "", 1) + ordinal + share
}

// plainDigits is a number without separators of thousands, with a point before
// its fraction and no zeros behind. Times, fractions, powers and versions stay
// as they are.
func plainDigits(s string) string {
	for _, form := range groupForms {
		if m := form.FindStringSubmatch(s); m != nil {
			return fractional(strings.NewReplacer(",", "", "'", "", ".", "").Replace(m[1]), m[2])
		}
	}
	if m := decimalForm.FindStringSubmatch(s); m != nil {
		return fractional(m[1], m[2])
	}
	return hourForm.ReplaceAllString(s, "$1")
}

// listed puts spaces for the commas of a list of numbers, "1,2,3".
func listed(s string) string {
	return listForm.ReplaceAllStringFunc(s, func(list string) string {
		if plainDigits(list) == list {
			return strings.ReplaceAll(list, ",", " ")
		}
		return list
	})
}

// fractional puts a whole number and a fraction's digits together.
func fractional(whole, fraction string) string {
	return strings.TrimSuffix(leadingZero.ReplaceAllString(whole+"."+strings.TrimRight(fraction, "0"), "0."), ".")
}

var leadingZero = regexp.MustCompile(`^\.`)

// numeral is what an English number word, or two of them, stand for.
type numeral struct {
	value   int
	ordinal bool
}

// numerals holds the numbers below a hundred: "seven", "seventh", "twenty",
// "twenty one", "twentyone", "twenty first" and so on.
var numerals = func() map[string]numeral {
	units := strings.Fields("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
	unitths := strings.Fields("zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth")
	all := map[string]numeral{}
	for v := range units {
		all[units[v]], all[unitths[v]] = numeral{v, false}, numeral{v, true}
	}
	for i, ten := range strings.Fields("twenty thirty forty fifty sixty seventy eighty ninety") {
		v := 10 * (i + 2)
		all[ten], all[strings.TrimSuffix(ten, "y")+"ieth"] = numeral{v, false}, numeral{v, true}
		for u := 1; u < 10; u++ {
			for _, between := range []string{"", " "} {
				all[ten+between+units[u]], all[ten+between+unitths[u]] = numeral{v + u, false}, numeral{v + u, true}
			}
		}
	}
	return all
}()

// scales are powers of ten.
var scales = map[string]int{"thousand": 3, "million": 6, "billion": 9, "trillion": 12}

// doubtful are number words that often are none.
var doubtful = map[string]bool{"one": true, "first": true, "second": true}

// spelledNumbers puts numbers that English words write in the place of the
// words: "twenty-one" is 21, "minus forty" -40, "1.5 million" 1500000, "fifty
// per cent" 50%, "seventh" 7th.
func spelledNumbers(ws []word) []word {
	var out []word
	for len(ws) > 0 {
		sign := 0
		if ws[0].text == "minus" || ws[0].text == "negative" {
			sign = 1
		}
		n, value := spelled(ws[sign:])
		if n == 0 {
			out = append(out, ws[0])
			ws = ws[1:]
			continue
		}
		w := word{text: value, start: ws[0].start, number: ws[0].number || !doubtful[ws[0].text]}
		n += sign
		if sign == 1 {
			w.text = "-" + value
		}
		for _, share := range []string{"percent", "pct", "%", "per cent"} {
			if k := len(strings.Fields(share)); textAt(ws[n:], k) == share && scalable.MatchString(w.text) {
				w.text, w.number = w.text+"%", true
				n += k
				break
			}
		}
		w.end = ws[n-1].end
		out = append(out, w)
		ws = ws[n:]
	}
	return out
}

// textAt is the first n words as one text, "" where there are fewer.
func textAt(ws []word, n int) string {
	if len(ws) < n {
		return ""
	}
	var all []string
	for _, w := range ws[:n] {
		all = append(all, w.text)
	}
	return strings.Join(all, " ")
}

// spelled reads one number at the beginning of ws, written with words or with
// digits and a scale: how many words it takes, 0 where there is none, and its
// value.
func spelled(ws []word) (n int, value string) {
	if len(ws) > 0 && ws[0].number {
		n, value = 1, ws[0].text
		for {
			scale := scales[textAt(ws[n:], 1)]
			if textAt(ws[n:], 1) == "hundred" {
				scale = 2
			}
			if scale == 0 || !scalable.MatchString(value) {
				return n, value
			}
			n, value = n+1, shifted(value, scale)
		}
	}
	v, n, ordinal := thousands(ws)
	if n == 0 {
		return 0, ""
	}
	value = strconv.Itoa(v)
	if ordinal {
		return n, value + "th"
	}
	if textAt(ws[n:], 1) != "point" {
		return n, value
	}
	fraction := ""
	for k := n + 1; ; k++ {
		digit, ok := numerals[textAt(ws[min(k, len(ws)):], 1)]
		if !ok || digit.ordinal || digit.value > 9 {
			break
		}
		fraction += strconv.Itoa(digit.value)
	}
	if fraction == "" {
		return n, value
	}
	return n + 1 + len(fraction), fractional(value, fraction)
}

// thousands reads "two million three hundred thousand and five".
func thousands(ws []word) (v, n int, ordinal bool) {
	limit := 15
	for {
		part, k, o := hundreds(ws[n:])
		scale := scales[textAt(ws[n+k:], 1)]
		if o || scale == 0 || scale >= limit {
			return v + part, n + k, o
		}
		if k == 0 {
			part = 1 // "a thousand", the article dropped
		}
		for range scale {
			part *= 10
		}
		v, n, limit = v+part, n+k+1, scale
		n += joined(ws[n:])
	}
}

// hundreds reads "three hundred and five".
func hundreds(ws []word) (v, n int, ordinal bool) {
	v, n, ordinal = below100(ws)
	if ordinal || textAt(ws[n:], 1) != "hundred" {
		return v, n, ordinal
	}
	if n == 0 {
		v = 1
	}
	v, n = 100*v, n+1
	n += joined(ws[n:])
	u, k, ordinal := below100(ws[n:])
	return v + u, n + k, ordinal
}

// below100 reads "twenty one", "twentyone" or "seven".
func below100(ws []word) (v, n int, ordinal bool) {
	for n := 2; n > 0; n-- {
		if x, ok := numerals[textAt(ws, n)]; ok {
			return x.value, n, x.ordinal
		}
	}
	return 0, 0, false
}

// joined is 1 where "and" stands before another part of the number, else 0.
func joined(ws []word) int {
	if textAt(ws, 1) == "and" {
		if _, n, _ := below100(ws[1:]); n > 0 {
			return 1
		}
	}
	return 0
}

var noZeros = regexp.MustCompile(`^(-?)0+(\d)`)

var scalable = regexp.MustCompile(`^-?\d+(?:\.\d+)?$`)

// shifted is value, of scalable's form, times ten to the places.
func shifted(value string, places int) string {
	whole, fraction, _ := strings.Cut(value, ".")
	fraction += strings.Repeat("0", places)
	return noZeros.ReplaceAllString(fractional(whole+fraction[:places], fraction[places:]), "$1$2")
}
