package tokenizer

import (
	"fmt"
	"math"
)

// Type says what a token is for; the numbers are those of GGUF files.
type Type int32

// The types of tokens.
const (
	Normal      Type = 1
	Unknown     Type = 2
	Control     Type = 3 // never matched in plain text
	UserDefined Type = 4 // matched as it is, before all else, in plain text too
	Unused      Type = 5
	Byte        Type = 6 // written <0x41>
)

// None stands for a special token that a vocabulary does not have.
const None int32 = -1

// Spec is a vocabulary and the settings of its use, from whatever file.
type Spec struct {
	Model  string    // "gpt2" (merges over bytes), "gemma4" (merges over characters), "llama" (scored merges) or "t5" (Unigram)
	Pre    string    // gpt2: the pre-tokenizer, one of PreTokenizers()
	Tokens []string  // by id, as the vocabulary writes them
	Scores []float64 // by id; llama and t5
	Types  []Type    // by id; nil: all Normal
	Merges []string  // gpt2, gemma4: "left right", best first

	BOS, EOS, UNK int32   // or None
	Ends          []int32 // further ids that end a generation

	AddBOS, AddEOS  bool
	AddSpacePrefix  bool // llama, t5: text begins as if a space stood before it
	PrefixOnce      bool // that space does not come again after user-defined tokens
	TrimSpaces      bool // t5: runs of spaces count as one, none at the ends
	PrecompiledMap  []byte
	WholeWordsFirst bool // gpt2: a word that is a token needs no merges
}

// Limits on what a vocabulary may hold; real ones stay far below.
const (
	maxTokens     = 1 << 22
	maxTokenBytes = 1 << 16
)

// New builds a tokenizer. Errors say which part of the vocabulary is wrong.
func New(sp Spec) (*Tokenizer, error) {
	if err := sp.check(); err != nil {
		return nil, err
	}
	n := len(sp.Tokens)
	t := &Tokenizer{
		texts:  make([]string, n),
		hidden: make([]bool, n),
		bos:    sp.BOS, eos: sp.EOS, unk: sp.UNK,
		addBOS: sp.AddBOS, addEOS: sp.AddEOS,
		ends:       map[int32]bool{},
		prefixOnce: sp.PrefixOnce,
	}
	switch sp.Model {
	case "gpt2":
		if err := t.buildBPE(&sp); err != nil {
			return nil, err
		}
	case "gemma4":
		if err := t.buildSpacedBPE(&sp); err != nil {
			return nil, err
		}
	case "llama":
		if err := t.buildScoreMerge(&sp); err != nil {
			return nil, err
		}
	case "t5":
		if err := t.buildUnigram(&sp); err != nil {
			return nil, err
		}
	}
	plain, all := map[string]literal{}, map[string]literal{}
	for i, s := range sp.Tokens {
		id := int32(i)
		kind := sp.kind(id)
		if kind == Byte {
			if b, ok := byteToken(s); ok {
				t.texts[i] = string([]byte{b})
			}
		}
		if kind == Control || kind == Unknown {
			t.hidden[i] = true
		}
		ends := endTexts[s]
		if ends && (kind == Control || kind == UserDefined && s != "</s>" || sp.Types == nil) {
			t.ends[id] = true
		}
		if s == "" || kind != Control && kind != UserDefined && kind != Unknown {
			continue
		}
		if _, dup := all[s]; !dup {
			all[s] = literal{id: id}
			if kind == UserDefined && !ends {
				plain[s] = literal{id: id}
			}
		}
	}
	t.plain, t.special = newLiterals(plain), newLiterals(all)
	for _, id := range append([]int32{sp.EOS}, sp.Ends...) {
		if id != None {
			t.ends[id] = true
		}
	}
	t.findNewline()
	return t, nil
}

func (sp *Spec) hasMerges() bool { return sp.Model == "gpt2" || sp.Model == "gemma4" }

func (sp *Spec) kind(id int32) Type {
	if sp.Types == nil {
		return Normal
	}
	return sp.Types[id]
}

func (sp *Spec) check() error {
	n := len(sp.Tokens)
	switch {
	case sp.Model != "gpt2" && sp.Model != "gemma4" && sp.Model != "llama" && sp.Model != "t5":
		return fmt.Errorf("tokenizer model %q is not supported; supported are gpt2 (byte-level BPE), gemma4 (BPE), llama (SentencePiece) and t5 (Unigram)", sp.Model)
	case n == 0:
		return fmt.Errorf("the vocabulary is empty: the file holds no tokenizer; convert the model again with its tokenizer files beside it")
	case n > maxTokens || len(sp.Merges) > 2*maxTokens:
		return fmt.Errorf("the vocabulary has %d tokens and %d merges, more than the limit of %d: the file is damaged", n, len(sp.Merges), maxTokens)
	case sp.Types != nil && len(sp.Types) != n:
		return fmt.Errorf("the vocabulary has %d tokens but %d token types: the file is damaged", n, len(sp.Types))
	case !sp.hasMerges() && len(sp.Scores) != n:
		return fmt.Errorf("the vocabulary has %d tokens but %d scores: the file is damaged", n, len(sp.Scores))
	case sp.hasMerges() && len(sp.Merges) == 0:
		return fmt.Errorf("the vocabulary has no merges: a %s tokenizer needs them; convert the model again", sp.Model)
	}
	for i, s := range sp.Tokens {
		if len(s) > maxTokenBytes {
			return fmt.Errorf("token %d is %d bytes long, more than the limit of %d: the file is damaged", i, len(s), maxTokenBytes)
		}
	}
	for i, x := range sp.Scores {
		if math.IsNaN(x) {
			return fmt.Errorf("the score of token %d is not a number: the file is damaged", i)
		}
	}
	for _, f := range []struct {
		name string
		id   int32
	}{{"BOS", sp.BOS}, {"EOS", sp.EOS}, {"UNK", sp.UNK}} {
		if f.id != None && (f.id < 0 || int(f.id) >= n) {
			return fmt.Errorf("the %s token's id %d lies outside the vocabulary of %d tokens", f.name, f.id, n)
		}
	}
	for _, id := range sp.Ends {
		if id != None && (id < 0 || int(id) >= n) {
			return fmt.Errorf("the end-of-generation token's id %d lies outside the vocabulary of %d tokens", id, n)
		}
	}
	if sp.AddBOS && sp.BOS == None {
		return fmt.Errorf("the tokenizer asks for a BOS token but names none")
	}
	return nil
}

// endTexts are tokens that end a turn or a text in one family or another. Files
// seldom list them all, and a model that ends its turn with one that is missed
// talks on by itself.
var endTexts = map[string]bool{
	"<|eot_id|>": true, "<|im_end|>": true, "<|end|>": true, "<end_of_turn>": true,
	"<|endoftext|>": true, "<|end_of_text|>": true, "<|eom_id|>": true, "</s>": true,
	"<|return|>": true, "<|call|>": true, "<EOT>": true, "[EOT]": true, "[EOS]": true,
	"<eos>": true, "<turn|>": true, "<end_of_utterance>": true, "<｜end▁of▁sentence｜>": true,
}
