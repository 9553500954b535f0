package tokenizer

import "unicode/utf8"

// bpe is byte-pair encoding: a word's symbols are merged pair by pair, always
// the pair that stands first in the list of merges, the leftmost of equal ones
// (Sennrich et al., arXiv 1508.07909).
type bpe struct {
	vocab  map[string]int32 // what a token spells: bytes for byte-level vocabularies, else text
	merges map[uint64]merge // by pairKey
	size   int32            // ids from size up are symbols that only merges name

	bytes        [256]int32 // token of a single byte, or -1
	byteLevel    bool       // symbols start as bytes; else as characters
	byteFallback bool       // a character without a token is spelled by its bytes' tokens
	unk          int32      // token of a symbol without one, or -1: such a symbol gives no token
	fuseUnk      bool       // neighbouring unknown symbols give one token
	wholeFirst   bool       // a word that is a token is that token, whatever the merges say
	prefix, end  string     // marks of continued and of last symbols (continuing_subword_prefix, end_of_word_suffix)
}

type merge struct{ rank, id int32 }

func pairKey(l, r int32) uint64 { return uint64(uint32(l))<<32 | uint64(uint32(r)) }

// addMerges fills merges from pairs of spellings, first is best. Symbols that
// the vocabulary lacks get ids of their own, so that merges built on them work.
func (b *bpe) addMerges(pairs func(yield func(l, r string) bool)) {
	extra := map[string]int32{}
	next := b.size
	id := func(s string) int32 {
		if v, ok := b.vocab[s]; ok {
			return v
		}
		v, ok := extra[s]
		if !ok {
			v = next
			next++
			extra[s] = v
		}
		return v
	}
	rank := int32(0)
	for l, r := range pairs {
		k := pairKey(id(l), id(r))
		if _, dup := b.merges[k]; !dup {
			joined := r
			if b.prefix != "" && len(r) >= len(b.prefix) && r[:len(b.prefix)] == b.prefix {
				joined = r[len(b.prefix):]
			}
			b.merges[k] = merge{rank, id(l + joined)}
		}
		rank++
	}
	if b.byteLevel {
		for c := range 256 {
			if b.bytes[c] < 0 {
				if v, ok := extra[string([]byte{byte(c)})]; ok {
					b.bytes[c] = v
				}
			}
		}
	}
}

// piece is a token of a word: its id and where it ends in the word.
type piece struct {
	id  int32
	end int32
}

// scratch holds what one Encode call reuses from word to word.
type scratch struct {
	syms  []piece
	ranks []merge
	links []link
	queue queue[pairAt]
	cache map[string][2]int32 // word: its pieces in arena [from, to)
	arena []piece
}

// Words longer than this are not remembered: they seldom come twice.
const cachedWord = 32

// remembered gives the pieces of one word, made by encode or, where it came
// before, by an earlier call. The result is valid until the next call.
func (s *scratch) remembered(word string, encode func(string, *scratch) []piece) []piece {
	if len(word) > cachedWord {
		return encode(word, s)
	}
	if at, ok := s.cache[word]; ok {
		return s.arena[at[0]:at[1]]
	}
	p := encode(word, s)
	if len(s.arena) < 1<<20 {
		if s.cache == nil {
			s.cache = make(map[string][2]int32)
		}
		from := int32(len(s.arena))
		s.arena = append(s.arena, p...)
		s.cache[word] = [2]int32{from, int32(len(s.arena))}
	}
	return p
}

func (b *bpe) encode(word string, s *scratch) []piece {
	s.syms = s.syms[:0]
	if b.wholeFirst {
		if id, ok := b.vocab[word]; ok {
			s.syms = append(s.syms, piece{id, int32(len(word))})
			return s.syms
		}
	}
	b.start(word, s)
	if len(s.syms) <= 48 {
		b.mergeShort(s)
	} else {
		b.mergeLong(s)
	}
	return b.resolve(word, s)
}

// start fills s.syms with the symbols a word begins as.
func (b *bpe) start(word string, s *scratch) {
	if b.byteLevel {
		for i := range len(word) {
			s.syms = append(s.syms, piece{b.bytes[word[i]], int32(i + 1)})
		}
		return
	}
	fused := false
	for i := 0; i < len(word); {
		_, w := utf8.DecodeRuneInString(word[i:])
		end := i + w
		text := word[i:end]
		if b.prefix != "" && i > 0 {
			text = b.prefix + text
		}
		if b.end != "" && end == len(word) {
			text += b.end
		}
		if id, ok := b.vocab[text]; ok {
			s.syms = append(s.syms, piece{id, int32(end)})
			fused = false
		} else if b.byteFallback && b.haveBytes(word[i:end]) {
			for k := i; k < end; k++ {
				s.syms = append(s.syms, piece{b.bytes[word[k]], int32(k + 1)})
			}
			fused = false
		} else if b.fuseUnk && fused {
			s.syms[len(s.syms)-1].end = int32(end)
		} else {
			s.syms = append(s.syms, piece{-1, int32(end)})
			fused = true
		}
		i = end
	}
}

func (b *bpe) haveBytes(s string) bool {
	for i := range len(s) {
		if b.bytes[s[i]] < 0 {
			return false
		}
	}
	return true
}

const noRank = int32(1<<31 - 1)

func (b *bpe) rule(l, r int32) merge {
	if m, ok := b.merges[pairKey(l, r)]; ok {
		return m
	}
	return merge{noRank, -1}
}

// mergeShort merges by looking through all pairs each time: fastest for words.
func (b *bpe) mergeShort(s *scratch) {
	syms, ranks := s.syms, s.ranks[:0]
	for i := 0; i+1 < len(syms); i++ {
		ranks = append(ranks, b.rule(syms[i].id, syms[i+1].id))
	}
	for {
		best, at := noRank, -1
		for i, m := range ranks {
			if m.rank < best {
				best, at = m.rank, i
			}
		}
		if at < 0 {
			break
		}
		syms[at] = piece{ranks[at].id, syms[at+1].end}
		syms = append(syms[:at+1], syms[at+2:]...)
		ranks = append(ranks[:at], ranks[at+1:]...)
		if at > 0 {
			ranks[at-1] = b.rule(syms[at-1].id, syms[at].id)
		}
		if at < len(ranks) {
			ranks[at] = b.rule(syms[at].id, syms[at+1].id)
		}
	}
	s.syms, s.ranks = syms, ranks
}

// link is a symbol's place in the list of those that are left: the index of its
// neighbours, -1 at the ends.
type link struct{ prev, next int32 }

// pairAt is a candidate merge of the symbol at index left with the next one.
type pairAt struct {
	rank        int32
	left, right int32
	lid, rid    int32 // the ids it was made for: stale when they changed
}

//lint:ignore U1000 called through queue's type parameter, which staticcheck does not follow
func (p pairAt) before(o pairAt) bool {
	return p.rank < o.rank || p.rank == o.rank && p.left < o.left
}

// mergeLong merges with a priority queue: n log n, for texts without words.
func (b *bpe) mergeLong(s *scratch) {
	syms := s.syms
	links := s.links[:0]
	q := s.queue[:0]
	for i := range syms {
		links = append(links, link{int32(i) - 1, int32(i) + 1})
		if i+1 < len(syms) {
			if m := b.rule(syms[i].id, syms[i+1].id); m.rank != noRank {
				q.push(pairAt{m.rank, int32(i), int32(i + 1), syms[i].id, syms[i+1].id})
			}
		}
	}
	links[len(links)-1].next = -1
	const gone = int32(-2)
	for len(q) > 0 {
		p := q.pop()
		if syms[p.left].id != p.lid || syms[p.right].id != p.rid || links[p.left].next != p.right {
			continue
		}
		syms[p.left] = piece{b.merges[pairKey(p.lid, p.rid)].id, syms[p.right].end}
		syms[p.right].id = gone
		next := links[p.right].next
		links[p.left].next = next
		if next >= 0 {
			links[next].prev = p.left
			if m := b.rule(syms[p.left].id, syms[next].id); m.rank != noRank {
				q.push(pairAt{m.rank, p.left, next, syms[p.left].id, syms[next].id})
			}
		}
		if prev := links[p.left].prev; prev >= 0 {
			if m := b.rule(syms[prev].id, syms[p.left].id); m.rank != noRank {
				q.push(pairAt{m.rank, prev, p.left, syms[prev].id, syms[p.left].id})
			}
		}
	}
	out := syms[:0]
	for i := int32(0); i >= 0; i = links[i].next {
		out = append(out, syms[i])
	}
	s.syms, s.links, s.queue = out, links, q[:0]
}

// resolve replaces symbols that are no tokens: by their bytes' tokens where the
// vocabulary has them, else by the unknown token, else by nothing.
func (b *bpe) resolve(word string, s *scratch) []piece {
	clean := true
	for _, p := range s.syms {
		if p.id < 0 || p.id >= b.size {
			clean = false
			break
		}
	}
	if clean {
		return s.syms
	}
	var out []piece
	from := int32(0)
	for _, p := range s.syms {
		if p.id >= 0 && p.id < b.size {
			out = append(out, p)
		} else if p.id >= b.size && b.byteLevel {
			for k := from; k < p.end; k++ {
				if id := b.bytes[word[k]]; id >= 0 && id < b.size {
					out = append(out, piece{id, k + 1})
				} else if b.unk >= 0 {
					out = append(out, piece{b.unk, k + 1})
				}
			}
		} else if b.unk >= 0 {
			out = append(out, piece{b.unk, p.end})
		}
		from = p.end
	}
	return out
}
