package tokenizer_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"headprof/runner/tokenizer"
)

// Every byte-level pre-tokenizer: decoding gives the text back, whatever its
// bytes, and the tokens cover it from end to end.
func FuzzEncodeRoundTrip(f *testing.F) {
	file := readGzip(f, "byte-level.json.gz")
	var all []*tokenizer.Tokenizer
	for _, name := range []string{"gpt-2", "smollm", "llama-bpe", "qwen2", "qwen35", "tekken", "gpt-4o", "deepseek-v3", "deepseek-llm", "falcon", "default"} {
		tok, err := tokenizer.New(specOf(f, file, name))
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, tok)
	}
	sp, err := tokenizer.FromSentencePiece(readGzip(f, "bpe-identity.model.gz"), nil)
	if err != nil {
		f.Fatal(err)
	}
	spaced, err := tokenizer.FromJSON(readGzip(f, "spaced.json.gz"), nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", "Hello, world!", "I'M you'LL 'ſ", " \n\t\r\n  x", "\xff\xfe\x80a\xc3", "<|endoftext|>", "123456 ½Ⅷ", "你好 안녕 👨‍👩‍👧", "\u2581\u2581a\u2581", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<12 {
			return
		}
		for _, tok := range all {
			tokens := tok.Encode(text)
			if back := tok.Decode(ids(tokens)); back != text {
				t.Fatalf("%q decodes to %q", text, back)
			}
			partitions(t, text, tokens)
			tok.EncodeSpecial(text)
		}
		partitions(t, text, spaced.Encode(text))
		tokens := sp.Encode(text)
		partitions(t, text, tokens)
		// The mark is a space to this vocabulary.
		if want := strings.ReplaceAll(text, "\u2581", " "); sp.Decode(ids(tokens)) != want {
			t.Fatalf("%q decodes to %q", want, sp.Decode(ids(tokens)))
		}
	})
}

func FuzzFromJSON(f *testing.F) {
	f.Cleanup(tokenizer.SetMatchTime(20 * time.Millisecond))
	for _, s := range []string{
		`{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]},"added_tokens":[{"id":3,"content":"<x>","special":true}]}`,
		`{"model":{"type":"BPE","vocab":{"a":0,"Ġ":1,"aĠ":2},"merges":[["a","Ġ"]]},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":true},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"a"}},{"Sequence":{"id":"A"}}],"special_tokens":{"a":{"ids":[0]}}}}`,
		`{"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["▁a",-1.5],["b",-2]]},"pre_tokenizer":{"type":"Metaspace","prepend_scheme":"first"},"normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "},{"type":"Precompiled","precompiled_charsmap":"AAQAAA=="}]}}`,
		`{"model":{"type":"BPE","vocab":{"<0x41>":0},"merges":[],"byte_fallback":true,"unk_token":"<0x41>"},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"(a+)+b"},"behavior":"MergedWithNext"},{"type":"Digits"},{"type":"Punctuation"},{"type":"WhitespaceSplit"}]}}`,
		`{"model":{"type":"BPE","vocab":{"a":4000000},"merges":[]}}`,
		`{"model":null}`, `[]`, `{`,
	} {
		f.Add([]byte(s), "a b aab\n 12")
	}
	f.Fuzz(func(t *testing.T, file []byte, text string) {
		if len(file) > 1<<14 || len(text) > 1<<9 {
			return
		}
		tok, err := tokenizer.FromJSON(file, nil)
		if err != nil {
			return
		}
		if tok.Size() > 1<<20 {
			return // a sparse vocabulary is allowed, only slow to fuzz
		}
		for _, x := range append(tok.Encode(text), tok.EncodeSpecial(text)...) {
			if x.ID < 0 || int(x.ID) >= tok.Size() || x.Start < 0 || x.End > len(text) || x.Start > x.End {
				t.Fatalf("token %+v of %d ids, %d bytes", x, tok.Size(), len(text))
			}
		}
	})
}

func FuzzFromSentencePiece(f *testing.F) {
	f.Add([]byte("\x0a\x0e\x0a\x05<unk>\x15\x00\x00\x00\x00\x18\x02\x0a\x08\x0a\x01a\x15\x00\x00\x80\xbf"), "a b")
	f.Add(readGzip(f, "bpe-identity.model.gz")[:3000], "a b")
	f.Fuzz(func(t *testing.T, file []byte, text string) {
		if len(file) > 1<<13 || len(text) > 1<<9 {
			return
		}
		tok, err := tokenizer.FromSentencePiece(file, nil)
		if err != nil {
			return
		}
		for _, x := range tok.Encode(text) {
			if x.ID < 0 || int(x.ID) >= tok.Size() || x.Start < 0 || x.End > len(text) || x.Start > x.End {
				t.Fatalf("token %+v of %d ids, %d bytes", x, tok.Size(), len(text))
			}
		}
	})
}

// Vocabularies of any content: an error or ids within them.
func FuzzNew(f *testing.F) {
	f.Add(`["a","b","ab"]`, `["a b"]`, 0, "abab")
	f.Add(`["<0x41>","▁a","b"]`, `[]`, 1, " ab")
	f.Fuzz(func(t *testing.T, tokens, merges string, kind int, text string) {
		if len(tokens)+len(merges)+len(text) > 1<<12 {
			return
		}
		sp := tokenizer.Spec{Model: []string{"gpt2", "llama", "t5"}[uint(kind)%3], Pre: "default", BOS: tokenizer.None, EOS: tokenizer.None, UNK: tokenizer.None, AddSpacePrefix: kind > 5}
		if json.Unmarshal([]byte(tokens), &sp.Tokens) != nil || json.Unmarshal([]byte(merges), &sp.Merges) != nil {
			return
		}
		for i, s := range sp.Tokens {
			sp.Scores = append(sp.Scores, -float64(i))
			sp.Types = append(sp.Types, tokenizer.Type(1+(len(s)+kind)&7))
		}
		tok, err := tokenizer.New(sp)
		if err != nil {
			return
		}
		for _, x := range tok.Encode(text) {
			if x.ID < 0 || int(x.ID) >= tok.Size() || x.Start < 0 || x.End > len(text) || x.Start > x.End {
				t.Fatalf("token %+v of %d ids, %d bytes", x, tok.Size(), len(text))
			}
		}
		_ = utf8.ValidString(tok.Decode(ids(tok.Encode(text))))
	})
}

// A pattern that takes exponential time holds nobody up, and what comes of it
// is not passed off as tokens; a harmless one is no problem.
func TestExponentialPattern(t *testing.T) {
	defer tokenizer.SetMatchTime(20 * time.Millisecond)()
	for pattern, bad := range map[string]bool{"(a+)+b": true, "a+b": false} {
		tok, err := tokenizer.FromJSON([]byte(`{"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":[]},"pre_tokenizer":{"type":"Split","pattern":{"Regex":"`+pattern+`"},"behavior":"Isolated"}}`), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := tok.Problem(); err != nil {
			t.Errorf("%s, before any text: %v", pattern, err)
		}
		tok.Encode(strings.Repeat("a", 40))
		if err := tok.Problem(); (err != nil) != bad {
			t.Errorf("%s: %v", pattern, err)
		} else if bad && !strings.Contains(err.Error(), `tokenizer.json: pattern "(a+)+b" takes over 20ms`) {
			t.Error(err)
		}
	}
}
