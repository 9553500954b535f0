package tokenizer

import (
	"math"
	"unicode/utf8"
)

// unigram picks the segmentation of a text whose pieces' log probabilities sum
// highest (Kudo 2018, arXiv 1804.10959), by Viterbi's recursion over byte
// positions. Of equal sums the one whose last piece is longest wins.
type unigram struct {
	trie     trie
	scores   []float64
	glued    map[rune]bool
	gap      rune // what pieces write for a space
	bytes    [256]int32
	fallback bool // unknown characters are spelled by their bytes' tokens
	unk      int32
	unkScore float64
}

// unknownPenalty is what an unknown character costs below the worst piece.
const unknownPenalty = 10

func newUnigram(size int) *unigram {
	return &unigram{trie: trie{next: map[uint64]int32{}, leaf: []int32{-1}}, scores: make([]float64, size)}
}

// trie finds all pieces that a text begins with.
type trie struct {
	next map[uint64]int32 // node<<8 | byte: node
	leaf []int32          // node: piece or -1
}

func (t *trie) add(s string, id int32) {
	n := int32(0)
	for i := range len(s) {
		k := uint64(n)<<8 | uint64(s[i])
		m, ok := t.next[k]
		if !ok {
			m = int32(len(t.leaf))
			t.leaf = append(t.leaf, -1)
			t.next[k] = m
		}
		n = m
	}
	if t.leaf[n] < 0 {
		t.leaf[n] = id
	}
}

func (u *unigram) words(s string, emit func(a, b int)) { cutAtGaps(s, u.gap, u.glued, emit) }

type lattice struct {
	score float64
	from  int32
	id    int32
}

func (u *unigram) encode(word string, s *scratch) []piece {
	best := make([]lattice, len(word)+1)
	for i := range best {
		best[i].score = math.Inf(-1)
	}
	best[0].score = 0
	for i := 0; i < len(word); {
		_, w := utf8.DecodeRuneInString(word[i:])
		here := best[i].score
		single := false
		for n, k := int32(0), i; k < len(word); {
			m, ok := u.trie.next[uint64(n)<<8|uint64(word[k])]
			if !ok {
				break
			}
			n = m
			k++
			if id := u.trie.leaf[n]; id >= 0 {
				if sum := here + u.scores[id]; best[k].id == 0 && math.IsInf(best[k].score, -1) || sum > best[k].score {
					best[k] = lattice{sum, int32(i), id}
				}
				single = single || k == i+w
			}
		}
		if !single {
			k := i + w
			if sum := here + u.unkScore; math.IsInf(best[k].score, -1) || sum > best[k].score {
				best[k] = lattice{sum, int32(i), -1}
			}
		}
		i += w
	}
	out := s.syms[:0]
	for k := int32(len(word)); k > 0; k = best[k].from {
		if id := best[k].id; id >= 0 {
			out = append(out, piece{id, k})
			continue
		}
		from := best[k].from
		if u.fallback && u.spelled(word[from:k]) {
			for j := k; j > from; j-- {
				out = append(out, piece{u.bytes[word[j-1]], j})
			}
		} else if n := len(out); n > 0 && out[n-1].id == u.unk && best[out[n-1].end].id < 0 {
			continue // a run of unknown characters is one token, ending where it ends
		} else if u.unk >= 0 {
			out = append(out, piece{u.unk, k})
		}
	}
	for a, b := 0, len(out)-1; a < b; a, b = a+1, b-1 {
		out[a], out[b] = out[b], out[a]
	}
	s.syms = out
	return out
}

func (u *unigram) spelled(s string) bool {
	for i := range len(s) {
		if u.bytes[s[i]] < 0 {
			return false
		}
	}
	return true
}

// cutAtGaps cuts a text before each gap character (a space, or what stands for
// one) unless some piece holds the character before it followed by a gap: no
// piece can cross such a cut, so the cut text gives the same tokens.
func cutAtGaps(s string, gap rune, glued map[rune]bool, emit func(a, b int)) {
	from := 0
	prev := rune(-1)
	for i, r := range s {
		if r == gap && i > from && !glued[prev] {
			emit(from, i)
			from = i
		}
		prev = r
	}
	if from < len(s) {
		emit(from, len(s))
	}
}

// glueOf collects the characters that stand before a gap within a piece.
func glueOf(glued map[rune]bool, piece string, gap rune) {
	prev := rune(-1)
	for _, r := range piece {
		if r == gap && prev >= 0 {
			glued[prev] = true
		}
		prev = r
	}
}
