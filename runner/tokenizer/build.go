package tokenizer

import (
	"fmt"
	"math"
	"strings"
)

func (t *Tokenizer) buildBPE(sp *Spec) error {
	pre, err := preTokenizer(sp.Pre)
	if err != nil {
		return err
	}
	b := &bpe{
		vocab:      make(map[string]int32, len(sp.Tokens)),
		merges:     make(map[uint64]merge, len(sp.Merges)),
		size:       int32(len(sp.Tokens)),
		byteLevel:  true,
		unk:        None,
		wholeFirst: pre.wholeFirst || sp.WholeWordsFirst,
	}
	for i, s := range sp.Tokens {
		kind := sp.kind(int32(i))
		spelled, ok := s, false
		if kind != Control && kind != UserDefined {
			spelled, ok = fromAlphabet(s)
		}
		t.texts[i] = spelled
		if _, dup := b.vocab[spelled]; ok && !dup && spelled != "" {
			b.vocab[spelled] = int32(i)
		}
	}
	b.findBytes()
	spell := func(s string) string { s, _ = fromAlphabet(s); return s }
	if err := b.readMerges(sp.Merges, spell); err != nil {
		return err
	}
	t.newStage = func(bool) stage {
		s := new(scratch)
		return func(text string, base int, _ bool, out []Token) []Token {
			pre.split(text, func(x, y int) {
				out = place(out, s.remembered(text[x:y], b.encode), base+x)
			})
			return out
		}
	}
	return nil
}

// readMerges adds the merges of a file, "left right" each. spell gives what a
// symbol stands for.
func (b *bpe) readMerges(merges []string, spell func(string) string) error {
	for i, m := range merges {
		if len(m) < 3 || strings.IndexByte(m[1:], ' ') < 0 {
			return fmt.Errorf("merge %d is %q, not two symbols with a space between: the file is damaged", i, m)
		}
	}
	b.addMerges(func(yield func(l, r string) bool) {
		for _, m := range merges {
			at := 1 + strings.IndexByte(m[1:], ' ')
			if !yield(spell(m[:at]), spell(m[at+1:])) {
				return
			}
		}
	})
	return nil
}

// buildSpacedBPE builds byte-pair encoding over characters, in which U+2581 is
// the space and a character without a token is spelled by its bytes (Gemma 4).
// Words are lines, and runs of newlines, which are tokens as they stand.
func (t *Tokenizer) buildSpacedBPE(sp *Spec) error {
	b := &bpe{
		vocab:        make(map[string]int32, len(sp.Tokens)),
		merges:       make(map[uint64]merge, len(sp.Merges)),
		size:         int32(len(sp.Tokens)),
		byteFallback: true,
		unk:          sp.UNK,
	}
	for c := range b.bytes {
		b.bytes[c] = -1
	}
	for i, s := range sp.Tokens {
		t.texts[i] = unmark(s)
		switch kind := sp.kind(int32(i)); kind {
		case Byte:
			if c, ok := byteToken(s); ok {
				b.bytes[c] = int32(i)
			}
		case Control, Unknown, UserDefined:
		default:
			if _, dup := b.vocab[t.texts[i]]; !dup && s != "" {
				b.vocab[t.texts[i]] = int32(i)
			}
		}
	}
	if err := b.readMerges(sp.Merges, unmark); err != nil {
		return err
	}
	return t.spaced(sp, lines, func(word string, s *scratch) []piece {
		if id, ok := b.vocab[word]; ok && word[0] == '\n' {
			return append(s.syms[:0], piece{id, int32(len(word))})
		}
		return b.encode(word, s)
	})
}

// lines cuts a text into runs of newlines and what stands between them.
func lines(s string, emit func(a, b int)) {
	for at := 0; at < len(s); {
		end := at + 1
		for end < len(s) && (s[end] == '\n') == (s[at] == '\n') {
			end++
		}
		emit(at, end)
		at = end
	}
}

// findBytes fills bytes from the single-byte entries of a byte-level vocabulary.
func (b *bpe) findBytes() {
	for c := range 256 {
		id, ok := b.vocab[string([]byte{byte(c)})]
		if !ok {
			id = -1
		}
		b.bytes[c] = id
	}
}

func (t *Tokenizer) buildScoreMerge(sp *Spec) error {
	m := &scoreMerge{
		vocab:  make(map[string]int32, len(sp.Tokens)),
		scores: make([]float32, len(sp.Tokens)),
		unused: map[int32]bool{},
		glued:  map[rune]bool{},
		unk:    sp.UNK,
	}
	for c := range m.bytes {
		m.bytes[c] = -1
	}
	for i, s := range sp.Tokens {
		id := int32(i)
		m.scores[i] = float32(sp.Scores[i])
		t.texts[i] = unmark(s)
		switch sp.kind(id) {
		case Byte:
			if c, ok := byteToken(s); ok {
				m.bytes[c] = id
			}
			continue
		case Control, Unknown:
			continue
		case Unused:
			m.unused[id] = true
		case UserDefined:
			if strings.Contains(s, " ") {
				continue // only ever matched as it is
			}
		}
		spelled := unmark(s)
		if _, dup := m.vocab[spelled]; !dup && spelled != "" {
			m.vocab[spelled] = id
			glueOf(m.glued, spelled, ' ')
		}
	}
	return t.spaced(sp, m.words, m.encode)
}

func (t *Tokenizer) buildUnigram(sp *Spec) error {
	u := newUnigram(len(sp.Tokens))
	u.gap, u.glued, u.unk = ' ', map[rune]bool{}, sp.UNK
	lowest := math.Inf(1)
	for c := range u.bytes {
		u.bytes[c] = -1
	}
	for i, s := range sp.Tokens {
		id := int32(i)
		u.scores[i] = sp.Scores[i]
		t.texts[i] = unmark(s)
		switch sp.kind(id) {
		case Byte:
			if c, ok := byteToken(s); ok {
				u.bytes[c] = id
				u.fallback = true
			}
			continue
		case Control, Unknown, Unused:
			continue
		case Normal:
			lowest = min(lowest, sp.Scores[i])
		}
		if spelled := unmark(s); spelled != "" {
			u.trie.add(spelled, id)
			glueOf(u.glued, spelled, ' ')
		}
	}
	u.unkScore = lowest - unknownPenalty
	return t.spaced(sp, u.words, u.encode)
}

// spaced sets the stage of vocabularies that keep spaces within their pieces:
// U+2581 in a text counts as a space, and a text that begins may get one.
func (t *Tokenizer) spaced(sp *Spec, words splitter, encode func(string, *scratch) []piece) error {
	t.spacePrefix = sp.AddSpacePrefix
	var norm *precompiled
	if len(sp.PrecompiledMap) > 0 {
		var err error
		if norm, err = newPrecompiled(sp.PrecompiledMap); err != nil {
			return err
		}
	}
	trim, prefix := sp.TrimSpaces, sp.AddSpacePrefix
	t.newStage = func(bool) stage {
		s := new(scratch)
		return func(text string, base int, fresh bool, out []Token) []Token {
			a := alignedTo(text)
			if norm != nil {
				a = norm.apply(a)
			}
			a = replaceLiteral(a, spaceMark, " ")
			if trim {
				a = squeezeSpaces(a)
			}
			if prefix && fresh && (a.s != "" || text == "") {
				a = prepend(a, " ")
			}
			words(a.s, func(x, y int) {
				p := s.remembered(a.s[x:y], encode)
				if a.at == nil {
					out = place(out, p, base+x)
				} else {
					out = a.place(out, p, x, base)
				}
			})
			return out
		}
	}
	return nil
}
