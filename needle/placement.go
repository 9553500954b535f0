package needle

import (
	"cmp"
	"math"
	"regexp"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// Placement says what stands just before a needle.
type Placement string

// The placements, in the order in which they are tried.
const (
	AtStart       Placement = "start"    // nothing: the needle begins the haystack
	AfterSentence Placement = "sentence" // the end of a sentence
	AfterLine     Placement = "line"     // the end of a line that ends no sentence
	AtWord        Placement = "word"     // a word: no sentence ends near the depth
	AtEnd         Placement = "end"      // the whole haystack
)

// How far from the asked depth a needle may lie: closePoints percent of the
// haystack or, for the end of a sentence, sentenceReach tokens.
const (
	closePoints   = 5
	sentenceReach = 128
	wordReach     = 64 // tokens
)

// place is where in the haystack's first tokens hay the needle goes.
//
// The asked place is floor(n·depth/100), or keep (Options.KeepBefore) if that is
// more. Tried in turn, each as near as it gets:
//
//   - going back, after a full stop within closePoints;
//   - going back, after an end of a sentence by Unicode's rules (UAX 29) within
//     closePoints, or the start if that is as near;
//   - going back, after a full stop within sentenceReach; or the start, where
//     the first full stop is as near;
//   - going on, after an end of a sentence within closePoints;
//   - going back, after a line within closePoints;
//   - at the nearest word border, going back where two are as near.
//
// Depth 100 is the end.
func place(tok Tokenizer, h *Haystack, hay []Token, depth float64, keep int) (int, Placement) {
	n := len(hay)
	if n == 0 {
		return 0, ""
	}
	if depth == 100 {
		return n, AtEnd
	}
	want := max(int(math.Floor(float64(n)*depth/100)), keep)
	points := closePoints * n / 100
	reach := max(points, sentenceReach)
	stop := func(at int) bool { return h.fullStop(tok, hay[at-1]) }
	sentence := func(at int) bool {
		from := 0
		if at > 1 {
			from = hay[at-2].End
		}
		return stop(at) || h.endsSentence(from, hay[at-1].End)
	}
	line := func(at int) bool { return h.endsLine(hay[at-1].End) }
	back := func(ok func(int) bool, tokens int) int {
		for at := want; at >= max(keep, 1, want-tokens); at-- {
			if ok(at) {
				return at
			}
		}
		return 0
	}
	ahead := func(ok func(int) bool, tokens int) int {
		for at := want + 1; at <= min(n, want+tokens); at++ {
			if ok(at) {
				return at
			}
		}
		return 0
	}
	if at := cmp.Or(back(stop, points), back(sentence, points)); at > 0 {
		return at, AfterSentence
	}
	if keep == 0 && want <= points {
		return 0, AtStart
	}
	if at := back(stop, reach); at > 0 {
		return at, AfterSentence
	}
	if keep == 0 && want <= reach && ahead(stop, reach) > 0 {
		return 0, AtStart
	}
	if at := ahead(sentence, points); at > 0 {
		return at, AfterSentence
	}
	if at := back(line, points); at > 0 {
		return at, AfterLine
	}
	borders := h.wordBorders(hay, want)
	word := func(at int) bool { return borders[hay[at-1].End] }
	character := func(at int) bool { return h.character(hay[at-1].End) }
	for _, ok := range []func(int) bool{word, character} {
		for distance := range wordReach {
			if at := cmp.Or(back(ok, distance), ahead(ok, distance)); at > 0 {
				return at, AtWord
			}
		}
	}
	return want, AtWord
}

// placePublished is the published rule: walk back to just after a token whose
// text, trimmed, is ".", to 0 where there is none. keep is
// Options.KeepBefore.
func placePublished(tok Tokenizer, hay []Token, depth float64, keep int) (int, Placement) {
	n := len(hay)
	if n == 0 {
		return 0, ""
	}
	if depth == 100 {
		return n, AtEnd
	}
	at := int(math.Floor(float64(n) * depth / 100))
	for at > 0 && !isFullStop(tok, hay[at-1]) {
		at--
	}
	if at < keep {
		for at = keep; at <= n/2; at++ {
			if isFullStop(tok, hay[at-1]) {
				return at, AfterSentence
			}
		}
		return keep, AtWord
	}
	if at == 0 {
		return 0, AtStart
	}
	return at, AfterSentence
}

func isFullStop(tok Tokenizer, t Token) bool {
	return strings.TrimSpace(tok.Text(t.ID)) == "."
}

// fullStop is whether t is a full stop that white space follows: not the one in
// 1.5, in a.b() or before a closing quote.
func (h *Haystack) fullStop(tok Tokenizer, t Token) bool {
	if !isFullStop(tok, t) {
		return false
	}
	rest := h.text[t.End:]
	r, _ := utf8.DecodeRuneInString(rest)
	return rest == "" || unicode.IsSpace(r) || strings.TrimRightFunc(h.text[:t.End], unicode.IsSpace) != h.text[:t.End]
}

// endsSentence is whether a sentence ends behind byte from and before byte at,
// closing quotes and brackets included, with white space alone between its end
// and at.
func (h *Haystack) endsSentence(from, at int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.segmentTo(at)
	i := sort.SearchInts(h.ends, at+1) - 1
	return i >= 0 && h.ends[i] > from && strings.TrimSpace(h.text[h.ends[i]:at]) == ""
}

// moreMarks end sentences and are no Sentence_Terminal in Go's tables: an
// ellipsis of one character, before white space, and the marks of Khmer and
// Tibetan. Closing quotes and brackets follow them.
var moreMarks = regexp.MustCompile(`…[\p{Pe}\p{Pf}\p{Pi}\p{Cf}"']*\s|[។៕།༎][\p{Pe}\p{Pf}\p{Pi}\p{Cf}"']*`)

// segmentTo finds the sentences that begin before byte at.
func (h *Haystack) segmentTo(at int) {
	for h.segmented <= at && h.segmented < len(h.text) {
		s, _, state := uniseg.FirstSentenceInString(h.text[h.segmented:], h.state-1)
		for _, m := range moreMarks.FindAllStringIndex(s, -1) {
			h.ends = append(h.ends, h.segmented+m[0]+len(strings.TrimSpace(s[m[0]:m[1]])))
		}
		if trimmed := strings.TrimRightFunc(s, unicode.IsSpace); terminated(trimmed) {
			h.ends = append(h.ends, h.segmented+len(trimmed))
		}
		h.segmented, h.state = h.segmented+len(s), state+1
	}
}

// terminated is whether a sentence ends in a terminal mark, closing quotes and
// brackets aside.
func terminated(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(strings.TrimRightFunc(s, closes))
	return unicode.Is(unicode.Sentence_Terminal, r)
}

// closes is whether r is a closing quote or bracket, or invisible.
func closes(r rune) bool {
	return unicode.In(r, unicode.Pe, unicode.Pf, unicode.Pi, unicode.Cf, unicode.Variation_Selector) || r == '"' || r == '\''
}

// endsLine is whether byte at ends a line that is not empty.
func (h *Haystack) endsLine(at int) bool {
	before, after := h.text[:at], strings.TrimLeft(h.text[at:], " \t\r")
	return at > 0 && (before[at-1] == '\n' || strings.HasPrefix(after, "\n") || after == "")
}

// character is whether a character begins at byte at.
func (h *Haystack) character(at int) bool {
	return at >= len(h.text) || utf8.RuneStart(h.text[at])
}

// wordBorders are the bytes near the want-th token at which a word begins or
// ends by Unicode's rules (UAX 29).
func (h *Haystack) wordBorders(hay []Token, want int) map[int]bool {
	from := hay[max(0, want-2*wordReach)].Start
	to := hay[min(len(hay)-1, want+2*wordReach)].End
	for !h.character(from) {
		from--
	}
	for !h.character(to) {
		to++
	}
	borders := map[int]bool{}
	state := -1
	for text := h.text[from:to]; text != ""; {
		var w string
		w, text, state = uniseg.FirstWordInString(text, state)
		from += len(w)
		borders[from] = true
	}
	return borders
}
