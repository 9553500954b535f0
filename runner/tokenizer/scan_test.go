package tokenizer

import (
	"slices"
	"testing"
)

// The scanners against their patterns, matched by regexp2.
var twins = []struct {
	name    string
	scan    splitter
	pattern string
}{
	{"gpt-2", scanGPT2, `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`},
	{"llama 3", llama3Words.split, `(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
	{"qwen 2", qwen2Words.split, `(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
	{"qwen 3.5", qwen35Words.split, `(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
	{"gpt-4o", gpt4oWords.split, `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
	{"tekken", tekkenWords.split, `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
	{"digits", isolateNumbers(1), `\p{N}`},
	{"three digits", isolateNumbers(3), `\p{N}{1,3}`},
}

func FuzzScannersEqualRegexp2(f *testing.F) {
	for _, s := range []string{
		"I'll say 'tWas  \n\n x", "ǅǅaB ʰa\u0301\u0301 \u0301a'S", "a\u0301B\u0301c ªºA", " \u0301\u0301x", "1234567 ½", "!!\r\n//\n a/b",
		"\t\tif(x)\r\n\r\n  y", "  \u2003\u00a0é", "\xff\xc3a \x80", "'", "''s 'S's're'RE", "你好ABC가나", " 'd", "x  ", "HTTPServer'llX",
	} {
		f.Add(s)
	}
	slow := make([]splitter, len(twins))
	for i, x := range twins {
		slow[i] = mustIsolate(x.pattern)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<11 {
			return
		}
		for i, x := range twins {
			if got, want := cuts(x.scan, text), cuts(slow[i], text); !slices.Equal(got, want) {
				t.Fatalf("%s: %q is cut at %v, want %v", x.name, text, got, want)
			}
		}
	})
}

func cuts(s splitter, text string) (ends []int) {
	at := 0
	s(text, func(a, b int) {
		if a != at {
			ends = append(ends, -1)
		}
		at = b
		ends = append(ends, b)
	})
	return ends
}

func TestPossessivePatternsBecomeAtomic(t *testing.T) {
	for in, want := range map[string]string{
		`a?+b`:                `(?>a?)b`,
		`[^\r\n\p{L}]?+\p{L}`: `(?>[^\r\n\p{L}]?)\p{L}`,
		` ?[^\s\]]++[\r\n]*`:  ` ?(?>[^\s\]]+)[\r\n]*`,
		`(ab|c)*+d`:           `(?>(ab|c)*)d`,
		`a+b?c*`:              `a+b?c*`,
		`\p{N}{1,3}`:          `\p{N}{1,3}`,
	} {
		got, err := atomicGroups(in)
		if err != nil || got != want {
			t.Errorf("%s: %s %v, want %s", in, got, err, want)
		}
	}
}
