package needle

import (
	"math"
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
// The asked place is floor(n·depth/100). Tried in turn, each as near as it gets:
//
//   - going back, after a full stop within closePoints, or after any end of a
//     sentence by Unicode's rules (UAX 29) within closePoints, or after a full
//     stop within sentenceReach;
//   - going on, after an end of a sentence within closePoints;
//   - the start, where the first full stop is near;
//   - going back, after a line within closePoints;
//   - at a word border.
//
// Depth 100 is the end. keep is Options.KeepBefore.
func place(tok Tokenizer, h *Haystack, hay []Token, depth float64, keep int) (int, Placement) {
	n := len(hay)
	if n == 0 {
		return 0, ""
	}
	if depth == 100 {
		return n, AtEnd
	}
	want := int(math.Floor(float64(n) * depth / 100))
	near := func(tokens int) bool { return 100*tokens <= closePoints*n }
	stop := func(at int) bool { return h.fullStop(tok, hay[at-1]) }
	ends := func(at int) bool { return stop(at) || h.endsSentence(hay[at-1].End) }
	if want >= keep {
		at := want
		for at > 0 && !stop(at) {
			at--
		}
		if at >= keep && near(want-at) {
			if at == 0 {
				return 0, AtStart
			}
			return at, AfterSentence
		}
		reach := func(tokens int) bool { return tokens <= sentenceReach || near(tokens) }
		for at := want; at >= max(keep, 1) && reach(want-at); at-- {
			if stop(at) || near(want-at) && ends(at) {
				for at > max(keep, 1) && ends(at-1) {
					at-- // before white space, and after the mark
				}
				return at, AfterSentence
			}
		}
		for at := want + 1; at < n && near(at-want); at++ {
			if !stop(at) && ends(at) {
				return at, AfterSentence
			}
		}
		// The start is the first sentence's, where a full stop ends that one.
		for at := want + 1; keep == 0 && reach(want) && at <= n && reach(at-want); at++ {
			if stop(at) {
				return 0, AtStart
			}
		}
	}
	if want < keep || keep > 0 && want-keep <= sentenceReach {
		// What keeps text before the needle may lie behind the asked place, or no
		// sentence ends between the two: the first end after it, then.
		from := max(keep, 1)
		for _, end := range []func(int) bool{stop, ends} {
			for at := from; at <= n/2 && (near(at-from) || at-from <= sentenceReach); at++ {
				if end(at) && (near(at-from) || near(at-want)) {
					return at, AfterSentence
				}
			}
		}
		want = max(want, keep)
	}
	for at := want; at >= max(keep, 1) && near(want-at); at-- {
		if h.endsLine(hay[at-1].End) {
			return at, AfterLine
		}
	}
	borders := h.wordBorders(hay, want)
	for distance := 0; distance <= wordReach; distance++ {
		for _, at := range [2]int{want - distance, want + distance} {
			if at >= max(keep, 1) && at <= n && borders[hay[at-1].End] {
				return at, AtWord
			}
		}
	}
	at := want
	for at > max(keep, 1) && !h.character(hay[at-1].End) {
		at--
	}
	if at == 0 {
		return 0, AtStart
	}
	return at, AtWord
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

// sentenceEnd is the end of a sentence: its last character's end, and where
// the next sentence begins.
type sentenceEnd struct{ end, next int }

// endsSentence is whether the text before byte at ends a sentence, closing
// quotes and brackets included.
func (h *Haystack) endsSentence(at int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.segmentTo(at)
	i := sort.Search(len(h.ends), func(i int) bool { return h.ends[i].next >= at })
	return i < len(h.ends) && h.ends[i].end <= at
}

// moreMarks end sentences and are no Sentence_Terminal in Unicode 15: an
// ellipsis of one character, before white space, and the marks of Khmer and
// Tibetan.
const moreMarks = "…។៕།༎"

// segmentTo finds the sentences that begin before byte at.
func (h *Haystack) segmentTo(at int) {
	if h.sentences == 0 && len(h.ends) == 0 {
		h.state = -1
	}
	for h.sentences <= at && h.sentences < len(h.text) {
		var s string
		s, _, h.state = uniseg.FirstSentenceInString(h.text[h.sentences:], h.state)
		start := h.sentences
		h.sentences += len(s)
		trimmed := strings.TrimRightFunc(s, unicode.IsSpace)
		if trimmed == "" { // a blank line is a sentence to UAX 29
			if k := len(h.ends); k > 0 && h.ends[k-1].next == start {
				h.ends[k-1].next = h.sentences
			}
			continue
		}
		if terminated(trimmed) {
			h.ends = append(h.ends, sentenceEnd{start + len(trimmed), h.sentences})
		}
		for from := 0; ; {
			i := strings.IndexAny(trimmed[from:], moreMarks)
			if i < 0 {
				break
			}
			mark, size := utf8.DecodeRuneInString(trimmed[from+i:])
			from += i + size
			closed := from
			for closed < len(s) {
				r, size := utf8.DecodeRuneInString(s[closed:])
				if !closes(r) {
					break
				}
				closed += size
			}
			space := closed
			for space < len(s) {
				r, size := utf8.DecodeRuneInString(s[space:])
				if !unicode.IsSpace(r) {
					break
				}
				space += size
			}
			if space > closed || mark != '…' {
				h.ends = append(h.ends, sentenceEnd{start + closed, start + space})
			}
		}
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
	from := hay[max(0, min(want, len(hay))-2*wordReach)].Start
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
		if text != "" || from == len(h.text) {
			borders[from] = true
		}
	}
	return borders
}
