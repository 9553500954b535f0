package tokenizer

import "strings"

// aligned is a text on its way through normalisation, with the place in the
// original that each of its bytes comes from. at has len(s)+1 entries; nil
// means that nothing has moved.
type aligned struct {
	s  string
	at []int32
}

func alignedTo(s string) aligned { return aligned{s: s} }

// origin is the place in the original of s[i:].
func (a aligned) origin(i int) int {
	if a.at == nil {
		return i
	}
	return int(a.at[i])
}

// place appends the pieces of a word that begins at x.
func (a aligned) place(out []Token, pieces []piece, x, base int) []Token {
	from := a.origin(x)
	for _, p := range pieces {
		to := a.origin(x + int(p.end))
		out = append(out, Token{p.id, base + from, base + to})
		from = to
	}
	return out
}

// builder makes an aligned text out of another one.
type builder struct {
	from aligned
	b    strings.Builder
	at   []int32
}

// keep copies [x, y) as it is.
func (n *builder) keep(x, y int) {
	n.b.WriteString(n.from.s[x:y])
	for i := x; i < y; i++ {
		n.at = append(n.at, int32(n.from.origin(i)))
	}
}

// put writes s for what stands at [x, y).
func (n *builder) put(s string, x, y int) {
	n.b.WriteString(s)
	for range len(s) {
		n.at = append(n.at, int32(n.from.origin(x)))
	}
}

func (n *builder) done() aligned {
	n.at = append(n.at, int32(n.from.origin(len(n.from.s))))
	return aligned{n.b.String(), n.at}
}

func replaceLiteral(a aligned, old, new string) aligned {
	if old == "" || !strings.Contains(a.s, old) {
		return a
	}
	n := builder{from: a}
	at := 0
	for {
		i := strings.Index(a.s[at:], old)
		if i < 0 {
			break
		}
		n.keep(at, at+i)
		n.put(new, at+i, at+i+len(old))
		at += i + len(old)
	}
	n.keep(at, len(a.s))
	return n.done()
}

func prepend(a aligned, s string) aligned {
	n := builder{from: a}
	n.put(s, 0, 0)
	n.keep(0, len(a.s))
	return n.done()
}

// squeezeSpaces makes runs of spaces one and takes them from the ends.
func squeezeSpaces(a aligned) aligned {
	n := builder{from: a}
	end := len(strings.TrimRight(a.s, " "))
	for i := 0; i < end; i++ {
		if a.s[i] == ' ' && (i == 0 || a.s[i-1] == ' ') {
			continue
		}
		n.keep(i, i+1)
	}
	return n.done()
}
