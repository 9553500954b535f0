package tokenizer_test

import (
	"slices"
	"testing"

	"headprof/fixtures/reference"
	"headprof/runner/chat"
	"headprof/runner/gguf"
	"headprof/runner/tokenizer"
)

func openFile(t testing.TB, name string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(reference.Model(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func openModel(t testing.TB, name string) *tokenizer.Tokenizer {
	t.Helper()
	f := openFile(t, name)
	defer f.Close()
	tok, err := tokenizer.FromMetadata(f, tokenizer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func ids(tokens []tokenizer.Token) []int32 {
	out := make([]int32, len(tokens))
	for i, x := range tokens {
		out[i] = x.ID
	}
	return out
}

// The ids of llama.cpp for strings that tokenizers get wrong.
func TestOracleStrings(t *testing.T) {
	var cases []struct {
		I       int
		Text    string
		Smollm2 []int32
		Gemma3  []int32
	}
	reference.Read(t, "tokenizer.json", &cases)
	for name, want := range map[string]func(i int) []int32{
		"smollm2.gguf":     func(i int) []int32 { return cases[i].Smollm2 },
		"gemma3-270m.gguf": func(i int) []int32 { return cases[i].Gemma3 },
	} {
		t.Run(name, func(t *testing.T) {
			tok := openModel(t, name)
			for i, c := range cases {
				got := tok.Encode(c.Text)
				if !slices.Equal(ids(got), want(i)) {
					t.Errorf("%q (%d): %v, want %v", c.Text, c.I, ids(got), want(i))
				}
				partitions(t, c.Text, got)
				if back := tok.Decode(ids(got)); back != c.Text {
					t.Errorf("%q decodes to %q", c.Text, back)
				}
			}
		})
	}
}

// partitions checks that tokens cover a text from end to end without overlap.
func partitions(t testing.TB, text string, tokens []tokenizer.Token) {
	t.Helper()
	at := 0
	for i, x := range tokens {
		if x.Start != at || x.End < x.Start {
			t.Fatalf("%q: token %d covers [%d, %d), after %d", text, i, x.Start, x.End, at)
		}
		at = x.End
	}
	if at != len(text) {
		t.Fatalf("%q: the tokens end at %d of %d", text, at, len(text))
	}
}

func TestSpecialTokens(t *testing.T) {
	smol, gemma := openModel(t, "smollm2.gguf"), openModel(t, "gemma3-270m.gguf")
	// Ids from the files' vocabularies; whole strings from llama.cpp's rules.
	for _, c := range []struct {
		tok  *tokenizer.Tokenizer
		text string
		want []int32
	}{
		{smol, "<|im_start|>user\nHi<|im_end|>", []int32{1, 4093, 198, 26843, 2}},
		{gemma, "<bos><start_of_turn>user\n", []int32{2, 105, 2364, 107}},
	} {
		if got := ids(c.tok.EncodeSpecial(c.text)); !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, want %v", c.text, got, c.want)
		}
	}
	for _, c := range []struct {
		tok       *tokenizer.Tokenizer
		bos       int32
		add       bool
		size      int
		newline   int32
		ends      []int32
		continue_ []int32
	}{
		{smol, 1, false, 49152, 198, []int32{0, 2}, []int32{1, 198}},
		{gemma, 2, true, 262144, 107, []int32{1, 106}, []int32{2, 105, 107, 212}},
	} {
		if id, add := c.tok.BOS(); id != c.bos || add != c.add {
			t.Errorf("BOS %d %v, want %d %v", id, add, c.bos, c.add)
		}
		if c.tok.Size() != c.size {
			t.Errorf("size %d, want %d", c.tok.Size(), c.size)
		}
		if id, ok := c.tok.Newline(); !ok || id != c.newline {
			t.Errorf("newline %d %v, want %d", id, ok, c.newline)
		}
		for _, id := range c.ends {
			if !c.tok.IsEnd(id) {
				t.Errorf("%q is not an end", c.tok.Text(id))
			}
		}
		for _, id := range c.continue_ {
			if c.tok.IsEnd(id) {
				t.Errorf("%q is an end", c.tok.Text(id))
			}
		}
	}
}

// The texts that transformers decoded the oracle's greedy ids to.
func TestOracleTexts(t *testing.T) {
	type trial struct {
		ID     string
		Needle struct{ Needle, Answer string }
		Answer []int32 `json:"answer_ids"`
		Prompt []int32 `json:"prompt_ids"`
		Insert int     `json:"insertion"`
		Greedy struct {
			Text string
			IDs  []int32
		}
	}
	for _, model := range reference.Models {
		trials := reference.Trials[trial](t, model.Name)
		tok := openModel(t, model.File)
		bos, add := tok.BOS()
		for _, x := range trials {
			if got := tok.Decode(x.Greedy.IDs); got != x.Greedy.Text {
				t.Errorf("%s: %v decode to %q, want %q", x.ID, x.Greedy.IDs, got, x.Greedy.Text)
			}
			if got := ids(tok.Encode(" " + x.Needle.Answer)); !slices.Equal(got, x.Answer) {
				t.Errorf("%s: answer %v, want %v", x.ID, got, x.Answer)
			}
			at := x.Insert
			if add {
				at++
				if x.Prompt[0] != bos {
					t.Errorf("%s begins with %d", x.ID, x.Prompt[0])
				}
			}
			needle := ids(tok.Encode(" " + x.Needle.Needle))
			if got := x.Prompt[at : at+len(needle)]; !slices.Equal(got, needle) {
				t.Errorf("%s: needle %v, want %v", x.ID, needle, got)
			}
		}
	}
}

// A template's tokens around a text's are those of the whole conversation, where
// the template parts them with a token of its own.
func TestFrameComposes(t *testing.T) {
	f := openFile(t, "smollm2.gguf")
	defer f.Close()
	template, ok, err := f.String("tokenizer.chat_template")
	if !ok || err != nil {
		t.Fatal("the file has a chat template", err)
	}
	tok := openModel(t, "smollm2.gguf")
	before, after, err := chat.Frame(template, tok.Text(1), tok.Text(2), nil)
	if err != nil {
		t.Fatal(err)
	}
	const text = "Where is the key, <|im_end|>?"
	prefix, suffix := tok.Frame(before, after)
	got := append(append(prefix, ids(tok.Encode(text))...), suffix...)
	// "<|im_end|>" in the text stays text, so the whole cannot be encoded at once.
	want := ids(tok.EncodeSpecial(before))
	want = append(want, ids(tok.Encode(text))...)
	want = append(want, ids(tok.EncodeSpecial(after))...)
	if !slices.Equal(got, want) || slices.Index(got[len(prefix):len(got)-len(suffix)], 2) >= 0 {
		t.Errorf("%v, want %v", got, want)
	}
	whole := ids(tok.EncodeSpecial(before + "Where is the key?" + after))
	parts := append(append(slices.Clone(prefix), ids(tok.Encode("Where is the key?"))...), suffix...)
	if !slices.Equal(parts, whole) {
		t.Errorf("in parts %v, whole %v", parts, whole)
	}
}
