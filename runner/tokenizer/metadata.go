package tokenizer

import "fmt"

// Metadata is a table of settings. Lookups give ok false for an absent key and
// an error for one that holds something else; gguf.File is such a table.
type Metadata interface {
	String(key string) (s string, ok bool, err error)
	Uint(key string) (n uint64, ok bool, err error)
	Bool(key string) (b, ok bool, err error)
	Strings(key string) (list []string, ok bool, err error)
	Ints(key string) (list []int64, ok bool, err error)
	Floats(key string) (list []float64, ok bool, err error)
}

// Options changes what a file says about its tokenizer.
type Options struct {
	// Override names the pre-tokenizer in place of the file's (--pre).
	Override string
}

// FromMetadata builds the tokenizer that GGUF keys tokenizer.ggml.* describe.
// Where a key is absent the defaults are those of llama.cpp.
func FromMetadata(meta Metadata, opt Options) (*Tokenizer, error) {
	r := reader{meta: meta}
	sp := Spec{
		Model:  r.text("model"),
		Pre:    r.text("pre"),
		Tokens: get(&r, "tokens", meta.Strings),
		Merges: get(&r, "merges", meta.Strings),
		Scores: get(&r, "scores", meta.Floats),
	}
	for _, x := range get(&r, "token_type", meta.Ints) {
		sp.Types = append(sp.Types, Type(x))
	}
	if r.err != nil {
		return nil, r.err
	}
	if opt.Override != "" {
		sp.Pre = opt.Override
	}
	n := len(sp.Tokens)
	sp.BOS, sp.EOS, sp.UNK = None, None, None
	if n == 0 && sp.Model != "" {
		return nil, sp.check()
	}
	switch sp.Model {
	case "":
		return nil, fmt.Errorf("tokenizer.ggml.model is absent: the file holds no tokenizer; convert the model again with its tokenizer files beside it")
	case "llama":
		sp.BOS, sp.EOS, sp.UNK = within(1, n), within(2, n), within(0, n)
		sp.AddBOS, sp.AddSpacePrefix = sp.BOS != None, true
	case "t5":
		sp.EOS, sp.UNK = within(1, n), within(2, n)
		sp.AddEOS, sp.AddSpacePrefix = true, true
	case "gpt2":
		sp.AddBOS = bosByDefault[sp.Pre]
	}
	sp.BOS = r.id("bos_token_id", sp.BOS, n)
	sp.EOS = r.id("eos_token_id", sp.EOS, n)
	sp.UNK = r.id("unknown_token_id", sp.UNK, n)
	for _, key := range []string{"eot_token_id", "eom_token_id"} {
		if id := r.id(key, None, n); id != None {
			sp.Ends = append(sp.Ends, id)
		}
	}
	for _, x := range get(&r, "eot_token_ids", meta.Ints) {
		if x >= 0 && x < int64(n) {
			sp.Ends = append(sp.Ends, int32(x))
		}
	}
	r.flag("add_bos_token", &sp.AddBOS)
	if sp.Model == "gemma4" {
		sp.AddBOS = true // some converters write false, and the model needs it
	}
	r.flag("add_eos_token", &sp.AddEOS)
	r.flag("add_space_prefix", &sp.AddSpacePrefix)
	r.flag("remove_extra_whitespaces", &sp.TrimSpaces)
	for _, x := range get(&r, "precompiled_charsmap", meta.Ints) {
		sp.PrecompiledMap = append(sp.PrecompiledMap, byte(x))
	}
	if r.err != nil {
		return nil, r.err
	}
	if sp.BOS == None {
		sp.AddBOS = false
	}
	return New(sp)
}

// reader looks keys up and keeps the first error.
type reader struct {
	meta Metadata
	err  error
}

const prefix = "tokenizer.ggml."

func get[T any](r *reader, key string, look func(string) (T, bool, error)) T {
	v, _, err := look(prefix + key)
	if err != nil && r.err == nil {
		r.err = err
	}
	return v
}

func (r *reader) text(key string) string { return get(r, key, r.meta.String) }

func (r *reader) flag(key string, to *bool) {
	v, ok, err := r.meta.Bool(prefix + key)
	if err != nil && r.err == nil {
		r.err = err
	}
	if ok {
		*to = v
	}
}

// id reads a special token's id; one outside the vocabulary is an error, except
// the 2^32-1 that some converters write for none.
func (r *reader) id(key string, absent int32, n int) int32 {
	v, ok, err := r.meta.Uint(prefix + key)
	switch {
	case err != nil:
		if r.err == nil {
			r.err = err
		}
		return None
	case !ok:
		return absent
	case v == 1<<32-1:
		return None
	case v >= uint64(n):
		if r.err == nil {
			r.err = fmt.Errorf("%s%s is %d, outside the vocabulary of %d tokens: the file is damaged", prefix, key, v, n)
		}
		return None
	}
	return int32(v)
}

func within(id int32, n int) int32 {
	if int(id) < n {
		return id
	}
	return None
}
