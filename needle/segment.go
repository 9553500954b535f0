package needle

import (
	"cmp"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The window judge's words are the published rule's but for these differences:
// characters are normalised first; a number with its sign, separators and
// percent sign is one word, whatever digits or English words write it; text of
// Thai, Lao, Khmer and Burmese, which has no spaces between words, is split
// into clusters of characters.

var (
	// A consonant of a script without spaces between words, with the vowels
	// written before it, the signs around it, subscript consonants (Khmer,
	// Burmese), final consonants (Burmese) and vowels behind it: what a rule can
	// tell of words without a dictionary.
	clusterForm = regexp.MustCompile(`^[\x{0e40}-\x{0e44}\x{0ec0}-\x{0ec4}]*[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]` +
		`(?:[\x{17d2}\x{1039}][\p{Khmer}\p{Myanmar}]|[\x{1000}-\x{1021}]\x{1037}?[\x{1039}\x{103a}]|\p{M}` +
		`|[\x{0e30}\x{0e32}\x{0e33}\x{0e45}\x{0eb0}\x{0eb2}\x{0eb3}\x{0ebd}])*`)
	// Behind these a digit belongs to a name: B12, KL-40.
	nameEnd = regexp.MustCompile(`[\p{L}\p{N}\-'._]$`)
	// A hyphen between the parts of a word.
	wordHyphen = regexp.MustCompile(`^(?:\p{L}-[\p{L}\d]|\d-\p{L})`)
)

// segments splits text into the words that the window judge compares. Where
// hyphens is set, a hyphen between letters separates words ("ice-cream" is
// two), else it is deleted.
func segments(text string, hyphens bool) []word {
	t := normalised(text)
	s := listed(t.text)
	var out, field []word
	open := false // whether the field's last word may still grow
	flush := func() {
		if len(field) != 1 || !article(field[0].text) {
			out = append(out, field...)
		}
		field, open = nil, false
	}
	before := "" // the character before s[i:]
	for i, n := 0, 0; i < len(s); before, i = lastRune(s[:i+n]), i+n {
		r, size := utf8.DecodeRuneInString(s[i:])
		n = size
		add := func(text string, number bool) {
			field = append(field, word{text: text, start: t.start[i], end: t.end[i+n-1], number: number})
			open = false
		}
		if !open || !nameEnd.MatchString(before) {
			if k, value := number(before, s[i:]); k > 0 {
				n = k
				add(value, true)
				continue
			}
		}
		if unicode.IsSpace(r) || r == grouped || r == '-' && hyphens && wordHyphen.MatchString(before+s[i:]) {
			flush()
		} else if name := symbols[r]; name != "" {
			add(name, false)
		} else if punctuation(r) || r == raised {
			if len(field) > 0 && r != '-' {
				field[len(field)-1].last = true
			}
		} else if cluster := clusterForm.FindString(s[i:]); cluster != "" {
			n = len(cluster)
			add(cluster, false)
		} else if ideographic(r) {
			add(string(r), false)
		} else {
			if !open {
				add("", false)
				open = true
			}
			last := &field[len(field)-1]
			last.text += string(r)
			last.end = t.end[i+n-1]
		}
	}
	flush()
	var all []word
	from := 0
	for i := range out {
		out[i].text = cmp.Or(currencyWords[out[i].text], out[i].text)
		// A mark ends a number that words write: "in nineteen, twenty men".
		if out[i].last || i == len(out)-1 {
			all = append(all, spelledNumbers(out[from:i+1])...)
			from = i + 1
		}
	}
	return all
}

func lastRune(s string) string {
	_, size := utf8.DecodeLastRuneInString(s)
	return s[len(s)-size:]
}

// hyphenated is whether segments may depend on its second argument.
func hyphenated(text string) bool { return strings.ContainsRune(normalised(text).text, '-') }

// symbols are signs that are words.
var symbols = map[rune]string{'%': "%", '$': "dollar", '€': "euro", '£': "pound", '¥': "yen", '₹': "rupee", '₽': "rouble", '₩': "won"}

// currencyWords are the names that equal a sign.
var currencyWords = map[string]string{"dollars": "dollar", "euros": "euro", "pounds": "pound", "rupees": "rupee", "roubles": "rouble"}
