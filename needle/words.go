package needle

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// word is one normalised word of a text and the bytes [start, end) it came
// from.
type word struct {
	text       string
	start, end int
	last       bool // a mark other than a hyphen stands behind it
	number     bool // a number that an answer must not lack; see segments
}

// words splits text for the published rule, as SQuAD's scorer normalises it (Rajpurkar et al., arXiv
// 1606.05250, section 6.1): lower case, punctuation deleted, the words a, an
// and the dropped, split at white space. Two additions: punctuation is
// Unicode's as well as ASCII's, and each Han, Kana or Hangul character is a
// word of its own, since such text has no or few spaces to split at.
func words(text string) []word {
	var out []word
	var field []word // the parts of one white-space-delimited field
	open := false    // whether the field's last part may still grow
	flush := func() {
		if len(field) != 1 || !article(field[0].text) {
			out = append(out, field...)
		}
		field, open = field[:0], false
	}
	for at, size := 0, 0; at < len(text); at += size {
		var r rune
		r, size = utf8.DecodeRuneInString(text[at:])
		if r == utf8.RuneError && size == 1 {
			continue // half a character: a token cut it
		}
		switch {
		case unicode.IsSpace(r):
			flush()
		case punctuation(r):
		case ideographic(r):
			field = append(field, word{text: string(r), start: at, end: at + size})
			open = false
		default:
			lower := string(unicode.ToLower(r))
			if !open {
				field = append(field, word{start: at})
				open = true
			}
			last := &field[len(field)-1]
			last.text += lower
			last.end = at + size
		}
	}
	flush()
	return out
}

func article(w string) bool { return w == "a" || w == "an" || w == "the" }

// punctuation is what normalisation deletes: ASCII's punctuation marks, of
// which Unicode calls nine symbols, and Unicode's category P.
func punctuation(r rune) bool {
	return unicode.IsPunct(r) || strings.ContainsRune("$+<=>^`|~", r)
}

// ideographic is whether r is a word of its own. The prolonged sound mark
// U+30FC belongs to both Kana and so, for Unicode, to no one script.
func ideographic(r rune) bool {
	return r == 'ー' || unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul)
}

// F1 is the token F1 of output against answer, 0 to 1: the harmonic mean of
// precision and recall over the multisets of normalised words. It is 0 where
// either has no words.
func F1(output, answer string) float64 {
	a := words(answer)
	return f1(common(words(output), count(a)), len(words(output)), len(a))
}

// f1 is 2PR/(P+R) with P = shared/n and R = shared/m, simplified.
func f1(shared, n, m int) float64 {
	if shared == 0 {
		return 0
	}
	return 2 * float64(shared) / float64(n+m)
}

func count(ws []word) map[string]int {
	c := make(map[string]int, len(ws))
	for _, w := range ws {
		c[w.text]++
	}
	return c
}

// common is the size of the multiset intersection of ws and of.
func common(ws []word, of map[string]int) int {
	n := 0
	for w, c := range count(ws) {
		n += min(c, of[w])
	}
	return n
}
