package tokenizer

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

// class holds the general categories that pre-tokenizers ask about, as bits.
type class uint8

const (
	letter  class = 1 << iota // \p{L}
	number                    // \p{N}
	space                     // \s, the White_Space property
	mark                      // \p{M}
	punct                     // \p{P}
	symbol                    // \p{S}
	upper                     // \p{Lu} \p{Lt}
	lower                     // \p{Ll}
	noClass class = 0
)

// classes maps every code point to its bits. One flat table keeps the scanners'
// inner loops free of binary searches; it is filled on first use.
var classes = sync.OnceValue(func() *[unicode.MaxRune + 1]class {
	t := new([unicode.MaxRune + 1]class)
	add := func(rt *unicode.RangeTable, c class) {
		for _, r := range rt.R16 {
			for x := uint32(r.Lo); x <= uint32(r.Hi); x += uint32(r.Stride) {
				t[x] |= c
			}
		}
		for _, r := range rt.R32 {
			for x := r.Lo; x <= r.Hi; x += r.Stride {
				t[x] |= c
			}
		}
	}
	add(unicode.L, letter)
	add(unicode.N, number)
	add(unicode.White_Space, space)
	add(unicode.M, mark)
	add(unicode.P, punct)
	add(unicode.S, symbol)
	add(unicode.Lu, upper)
	add(unicode.Lt, upper)
	add(unicode.Ll, lower)
	return t
})

// runeAt gives the rune at s[i:], its class and its width in bytes; width 0 at
// the end. An invalid byte reads as U+FFFD, one byte wide.
func runeAt(t *[unicode.MaxRune + 1]class, s string, i int) (rune, class, int) {
	if i >= len(s) {
		return 0, noClass, 0
	}
	if c := s[i]; c < utf8.RuneSelf {
		return rune(c), t[c], 1
	}
	r, w := utf8.DecodeRuneInString(s[i:])
	return r, t[r], w
}
