package needle

import (
	"cmp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// A char is one character of a normalised text and the bytes [start, end) of
// the original that it came from.
type char struct {
	r          rune
	start, end int
}

// Characters that stand for what NFKC would lose.
const (
	raised  = '\u2191' // before a superscript digit that follows a digit: 10² is not 102
	grouped = '\u2063' // a no-break or thin space between digits: 12 500 is one number
)

var fold = cases.Fold()

// normalised gives text in NFKC, case-folded, without characters that carry no
// meaning in a comparison: tatweel, vowel points, joiners, directional marks.
// Broken UTF-8 (half a character, cut by a token) is left out.
func normalised(text string) []char {
	var out []char
	digit := func() bool { return len(out) > 0 && unicode.Is(unicode.Nd, out[len(out)-1].r) }
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRuneInString(text[at:])
		if r == utf8.RuneError && size == 1 {
			at++
			continue
		}
		next := norm.NFKC.NextBoundaryInString(text[at:], true)
		if next < size {
			next = size
		}
		piece := text[at : at+next]
		end := at + next
		if bad := strings.IndexRune(piece, utf8.RuneError); bad > 0 {
			piece, end = piece[:bad], at+bad
		}
		switch {
		case strings.ContainsRune("\u00a0\u2009\u202f", r) && digit() && startsWithDigit(text[end:]):
			out = append(out, char{grouped, at, end})
		default:
			composed := norm.NFKC.String(piece)
			if unicode.Is(unicode.No, r) && digit() {
				if strings.ContainsRune(composed, '\u2044') {
					out = append(out, char{' ', at, at}) // 1½ is 1 and 1/2
				} else {
					out = append(out, char{raised, at, at})
				}
			}
			for _, c := range norm.NFKC.String(fold.String(composed)) {
				if c = plain(c); c >= 0 {
					out = append(out, char{c, at, end})
				}
			}
		}
		at = end
	}
	return out
}

func startsWithDigit(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.Is(unicode.Nd, r)
}

// plain is a character's plain form, -1 where it has none.
func plain(r rune) rune {
	switch {
	case r < utf8.RuneSelf:
		return r
	case unicode.Is(unicode.Nd, r):
		return '0' + digitValue(r)
	case r == '\u200b': // zero width space: a word border in Khmer, Thai, Lao and Burmese
		return ' '
	case r == '\u0640', unicode.Is(unicode.Cf, r), unicode.Is(unicode.Variation_Selector, r),
		r >= '\u064b' && r <= '\u0652', r == '\u0670', // Arabic vowel signs
		r >= '\u0591' && r <= '\u05c7' && unicode.Is(unicode.Mn, r): // Hebrew points
		return -1
	}
	switch r {
	case 'أ', 'إ', 'آ', 'ٱ':
		return 'ا'
	case 'ى', 'ی':
		return 'ي'
	case 'ک':
		return 'ك'
	case '\u2212', '\u2010', '\u2011', '\u2012', '\u2013', '\ufe63', '\uff0d': // minus, hyphens, en dash
		return '-'
	case '\u2044', '\u2215':
		return '/'
	case '\u066b':
		return '.'
	case '\u066c':
		return ','
	case '\u066a':
		return '%'
	case '\u2019', '\u02bc':
		return '\''
	}
	return r
}

// digitValue is the value of a decimal digit of any script: Unicode's decimal
// digits stand in runs from zero to nine.
func digitValue(r rune) rune {
	for _, t := range unicode.Nd.R16 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return (r - rune(t.Lo)) % 10
		}
	}
	for _, t := range unicode.Nd.R32 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return (r - rune(t.Lo)) % 10
		}
	}
	return 0
}

// A compared text is split at white space as the published rule does, with
// these differences: characters are normalised first; a number with its sign,
// separators and percent sign is one word, whatever digits or English words
// write it; text of Thai, Lao, Khmer and Burmese, which has no spaces between
// words, is split at its syllables' beginnings as far as rules tell them.

// segments splits text into the words that the window judge compares. Where
// hyphens is set, a hyphen between letters separates words ("ice-cream" is
// two), else it is deleted.
func segments(text string, hyphens bool) []word {
	chars := normalised(text)
	var out []word
	var field []word
	open := false
	flush := func() {
		if len(field) != 1 || !article(field[0].text) {
			out = append(out, field...)
		}
		field, open = field[:0], false
	}
	add := func(s string, from, to int, number bool) {
		field = append(field, word{text: s, start: chars[from].start, end: chars[to-1].end, number: number})
		open = false
	}
	for i := 0; i < len(chars); {
		r := chars[i].r
		if n, value := number(chars, i); n > 0 {
			// Letters just before make it part of a name: B12, x86.
			if !open {
				add(value, i, i+n, true)
				i += n
				continue
			}
		}
		switch {
		case unicode.IsSpace(r), r == grouped:
			flush()
			i++
		case r == '-' && hyphens && compoundHyphen(chars, i):
			flush()
			i++
		case currencies[r] != "":
			add(currencies[r], i, i+1, false)
			i++
		case r == '%':
			add("%", i, i+1, false)
			i++
		case punctuation(r), r == raised:
			i++
		case unspaced(r):
			n := syllable(chars, i)
			var b strings.Builder
			for _, c := range chars[i : i+n] {
				b.WriteRune(c.r)
			}
			add(b.String(), i, i+n, false)
			i += n
		case ideographic(r):
			add(string(r), i, i+1, false)
			i++
		default:
			if !open {
				field = append(field, word{start: chars[i].start})
				open = true
			}
			last := &field[len(field)-1]
			last.text += string(r)
			last.end = chars[i].end
			i++
		}
	}
	flush()
	for i := range out {
		out[i].text = cmp.Or(currencyWords[out[i].text], out[i].text)
	}
	return spelledNumbers(out)
}

// compoundHyphen is whether the hyphen chars[i] joins two parts of a word.
func compoundHyphen(chars []char, i int) bool {
	if i == 0 || i+1 == len(chars) {
		return false
	}
	before, after := chars[i-1].r, chars[i+1].r
	return unicode.IsLetter(before) && (unicode.IsLetter(after) || isDigit(after)) || isDigit(before) && unicode.IsLetter(after)
}

// hyphenated is whether segments depends on its second argument.
func hyphenated(text string) bool {
	return strings.ContainsAny(text, "-\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d")
}

var currencies = map[rune]string{'$': "dollar", '€': "euro", '£': "pound", '¥': "yen", '₹': "rupee", '₽': "rouble", '₩': "won"}

// currencyWords are the names that equal a sign.
var currencyWords = map[string]string{"dollars": "dollar", "euros": "euro", "pounds": "pound", "rupees": "rupee", "roubles": "rouble"}

// unspaced is whether r is of a script that writes no spaces between words.
func unspaced(r rune) bool {
	return unicode.In(r, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// syllable is how many characters from i on belong together: a vowel written
// before its consonant with it, and all that is written around or below it.
// Such clusters are what a rule can tell without a dictionary.
func syllable(chars []char, i int) int {
	n := i
	for n < len(chars) && leadingVowel(chars[n].r) {
		n++
	}
	if n < len(chars) && unspaced(chars[n].r) {
		n++
	}
	for n < len(chars) {
		r := chars[n].r
		switch {
		case unicode.In(r, unicode.M) && unspaced(r), trailingVowel(r):
			n++
		case chars[n-1].r == '\u17d2' || chars[n-1].r == '\u1039': // subscript consonants of Khmer and Burmese
			n++
		case unicode.Is(unicode.Myanmar, r) && n+1 < len(chars) && killed(chars[n+1:]):
			n++ // a final consonant
		default:
			return max(n-i, 1)
		}
	}
	return max(n-i, 1)
}

// killed is whether a Burmese consonant before chars has no vowel of its own.
func killed(chars []char) bool {
	return chars[0].r == '\u103a' || chars[0].r == '\u1039' || chars[0].r == '\u1037' && len(chars) > 1 && chars[1].r == '\u103a'
}

func leadingVowel(r rune) bool {
	return r >= '\u0e40' && r <= '\u0e44' || r >= '\u0ec0' && r <= '\u0ec4'
}

func trailingVowel(r rune) bool {
	switch r {
	case '\u0e30', '\u0e32', '\u0e33', '\u0e45', '\u0eb0', '\u0eb2', '\u0eb3', '\u0ebd':
		return true
	}
	return false
}
