package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalizer rewrites a text before it is cut into words.
type normalizer interface{ apply(aligned) aligned }

type normalizers []normalizer

func (n normalizers) apply(a aligned) aligned {
	for _, x := range n {
		a = x.apply(a)
	}
	return a
}

type normalizerFunc func(aligned) aligned

func (f normalizerFunc) apply(a aligned) aligned { return f(a) }

// prependMark is the step that begins every text with a space; it is told apart
// because text that continues other text must not get one.
type prependMark string

func (p prependMark) apply(a aligned) aligned {
	if a.s == "" {
		return a
	}
	return prepend(a, string(p))
}

// readNormalizer reads the "normalizer" of a tokenizer.json; nil is none.
func readNormalizer(raw json.RawMessage, depth int, s *stuck) (normalizers, error) {
	if isNull(raw) {
		return nil, nil
	}
	if depth > maxNesting {
		return nil, fmt.Errorf("normalizers are nested deeper than %d: the file is damaged", maxNesting)
	}
	var n struct {
		Type        string
		Normalizers []json.RawMessage
		Prepend     string
		Pattern     json.RawMessage
		Content     string
		StripLeft   bool   `json:"strip_left"`
		StripRight  bool   `json:"strip_right"`
		Charsmap    []byte `json:"precompiled_charsmap"`
	}
	if err := json.Unmarshal(raw, &n); err != nil {
		return nil, fmt.Errorf("normalizer: %w", err)
	}
	one := func(f func(aligned) aligned) (normalizers, error) { return normalizers{normalizerFunc(f)}, nil }
	switch n.Type {
	case "Sequence":
		var out normalizers
		for _, x := range n.Normalizers {
			more, err := readNormalizer(x, depth+1, s)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
		return out, nil
	case "Prepend":
		return normalizers{prependMark(n.Prepend)}, nil
	case "Replace":
		literal, find, err := readPattern(n.Pattern, s)
		if err != nil {
			return nil, fmt.Errorf("normalizer Replace: %w", err)
		}
		if find == nil {
			return one(func(a aligned) aligned { return replaceLiteral(a, literal, n.Content) })
		}
		return one(func(a aligned) aligned { return replaceFound(a, find, n.Content) })
	case "NFC":
		return one(unicodeForm(norm.NFC))
	case "NFD":
		return one(unicodeForm(norm.NFD))
	case "NFKC":
		return one(unicodeForm(norm.NFKC))
	case "NFKD":
		return one(unicodeForm(norm.NFKD))
	case "Lowercase":
		return one(lowercase)
	case "StripAccents":
		return one(stripAccents)
	case "Strip":
		return one(func(a aligned) aligned { return stripSpace(a, n.StripLeft, n.StripRight) })
	case "Precompiled":
		if len(n.Charsmap) == 0 {
			return nil, nil
		}
		p, err := newPrecompiled(n.Charsmap)
		if err != nil {
			return nil, err
		}
		return normalizers{p}, nil
	}
	return nil, fmt.Errorf("normalizer %q is not supported; supported are Sequence, Prepend, Replace, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip and Precompiled", n.Type)
}

// readPattern reads {"String": s} or {"Regex": s}; find is nil for a string.
func readPattern(raw json.RawMessage, s *stuck) (literal string, find finder, err error) {
	var p struct{ String, Regex *string }
	if err := json.Unmarshal(raw, &p); err != nil {
		return "", nil, fmt.Errorf("pattern: %w", err)
	}
	switch {
	case p.String != nil:
		return *p.String, nil, nil
	case p.Regex != nil:
		find, err = compile(*p.Regex, matchTime, s)
		return *p.Regex, find, err
	}
	return "", nil, fmt.Errorf("pattern is neither a String nor a Regex")
}

func replaceFound(a aligned, find finder, new string) aligned {
	b := builder{from: a}
	at := 0
	find(a.s, func(x, y int) {
		b.keep(at, x)
		b.put(new, x, y)
		at = y
	})
	if at == 0 {
		return a
	}
	b.keep(at, len(a.s))
	return b.done()
}

// unicodeForm normalises segment by segment, so that every character of the
// result is known to come from its segment.
func unicodeForm(f norm.Form) func(aligned) aligned {
	return func(a aligned) aligned {
		if f.IsNormalString(a.s) {
			return a
		}
		b := builder{from: a}
		for i := 0; i < len(a.s); {
			n := f.NextBoundaryInString(a.s[i:], true)
			if n <= 0 {
				n = len(a.s) - i
			}
			if part := a.s[i : i+n]; f.IsNormalString(part) {
				b.keep(i, i+n)
			} else {
				b.put(f.String(part), i, i+n)
			}
			i += n
		}
		return b.done()
	}
}

func lowercase(a aligned) aligned {
	if strings.ToLower(a.s) == a.s {
		return a
	}
	return mapRunes(a, func(r rune) string {
		if r == 'İ' {
			return "i̇"
		}
		return string(unicode.ToLower(r))
	})
}

func stripAccents(a aligned) aligned {
	return mapRunes(a, func(r rune) string {
		if unicode.Is(unicode.M, r) {
			return ""
		}
		return string(r)
	})
}

func mapRunes(a aligned, f func(rune) string) aligned {
	b := builder{from: a}
	for i := 0; i < len(a.s); {
		r, w := utf8.DecodeRuneInString(a.s[i:])
		if r == utf8.RuneError && w == 1 {
			b.keep(i, i+1)
		} else if to := f(r); to == a.s[i:i+w] {
			b.keep(i, i+w)
		} else {
			b.put(to, i, i+w)
		}
		i += w
	}
	return b.done()
}

func stripSpace(a aligned, left, right bool) aligned {
	x, y := 0, len(a.s)
	if left {
		x = y - len(strings.TrimLeftFunc(a.s, unicode.IsSpace))
	}
	if right {
		y = x + len(strings.TrimRightFunc(a.s[x:], unicode.IsSpace))
	}
	if x == 0 && y == len(a.s) {
		return a
	}
	b := builder{from: a}
	b.keep(x, y)
	return aligned{b.b.String(), append(b.at, int32(a.origin(y)))}
}
