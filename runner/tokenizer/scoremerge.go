package tokenizer

import "unicode/utf8"

// scoreMerge is SentencePiece's byte-pair encoding: of all neighbouring symbols
// whose joined text is a piece, those with the highest score are merged first,
// the leftmost of equal ones (arXiv 1808.06226, and the library's bpe_model).
// Pieces are held with spaces where the vocabulary writes U+2581.
type scoreMerge struct {
	vocab  map[string]int32
	scores []float32
	unused map[int32]bool // merged through, but taken apart again at the end
	bytes  [256]int32
	unk    int32
	// glued holds the characters that some piece has before a space. Elsewhere
	// a space begins a new word, for no merge can cross it.
	glued map[rune]bool
}

func (m *scoreMerge) words(s string, emit func(a, b int)) { cutAtGaps(s, ' ', m.glued, emit) }

func (m *scoreMerge) find(text string) (int32, float32, bool) {
	id, ok := m.vocab[text]
	if !ok {
		return -1, 0, false
	}
	return id, m.scores[id], true
}

// span is a symbol: bytes [from, to) of the word and its neighbours.
type span struct{ from, to, prev, next int32 }

type scored struct {
	score       float32
	left, right int32
	size        int32 // bytes of both when it was made: stale when they changed
}

//lint:ignore U1000 called through queue's type parameter, which staticcheck does not follow
func (p scored) before(o scored) bool {
	return p.score > o.score || p.score == o.score && p.left < o.left
}

func (m *scoreMerge) encode(word string, s *scratch) []piece {
	var spans []span
	var q queue[scored]
	var parts map[string]int32 // unused piece: bytes of its left part
	for i := 0; i < len(word); {
		_, w := utf8.DecodeRuneInString(word[i:])
		n := int32(len(spans))
		spans = append(spans, span{int32(i), int32(i + w), n - 1, n + 1})
		i += w
	}
	spans[len(spans)-1].next = -1
	try := func(l, r int32) (scored, bool) {
		if l < 0 || r < 0 {
			return scored{}, false
		}
		text := word[spans[l].from:spans[r].to]
		id, score, ok := m.find(text)
		if ok && m.unused[id] {
			if parts == nil {
				parts = map[string]int32{}
			}
			parts[text] = spans[l].to - spans[l].from
		}
		return scored{score, l, r, int32(len(text))}, ok
	}
	for i := range int32(len(spans) - 1) {
		if p, ok := try(i, i+1); ok {
			q.push(p)
		}
	}
	for len(q) > 0 {
		p := q.pop()
		l, r := &spans[p.left], &spans[p.right]
		if l.to == l.from || r.to == r.from || r.to-l.from != p.size || l.next != p.right {
			continue
		}
		l.to, r.from = r.to, r.to
		l.next = r.next
		if r.next >= 0 {
			spans[r.next].prev = p.left
		}
		if p, ok := try(l.prev, p.left); ok {
			q.push(p)
		}
		if p, ok := try(p.left, l.next); ok {
			q.push(p)
		}
	}
	out := s.syms[:0]
	for i := int32(0); i >= 0; i = spans[i].next {
		out = m.output(word, spans[i].from, spans[i].to, parts, out)
	}
	s.syms = out
	return out
}

// output appends the pieces of one final symbol, word[from:to].
func (m *scoreMerge) output(word string, from, to int32, parts map[string]int32, out []piece) []piece {
	text := word[from:to]
	if id, ok := m.vocab[text]; ok {
		cut, split := parts[text]
		if !split || !m.unused[id] {
			return append(out, piece{id, to})
		}
		out = m.output(word, from, from+cut, parts, out)
		return m.output(word, from+cut, to, parts, out)
	}
	for k := from; k < to; k++ {
		if m.bytes[word[k]] < 0 {
			if m.unk >= 0 {
				out = append(out, piece{m.unk, to})
			}
			return out
		}
	}
	for k := from; k < to; k++ {
		out = append(out, piece{m.bytes[word[k]], k + 1})
	}
	return out
}
