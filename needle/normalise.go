package needle

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// normalisedText is a text in its compared form, and for each byte of it the
// bytes [start, end) of the original that it came from.
type normalisedText struct {
	text       string
	start, end []int
}

func (t *normalisedText) add(s string, start, end int) {
	t.text += s
	for range len(s) {
		t.start, t.end = append(t.start, start), append(t.end, end)
	}
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
func normalised(text string) *normalisedText {
	out := &normalisedText{}
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRuneInString(text[at:])
		end := at + size
		if r == utf8.RuneError {
			at = end
			continue
		}
		for end < len(text) && !norm.NFKC.PropertiesString(text[end:]).BoundaryBefore() {
			_, size := utf8.DecodeRuneInString(text[end:])
			end += size
		}
		composed := norm.NFKC.String(text[at:end])
		if afterDigit := digitEnds(out.text); afterDigit && digitStarts(text[end:]) && strings.ContainsRune("\u00a0\u2009\u202f", r) {
			composed = string(grouped)
		} else if afterDigit && unicode.Is(unicode.No, r) {
			if strings.ContainsRune(composed, '\u2044') {
				composed = " " + composed // 1½ is 1 and 1/2
			} else {
				composed = string(raised) + composed
			}
		}
		out.add(strings.Map(plain, norm.NFKC.String(fold.String(composed))), at, end)
		at = end
	}
	return out
}

func digitStarts(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.Is(unicode.Nd, r)
}

func digitEnds(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return unicode.Is(unicode.Nd, r)
}

// ignored are characters without a meaning of their own: tatweel, the vowel
// signs of Arabic and the points of Hebrew, and what cannot be seen.
var ignored = []*unicode.RangeTable{
	unicode.Cf, unicode.Variation_Selector,
	{R16: []unicode.Range16{{0x0591, 0x05bd, 1}, {0x05bf, 0x05bf, 1}, {0x05c1, 0x05c2, 1}, {0x05c4, 0x05c5, 1}, {0x05c7, 0x05c7, 1},
		{0x0640, 0x0640, 1}, {0x064b, 0x0652, 1}, {0x0670, 0x0670, 1}}},
}

// plainForms are characters that are written for one another.
var plainForms = map[rune]rune{
	'أ': 'ا', 'إ': 'ا', 'آ': 'ا', 'ٱ': 'ا', 'ى': 'ي', 'ی': 'ي', 'ک': 'ك',
	'\u2212': '-', '\u2010': '-', '\u2011': '-', '\u2012': '-', '\u2013': '-', '\ufe63': '-', '\uff0d': '-', // minus, hyphens, en dash
	'\u2044': '/', '\u2215': '/', '\u066b': '.', '\u066c': ',', '\u066a': '%', '\u2019': '\'', '\u02bc': '\'',
	'\u200b': ' ', // zero width space: a word border in Khmer, Thai, Lao and Burmese
	grouped:  grouped,
}

// plain is a character's plain form, -1 where it has none.
func plain(r rune) rune {
	if p, ok := plainForms[r]; ok {
		return p
	}
	if unicode.Is(unicode.Nd, r) {
		return digitOf(r)
	}
	if unicode.In(r, ignored...) {
		return -1
	}
	return r
}

// digitOf is the ASCII digit of a decimal digit of any script: Unicode's
// decimal digits stand in runs from zero to nine.
func digitOf(r rune) rune {
	value := '0'
	for unicode.Is(unicode.Nd, r-1) && value < '9' && !zeros[r] {
		r, value = r-1, value+1
	}
	return value
}

// zeros are the zeros that follow another script's nine: the mathematical
// digits.
var zeros = map[rune]bool{0x1d7d8: true, 0x1d7e2: true, 0x1d7ec: true, 0x1d7f6: true}
