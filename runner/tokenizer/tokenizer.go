package tokenizer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Token is a token of a text and the bytes [Start, End) that it covers. What
// one character gave several tokens for may leave some of them empty, but Start
// is always the End before it wherever nothing was dropped from the text.
type Token struct {
	ID         int32
	Start, End int
}

// Tokenizer turns text into token ids and back.
type Tokenizer struct {
	texts    []string // what an id decodes to
	hidden   []bool   // control tokens: Decode leaves them out
	newStage func(special bool) stage
	plain    *literals // matched in plain text
	special  *literals // matched in text with control tokens

	bos, eos, unk  int32
	addBOS, addEOS bool
	spacePrefix    bool // texts begin with a space that is not theirs
	prefixOnce     bool // literals within a text do not bring that space again
	ends           map[int32]bool
	newline        int32
	stuck          *stuck // nil: no patterns of a file's own
}

// A stage turns a text that holds no literal into tokens. base is added to
// their places. fresh says that the text begins anew: it is the first, or
// follows a control token; so a vocabulary that wants a space there adds one.
type stage func(text string, base int, fresh bool, out []Token) []Token

// Problem says why the ids given so far are not to be used, if so: a pattern in
// the model's tokenizer.json took so long that it was given up.
func (t *Tokenizer) Problem() error {
	if t.stuck == nil {
		return nil
	}
	if p := t.stuck.pattern.Load(); p != nil {
		return fmt.Errorf("tokenizer.json: pattern %q takes over %v on a piece of text; the file is damaged or hostile, fetch it again or use the model's GGUF form", *p, matchTime)
	}
	return nil
}

// Encode gives the tokens of plain text: no BOS, and control tokens written in
// it are text. It never fails, but see Problem; see the package comment for invalid UTF-8.
func (t *Tokenizer) Encode(text string) []Token { return t.encode(text, false, true) }

// EncodeSpecial is Encode for text of the model's own making, such as a chat
// template: control tokens written in it are those tokens. It adds no BOS.
func (t *Tokenizer) EncodeSpecial(text string) []Token { return t.encode(text, true, true) }

// EncodeInside is Encode for text that continues other text: a vocabulary that
// puts a space before every text (Llama 2, Mistral) does not do so here.
func (t *Tokenizer) EncodeInside(text string) []Token { return t.encode(text, false, false) }

func (t *Tokenizer) encode(text string, special, fresh bool) []Token {
	out := make([]Token, 0, len(text)/4+1)
	run := t.newStage(special)
	l := t.plain
	if special {
		l = t.special
	}
	l.cut(text, func(a, b int) {
		out = run(text[a:b], a, fresh, out)
		fresh = false
	}, func(a, b int, id int32) {
		if fresh && a == 0 && t.prefixOnce && !t.hidden[id] {
			out = run("", 0, true, out) // the space that the text begins with stands alone
		}
		out = append(out, Token{id, a, b})
		fresh = t.hidden[id] || !t.prefixOnce
	})
	return out
}

// Frame gives the tokens that stand around a text that is encoded on its own:
// BOS, once, where the model wants it, and the tokens of a chat template's text
// before and after it (both "" without a template).
func (t *Tokenizer) Frame(before, after string) (prefix, suffix []int32) {
	if t.spacePrefix {
		before = strings.TrimSuffix(before, " ") // the text brings that space itself
	}
	for _, x := range t.encode(before, true, true) {
		prefix = append(prefix, x.ID)
	}
	if id, add := t.BOS(); add && (len(prefix) == 0 || prefix[0] != id) {
		prefix = append([]int32{id}, prefix...)
	}
	for _, x := range t.encode(after, true, false) {
		suffix = append(suffix, x.ID)
	}
	return prefix, suffix
}

// place appends a word's pieces; at is where the word begins.
func place(out []Token, pieces []piece, at int) []Token {
	from := int32(0)
	for _, p := range pieces {
		out = append(out, Token{p.id, at + int(from), at + int(p.end)})
		from = p.end
	}
	return out
}

// Decode gives the text of ids. Control tokens have none here, and the space
// that encoding put before a text is taken away again.
func (t *Tokenizer) Decode(ids []int32) string {
	var b strings.Builder
	for _, id := range ids {
		if id >= 0 && int(id) < len(t.texts) && !t.hidden[id] {
			b.WriteString(t.texts[id])
		}
	}
	if t.spacePrefix {
		return strings.TrimPrefix(b.String(), " ")
	}
	return b.String()
}

// Text is what one token decodes to, a control token to its own name; ""
// for an id outside the vocabulary. A token may hold part of a character.
func (t *Tokenizer) Text(id int32) string {
	if id < 0 || int(id) >= len(t.texts) {
		return ""
	}
	return t.texts[id]
}

// BOS gives the token that begins a text, or None, and whether the model wants
// it there.
func (t *Tokenizer) BOS() (id int32, add bool) { return t.bos, t.addBOS && t.bos != None }

// EOS gives the token that ends a text, or None, and whether the model wants it
// after a prompt.
func (t *Tokenizer) EOS() (id int32, add bool) { return t.eos, t.addEOS && t.eos != None }

// IsEnd reports whether a model that produces id has finished: end of text, of
// turn or of message.
func (t *Tokenizer) IsEnd(id int32) bool { return t.ends[id] }

// IsControl reports whether id is a control token.
func (t *Tokenizer) IsControl(id int32) bool {
	return id >= 0 && int(id) < len(t.hidden) && t.hidden[id]
}

// WithEnds gives a tokenizer for which ids, too, end a generation: a model's
// generation settings may name more than its vocabulary does.
func (t *Tokenizer) WithEnds(ids ...int32) *Tokenizer {
	c := *t
	c.ends = make(map[int32]bool, len(t.ends)+len(ids))
	for id := range t.ends {
		c.ends[id] = true
	}
	for _, id := range ids {
		c.ends[id] = true
	}
	return &c
}

// Size is the number of ids, those of added tokens included.
func (t *Tokenizer) Size() int { return len(t.texts) }

// Digest tells vocabularies apart: SHA-256, in hexadecimal, of the ids and texts
// of all tokens but control tokens and those without text.
func (t *Tokenizer) Digest() string {
	h := sha256.New()
	for id, text := range t.texts {
		if text != "" && !t.IsControl(int32(id)) {
			fmt.Fprintf(h, "%d %q\n", id, text)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Newline gives the token that is exactly "\n", the lowest id if there are
// several.
func (t *Tokenizer) Newline() (id int32, ok bool) { return t.newline, t.newline != None }

func (t *Tokenizer) findNewline() {
	t.newline = None
	for i, s := range t.texts {
		if s == "\n" && !t.hidden[i] {
			t.newline = int32(i)
			return
		}
	}
}
