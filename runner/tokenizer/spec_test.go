package tokenizer_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"headprof/runner/tokenizer"
)

// table is a metadata table in memory.
type table map[string]any

func find[T any](t table, key string) (v T, ok bool, err error) {
	x, ok := t[key]
	if !ok {
		return v, false, nil
	}
	v, is := x.(T)
	if !is {
		return v, false, errors.New("metadata " + key + " is of another kind")
	}
	return v, true, nil
}

func (t table) String(k string) (string, bool, error)    { return find[string](t, k) }
func (t table) Uint(k string) (uint64, bool, error)      { return find[uint64](t, k) }
func (t table) Bool(k string) (bool, bool, error)        { return find[bool](t, k) }
func (t table) Strings(k string) ([]string, bool, error) { return find[[]string](t, k) }
func (t table) Ints(k string) ([]int64, bool, error)     { return find[[]int64](t, k) }
func (t table) Floats(k string) ([]float64, bool, error) { return find[[]float64](t, k) }
func with(t table, more table) table {
	out := table{}
	for k, v := range t {
		out["tokenizer.ggml."+k] = v
	}
	for k, v := range more {
		if v == nil {
			delete(out, "tokenizer.ggml."+k)
		} else {
			out["tokenizer.ggml."+k] = v
		}
	}
	return out
}

var (
	gpt2 = table{
		"model": "gpt2", "pre": "gpt-2", "tokens": []string{"a", "b", "Ġ", "ab", "Ċ", "<|im_end|>", "<pad>"},
		"token_type": []int64{1, 1, 1, 1, 1, 3, 3}, "merges": []string{"a b"}, "eos_token_id": uint64(6),
	}
	llama = table{
		"model": "llama", "tokens": []string{"<unk>", "<s>", "</s>", "<0x0A>", "▁", "a", "▁a", "<0xC3>"},
		"token_type": []int64{2, 3, 3, 6, 1, 1, 1, 6}, "scores": []float64{0, 0, 0, 0, -3, -2, -1, 0},
	}
)

func TestFromMetadata(t *testing.T) {
	tok, err := tokenizer.FromMetadata(with(gpt2, nil), tokenizer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(tok.Encode("ab a\n<|im_end|>")); !slices.Equal(got, []int32{3, 2, 0, 4}) {
		t.Errorf("ids %v", got) // what the vocabulary cannot spell is dropped
	}
	if got := ids(tok.EncodeSpecial("ab<|im_end|>")); !slices.Equal(got, []int32{3, 5}) {
		t.Errorf("special ids %v", got)
	}
	if id, add := tok.BOS(); id != tokenizer.None || add {
		t.Errorf("BOS %d %v where the file has none", id, add)
	}
	if !tok.IsEnd(5) || !tok.IsEnd(6) || tok.IsEnd(3) {
		t.Error("ends are the declared EOS and <|im_end|>")
	}

	// llama.cpp's defaults: BOS 1 is added, and a space before the text.
	if tok, err = tokenizer.FromMetadata(with(llama, nil), tokenizer.Options{}); err != nil {
		t.Fatal(err)
	}
	if got := tok.Encode("a\n a"); !slices.Equal(got, []tokenizer.Token{{ID: 6, Start: 0, End: 1}, {ID: 3, Start: 1, End: 2}, {ID: 6, Start: 2, End: 4}}) {
		t.Errorf("tokens %v", got)
	}
	if got := ids(tok.EncodeInside("a")); !slices.Equal(got, []int32{5}) {
		t.Errorf("inside: %v", got)
	}
	if got := tok.Decode([]int32{1, 6, 3, 6, 2}); got != "a\n a" {
		t.Errorf("decoded %q", got)
	}
	if got := ids(tok.Encode("</s>é")); !slices.Equal(got, []int32{4, 0, 0, 0, 0, 0}) {
		t.Errorf("unknown characters: %v", got) // 0xC3 alone does not spell é
	}
	prefix, suffix := tok.Frame("<s>a ", "a</s>")
	if !slices.Equal(prefix, []int32{1, 6}) || !slices.Equal(suffix, []int32{5, 2}) {
		t.Errorf("frame %v %v", prefix, suffix)
	}
	if prefix, _ := tok.Frame("", ""); !slices.Equal(prefix, []int32{1}) {
		t.Errorf("frame without a template %v", prefix)
	}
	if id, ok := tok.Newline(); id != 3 || !ok {
		t.Errorf("newline %d %v", id, ok)
	}
}

func TestOverride(t *testing.T) {
	unknown := with(gpt2, table{"pre": "brand-new"})
	if _, err := tokenizer.FromMetadata(unknown, tokenizer.Options{Override: "qwen2"}); err != nil {
		t.Error(err)
	}
	for _, m := range []table{unknown, with(gpt2, table{"pre": nil})} {
		_, err := tokenizer.FromMetadata(m, tokenizer.Options{})
		if err == nil || !strings.Contains(err.Error(), "--pre") || !strings.Contains(err.Error(), "llama-bpe") {
			t.Errorf("error %v, want one that lists the known names and --pre", err)
		}
	}
}

func TestBadVocabularies(t *testing.T) {
	for name, c := range map[string]struct {
		meta table
		want string
	}{
		"no tokenizer":       {table{}, "tokenizer.ggml.model is absent"},
		"unknown model":      {with(gpt2, table{"model": "rwkv"}), "rwkv"},
		"no tokens":          {with(gpt2, table{"tokens": nil}), "empty"},
		"tokens of numbers":  {with(gpt2, table{"tokens": []int64{1}}), "another kind"},
		"no merges":          {with(gpt2, table{"merges": nil}), "no merges"},
		"half a merge":       {with(gpt2, table{"merges": []string{"ab"}}), "merge 0"},
		"short types":        {with(gpt2, table{"token_type": []int64{1}}), "token types"},
		"short scores":       {with(llama, table{"scores": []float64{1}}), "scores"},
		"no scores":          {with(llama, table{"scores": nil}), "scores"},
		"score not a number": {with(llama, table{"scores": []float64{0, 0, 0, math.NaN(), 0, 0, 0, 0}}), "token 3"},
		"BOS outside":        {with(llama, table{"bos_token_id": uint64(99)}), "bos_token_id is 99"},
		"EOT outside":        {with(llama, table{"eot_token_id": uint64(1 << 40)}), "eot_token_id"},
		"long token":         {with(gpt2, table{"tokens": []string{strings.Repeat("a", 1<<17), "b", "Ġ", "ab", "Ċ", "x", "y"}}), "token 0"},
		"map cut short":      {with(llama, table{"precompiled_charsmap": []int64{255, 255, 255, 255, 0}}), "precompiled_charsmap"},
	} {
		if _, err := tokenizer.FromMetadata(c.meta, tokenizer.Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

func TestBadJSON(t *testing.T) {
	for file, want := range map[string]string{
		`{`:  "tokenizer.json",
		`{}`: "vocab",
		`{"model":{"type":"WordPiece","vocab":{"a":0}}}`:                                                                "WordPiece",
		`{"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}}`:                                                         "id -1",
		`{"model":{"type":"BPE","vocab":{"a":99999999},"merges":[]}}`:                                                   "id 99999999",
		`{"model":{"type":"BPE","vocab":{"a":0},"merges":["ab"]}}`:                                                      "not two symbols",
		`{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}}`:                                                     "not a pair",
		`{"model":{"type":"Unigram","vocab":[["a"]]}}`:                                                                  "not a text and its score",
		`{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"normalizer":{"type":"Rot13"}}`:                            "Rot13",
		`{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"pre_tokenizer":{"type":"Mecab"}}`:                         "Mecab",
		`{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"pre_tokenizer":{"type":"Split","pattern":{"Regex":"("}}}`: "(",
		`{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"pre_tokenizer":` + strings.Repeat(`{"type":"Sequence","pretokenizers":[`, 40) + strings.Repeat(`]}`, 40) + `}`: "nested",
	} {
		if _, err := tokenizer.FromJSON([]byte(file), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.90s: error %v, want one with %q", file, err, want)
		}
	}
	ok := []byte(`{"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}`)
	if _, err := tokenizer.FromJSON(ok, []byte(`{"bos_token":3}`)); err == nil || !strings.Contains(err.Error(), "tokenizer_config.json") {
		t.Errorf("a config of the wrong kind: %v", err)
	}
	for _, file := range [][]byte{nil, {0x0a}, []byte("hello, I am no model"), {0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f}} {
		if _, err := tokenizer.FromSentencePiece(file, nil); err == nil || !strings.Contains(err.Error(), "tokenizer.model") {
			t.Errorf("%q: error %v", file, err)
		}
	}
}

// What stands around a text, from the post-processor and the config.
func TestAroundText(t *testing.T) {
	const base = `"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":[]},"added_tokens":[{"id":2,"content":"<s>","special":true},{"id":3,"content":"</s>","special":true},{"id":4,"content":"<|eot_id|>","special":true}]`
	template := `,"post_processor":{"type":"Sequence","processors":[{"type":"ByteLevel"},{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[2],"tokens":["<s>"]}}}]}`
	for name, c := range map[string]struct {
		file, config string
		bos          int32
		addBOS       bool
		addEOS       bool
		ends         []int32
	}{
		"nothing said":          {`{` + base + `}`, ``, -1, false, false, []int32{3, 4}},
		"template":              {`{` + base + template + `}`, ``, 2, true, false, []int32{3, 4}},
		"config names EOS":      {`{` + base + template + `}`, `{"bos_token":{"content":"<s>"},"eos_token":"<|eot_id|>"}`, 2, true, false, []int32{3, 4}},
		"config against it":     {`{` + base + template + `}`, `{"bos_token":"<s>","add_bos_token":false}`, 2, false, false, []int32{3, 4}},
		"config alone":          {`{` + base + `}`, `{"bos_token":"<s>","eos_token":"b","add_bos_token":true,"add_eos_token":true}`, 2, true, true, []int32{1, 3, 4}},
		"config without tokens": {`{` + base + `}`, `{"bos_token":null,"add_bos_token":true}`, -1, false, false, []int32{3, 4}},
		"config adds a token":   {`{` + base + `}`, `{"added_tokens_decoder":{"7":{"content":"<|end|>","special":true}}}`, -1, false, false, []int32{3, 4, 7}},
	} {
		tok, err := tokenizer.FromJSON([]byte(c.file), []byte(c.config))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if id, add := tok.BOS(); id != c.bos || add != c.addBOS {
			t.Errorf("%s: BOS %d %v, want %d %v", name, id, add, c.bos, c.addBOS)
		}
		if _, add := tok.EOS(); add != c.addEOS {
			t.Errorf("%s: adds EOS: %v", name, add)
		}
		for id := range int32(tok.Size()) {
			if tok.IsEnd(id) != slices.Contains(c.ends, id) {
				t.Errorf("%s: IsEnd(%d) is %v", name, id, tok.IsEnd(id))
			}
		}
	}
}
