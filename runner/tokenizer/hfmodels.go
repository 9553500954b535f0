package tokenizer

import (
	"fmt"
	"math"
	"sort"
)

// bpe builds a BPE model; glued is nil where texts must not be cut before marks.
func (f *hfFile) bpe(vocab map[string]int32, byteLevel bool, special map[string]bool) (b *bpe, glued map[rune]bool, err error) {
	m := &f.Model
	b = &bpe{
		vocab:        make(map[string]int32, len(vocab)),
		merges:       make(map[uint64]merge, len(m.Merges)),
		byteLevel:    byteLevel,
		byteFallback: m.ByteFallback,
		fuseUnk:      m.FuseUnk,
		wholeFirst:   m.IgnoreMerges,
		unk:          None,
	}
	for c := range b.bytes {
		b.bytes[c] = -1
	}
	if m.Prefix != nil {
		b.prefix = *m.Prefix
	}
	if m.Suffix != nil {
		b.end = *m.Suffix
	}
	if byteLevel && (b.prefix != "" || b.end != "") {
		return nil, nil, fmt.Errorf("model: a byte-level vocabulary with a continuing_subword_prefix or an end_of_word_suffix is not supported")
	}
	glued = map[rune]bool{}
	_, gap := vocab[spaceMark]
	for s, id := range vocab {
		b.size = max(b.size, id+1)
		if special[s] {
			continue // text must not spell a control token
		}
		spelled := s
		if byteLevel {
			var ok bool
			if spelled, ok = fromAlphabet(s); !ok {
				continue
			}
		} else if c, ok := byteToken(s); ok && m.ByteFallback {
			b.bytes[c] = id
			continue
		}
		b.vocab[spelled] = id
		glueOf(glued, spelled, '\u2581')
	}
	for _, a := range f.Added {
		b.size = max(b.size, int32(a.ID)+1)
	}
	if byteLevel {
		b.findBytes()
	}
	if m.Unk != nil {
		if id, ok := vocab[*m.Unk]; ok {
			b.unk = id
		}
	}
	b.addMerges(func(yield func(l, r string) bool) {
		for _, x := range m.Merges {
			l, r := x.left, x.right
			if byteLevel {
				l, _ = fromAlphabet(l)
				r, _ = fromAlphabet(r)
			} else {
				glueOf(glued, l+r, '\u2581')
			}
			if !yield(l, r) {
				return
			}
		}
	})
	if byteLevel || !gap || m.IgnoreMerges || b.prefix != "" || b.end != "" {
		glued = nil
	}
	return b, glued, nil
}

// unigram builds a Unigram model.
func (f *hfFile) unigram(vocab map[string]int32, scores []float64, special map[string]bool) *unigram {
	u := newUnigram(len(scores))
	u.gap, u.glued, u.unk = '\u2581', map[rune]bool{}, None
	copy(u.scores, scores)
	lowest := math.Inf(1)
	for c := range u.bytes {
		u.bytes[c] = -1
	}
	for _, x := range scores {
		lowest = min(lowest, x)
	}
	// In a fixed order: which of two equal spellings wins must not vary.
	list := make([]string, 0, len(vocab))
	for s := range vocab {
		list = append(list, s)
	}
	sort.Slice(list, func(i, j int) bool { return vocab[list[i]] < vocab[list[j]] })
	for _, s := range list {
		id := vocab[s]
		if c, ok := byteToken(s); ok && f.Model.ByteFallback {
			u.bytes[c] = id
			u.fallback = true
			continue
		}
		if s != "" && !special[s] {
			u.trie.add(s, id)
			glueOf(u.glued, s, u.gap)
		}
	}
	if id := f.Model.UnkID; id != nil && *id >= 0 && *id < int64(len(scores)) {
		u.unk = int32(*id)
	}
	u.unkScore = lowest - unknownPenalty
	return u
}
