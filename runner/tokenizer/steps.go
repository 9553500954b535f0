package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A tokenizer.json cuts texts with steps, each of which may cut the words of
// the one before it further, drop parts or write a mark for spaces.

// words is a text under way and the ranges of it that are words so far.
type words struct {
	a     aligned
	cuts  [][2]int
	fresh bool // the text begins anew: marks for a space before it may be put
	first bool // it is the first text of all
}

// step is one pre-tokenizer.
type step func(*words)

func cutWith(split splitter) step {
	return func(w *words) {
		out := make([][2]int, 0, len(w.cuts))
		for _, c := range w.cuts {
			split(w.a.s[c[0]:c[1]], func(a, b int) { out = append(out, [2]int{c[0] + a, c[0] + b}) })
		}
		w.cuts = out
	}
}

// rewrite makes each word anew: f keeps or puts what belongs to word i.
func (w *words) rewrite(f func(n *builder, i, x, y int)) {
	n := builder{from: w.a}
	at := 0
	for i, c := range w.cuts {
		x, y := c[0], c[1]
		n.keep(at, x)
		w.cuts[i][0] = n.b.Len()
		f(&n, i, x, y)
		w.cuts[i][1] = n.b.Len()
		at = y
	}
	n.keep(at, len(w.a.s))
	w.a = n.done()
}

const maxNesting = 16

// readSteps reads a "pre_tokenizer" of a tokenizer.json. byteLevel reports
// whether words reach the model as bytes.
func readSteps(raw json.RawMessage, depth int, s *stuck) (steps []step, byteLevel bool, err error) {
	if isNull(raw) {
		return nil, false, nil
	}
	if depth > maxNesting {
		return nil, false, fmt.Errorf("pre-tokenizers are nested deeper than %d: the file is damaged", maxNesting)
	}
	var p struct {
		Type        string
		Steps       []json.RawMessage `json:"pretokenizers"`
		Pattern     json.RawMessage
		Behavior    string
		Invert      bool
		AddPrefix   *bool `json:"add_prefix_space"`
		UseRegex    *bool `json:"use_regex"`
		Individual  bool  `json:"individual_digits"`
		Replacement string
		Scheme      string `json:"prepend_scheme"`
		Split       *bool
		Delimiter   string
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, false, fmt.Errorf("pre_tokenizer: %w", err)
	}
	one := func(s step) ([]step, bool, error) { return []step{s}, false, nil }
	switch p.Type {
	case "Sequence":
		for _, x := range p.Steps {
			more, isBytes, err := readSteps(x, depth+1, s)
			if err != nil {
				return nil, false, err
			}
			steps, byteLevel = append(steps, more...), byteLevel || isBytes
		}
		return steps, byteLevel, nil
	case "ByteLevel":
		if p.AddPrefix == nil || *p.AddPrefix {
			steps = append(steps, spaceBefore)
		}
		if p.UseRegex == nil || *p.UseRegex {
			steps = append(steps, cutWith(scanGPT2))
		}
		return steps, true, nil
	case "Split":
		split, err := readSplit(p.Pattern, p.Behavior, p.Invert, s)
		if err != nil {
			return nil, false, err
		}
		return one(cutWith(split))
	case "Digits":
		if p.Individual {
			return one(cutWith(isolateNumbers(1)))
		}
		return one(cutWith(isolateNumbers(0)))
	case "Punctuation":
		split, err := behave(eachRune(isPunctuation), p.Behavior, false)
		if err != nil {
			return nil, false, err
		}
		return one(cutWith(split))
	case "Whitespace":
		return one(cutWith(wordsOrSymbols))
	case "WhitespaceSplit":
		return one(cutWith(removed(eachRune(unicode.IsSpace))))
	case "CharDelimiterSplit":
		r, n := utf8.DecodeRuneInString(p.Delimiter)
		if n == 0 || n != len(p.Delimiter) {
			return nil, false, fmt.Errorf("pre-tokenizer CharDelimiterSplit: delimiter %q is not one character", p.Delimiter)
		}
		return one(cutWith(removed(eachRune(func(x rune) bool { return x == r }))))
	case "Metaspace":
		m := metaspace{mark: p.Replacement, scheme: p.Scheme, split: p.Split == nil || *p.Split}
		if m.mark == "" {
			m.mark = spaceMark
		}
		if m.scheme == "" {
			m.scheme = "always"
			if p.AddPrefix != nil && !*p.AddPrefix {
				m.scheme = "never"
			}
		}
		if utf8.RuneCountInString(m.mark) != 1 {
			return nil, false, fmt.Errorf("pre-tokenizer Metaspace: replacement %q is not one character", m.mark)
		}
		return one(m.step)
	}
	return nil, false, fmt.Errorf("pre-tokenizer %q is not supported; supported are Sequence, ByteLevel, Split, Digits, Punctuation, Whitespace, WhitespaceSplit, CharDelimiterSplit and Metaspace", p.Type)
}

// spaceBefore puts a space before every word that does not begin with one.
func spaceBefore(w *words) {
	if !w.fresh {
		return
	}
	w.rewrite(func(n *builder, _, x, y int) {
		if x < y && n.from.s[x] != ' ' {
			n.put(" ", x, x)
		}
		n.keep(x, y)
	})
}

// metaspace writes spaces as a mark, and puts one before a text; it may also
// cut before each mark.
type metaspace struct {
	mark, scheme string
	split        bool
}

func (m metaspace) step(w *words) {
	w.rewrite(func(n *builder, i, x, y int) {
		begins := strings.HasPrefix(w.a.s[x:y], " ") || strings.HasPrefix(w.a.s[x:y], m.mark)
		if x < y && !begins && w.fresh && (m.scheme == "always" || m.scheme == "first" && w.first && i == 0 && n.from.origin(x) == 0) {
			n.put(m.mark, x, x)
		}
		for k := x; k < y; k++ {
			if n.from.s[k] == ' ' {
				n.put(m.mark, k, k+1)
			} else {
				n.keep(k, k+1)
			}
		}
	})
	if m.split {
		mark, _ := utf8.DecodeRuneInString(m.mark)
		cutWith(func(s string, emit func(a, b int)) { cutAtGaps(s, mark, nil, emit) })(w)
	}
}

func isPunctuation(r rune) bool {
	return unicode.Is(unicode.P, r) || r < 0x80 && unicode.Is(unicode.S, r)
}

// eachRune finds single characters.
func eachRune(is func(rune) bool) finder {
	return func(s string, match func(a, b int)) {
		for i := 0; i < len(s); {
			r, w := utf8.DecodeRuneInString(s[i:])
			if is(r) {
				match(i, i+w)
			}
			i += w
		}
	}
}

// wordsOrSymbols finds \w+|[^\w\s]+.
func wordsOrSymbols(s string, match func(a, b int)) {
	kind := func(i int) (int, int) {
		r, w := utf8.DecodeRuneInString(s[i:])
		switch {
		case isWord(r):
			return 1, w
		case unicode.IsSpace(r):
			return 0, w
		}
		return 2, w
	}
	for i := 0; i < len(s); {
		k, w := kind(i)
		end := i + w
		for end < len(s) {
			k2, w2 := kind(end)
			if k2 != k {
				break
			}
			end += w2
		}
		if k != 0 {
			match(i, end)
		}
		i = end
	}
}

// removed makes words of what stands between matches.
func removed(find finder) splitter {
	return func(s string, emit func(a, b int)) {
		from := 0
		find(s, func(a, b int) {
			if a > from {
				emit(from, a)
			}
			from = b
		})
		if from < len(s) {
			emit(from, len(s))
		}
	}
}

func readSplit(raw json.RawMessage, behavior string, invert bool, s *stuck) (splitter, error) {
	var known struct{ Regex *string }
	if json.Unmarshal(raw, &known) == nil && known.Regex != nil && strings.EqualFold(behavior, "Isolated") && !invert {
		if s, ok := scanners[*known.Regex]; ok {
			return s, nil
		}
	}
	text, find, err := readPattern(raw, s)
	if err != nil {
		return nil, fmt.Errorf("pre-tokenizer Split: %w", err)
	}
	if find == nil {
		find = func(s string, match func(a, b int)) {
			for at := 0; text != ""; {
				i := strings.Index(s[at:], text)
				if i < 0 {
					return
				}
				match(at+i, at+i+len(text))
				at += i + len(text)
			}
		}
	}
	return behave(find, behavior, invert)
}

// behave says what becomes of a step's matches (or, inverted, of what stands
// between them).
func behave(find finder, behavior string, invert bool) (splitter, error) {
	if invert {
		plain := find
		find = func(s string, match func(a, b int)) { removed(plain)(s, match) }
	}
	switch strings.ToLower(strings.ReplaceAll(behavior, "_", "")) {
	case "", "isolated":
		return isolate(find), nil
	case "removed":
		return removed(find), nil
	case "contiguous", "mergedwithprevious", "mergedwithnext":
	default:
		return nil, fmt.Errorf("split behavior %q is not known", behavior)
	}
	mode := strings.ToLower(strings.ReplaceAll(behavior, "_", ""))
	return func(s string, emit func(a, b int)) {
		type part struct {
			a, b int
			hit  bool
		}
		var parts []part
		add := func(a, b int, hit bool) {
			if a == b {
				return
			}
			n := len(parts)
			switch {
			case n > 0 && mode == "contiguous" && parts[n-1].hit == hit,
				n > 0 && mode == "mergedwithprevious" && hit && !parts[n-1].hit:
				parts[n-1].b, parts[n-1].hit = b, hit
			default:
				parts = append(parts, part{a, b, hit})
			}
		}
		from := 0
		find(s, func(a, b int) {
			add(from, a, false)
			add(a, b, true)
			from = b
		})
		add(from, len(s), false)
		for i := 0; i < len(parts); i++ {
			p := parts[i]
			if mode == "mergedwithnext" && p.hit && i+1 < len(parts) && !parts[i+1].hit {
				i++
				p.b = parts[i].b
			}
			emit(p.a, p.b)
		}
	}, nil
}

// scanners holds patterns that tokenizer.json files use and that have a scanner
// here; Oniguruma's (?i:) folds U+017F to s, hence fold 2.
var scanners = func() map[string]splitter {
	fold := func(w wordScan) splitter {
		w.fold = min(2, w.fold*2)
		return w.split
	}
	anyDigits := llama3Words
	anyDigits.digits = 0
	const (
		head = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|`
		tail = `| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
		old  = `'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|`
		oldT = `| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`
		up   = `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
		low  = `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
		sfx  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)?`
		lead = `[^\r\n\p{L}\p{N}]?`
		oTl  = `| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	)
	m := map[string]splitter{
		head + `\p{N}{1,3}` + tail: fold(llama3Words),
		head + `\p{N}` + tail:      fold(qwen2Words),
		head + `\p{N}{1}` + tail:   fold(qwen2Words),
		head + `\p{N}+` + tail:     fold(anyDigits),
		old + `\p{N}{1,3}` + oldT:  fold(llama3Words),
		old + `\p{N}` + oldT:       fold(qwen2Words),
		`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`: fold(qwen35Words),
		lead + up + `*` + low + `+` + sfx + `|` + lead + up + `+` + low + `*` + sfx + `|\p{N}{1,3}` + oTl:                            fold(gpt4oWords),
		lead + up + `*` + low + `+|` + lead + up + `+` + low + `*|\p{N}` + oTl:                                                       tekkenWords.split,
		`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`:                                                 scanGPT2,
		`\p{N}`:      isolateNumbers(1),
		`\p{N}{1,3}`: isolateNumbers(3),
		`\p{N}+`:     isolateNumbers(0),
	}
	return m
}()
