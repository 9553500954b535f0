package tokenizer

import (
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf8"
)

// precompiled is SentencePiece's character map: a double-array trie of what to
// replace (darts-clone units) and a block of zero-ended replacements.
type precompiled struct {
	units []uint32
	block string
}

func newPrecompiled(b []byte) (*precompiled, error) {
	bad := errors.New("precompiled_charsmap is damaged: its parts do not fit its size")
	if len(b) < 4 {
		return nil, bad
	}
	n := binary.LittleEndian.Uint32(b)
	if n%4 != 0 || uint64(n) > uint64(len(b)-4) || n == 0 {
		return nil, bad
	}
	p := &precompiled{units: make([]uint32, n/4), block: string(b[4+n:])}
	for i := range p.units {
		p.units[i] = binary.LittleEndian.Uint32(b[4+4*i:])
	}
	return p, nil
}

// longest gives the longest prefix of s in the trie and its replacement.
func (p *precompiled) longest(s string) (n int, to string, ok bool) {
	offset := func(u uint32) uint32 { return u >> 10 << (u & (1 << 9) >> 6) }
	pos := offset(p.units[0])
	for i := range len(s) {
		c := s[i]
		if c == 0 {
			break
		}
		pos ^= uint32(c)
		if pos >= uint32(len(p.units)) {
			break
		}
		u := p.units[pos]
		if u&(1<<31|0xFF) != uint32(c) {
			break
		}
		pos ^= offset(u)
		if pos >= uint32(len(p.units)) {
			break
		}
		if u>>8&1 == 1 {
			v := p.units[pos] & (1<<31 - 1)
			if v < uint32(len(p.block)) {
				to = p.block[v:]
				if z := strings.IndexByte(to, 0); z >= 0 {
					to = to[:z]
				}
				n, ok = i+1, true
			}
		}
	}
	return n, to, ok
}

func (p *precompiled) apply(a aligned) aligned {
	b := builder{from: a}
	for i := 0; i < len(a.s); {
		if n, to, ok := p.longest(a.s[i:]); ok {
			b.put(to, i, i+n)
			i += n
			continue
		}
		_, w := utf8.DecodeRuneInString(a.s[i:])
		b.keep(i, i+w)
		i += w
	}
	return b.done()
}
