package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
)

// hfFile is a tokenizer.json (the format of Hugging Face's tokenizers library).
type hfFile struct {
	Added      []hfAdded       `json:"added_tokens"`
	Normalizer json.RawMessage `json:"normalizer"`
	Pre        json.RawMessage `json:"pre_tokenizer"`
	Post       json.RawMessage `json:"post_processor"`
	Decoder    json.RawMessage `json:"decoder"`
	Model      hfModel         `json:"model"`
}

type hfAdded struct {
	ID         int64
	Content    string
	SingleWord bool `json:"single_word"`
	Lstrip     bool
	Rstrip     bool
	Normalized bool
	Special    bool
}

type hfModel struct {
	Type         string
	Vocab        json.RawMessage
	Merges       []hfMerge
	Unk          *string `json:"unk_token"`
	UnkID        *int64  `json:"unk_id"`
	ByteFallback bool    `json:"byte_fallback"`
	FuseUnk      bool    `json:"fuse_unk"`
	Prefix       *string `json:"continuing_subword_prefix"`
	Suffix       *string `json:"end_of_word_suffix"`
	IgnoreMerges bool    `json:"ignore_merges"`
}

// hfMerge is "left right" or ["left", "right"].
type hfMerge struct{ left, right string }

func (m *hfMerge) UnmarshalJSON(b []byte) error {
	var s string
	if len(b) > 0 && b[0] == '[' {
		var pair []string
		if err := json.Unmarshal(b, &pair); err != nil || len(pair) != 2 {
			return fmt.Errorf("merge %.80s is not a pair of symbols", b)
		}
		m.left, m.right = pair[0], pair[1]
		return nil
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	l, r, ok := strings.Cut(s, " ")
	if !ok || l == "" || r == "" {
		return fmt.Errorf("merge %.80q is not two symbols with a space between", s)
	}
	m.left, m.right = l, r
	return nil
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// FromJSON builds the tokenizer of a tokenizer.json, with the settings of the
// tokenizer_config.json beside it (nil where there is none). Models, and steps
// of the pipeline, that it does not know are errors that name them.
func FromJSON(tokenizerJSON, configJSON []byte) (*Tokenizer, error) {
	var f hfFile
	if err := json.Unmarshal(tokenizerJSON, &f); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	conf, err := readConfig(configJSON)
	if err != nil {
		return nil, err
	}
	t, err := f.build(conf)
	if err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	return t, nil
}

func (f *hfFile) build(conf *config) (*Tokenizer, error) {
	var s stuck
	norm, err := readNormalizer(f.Normalizer, 0, &s)
	if err != nil {
		return nil, err
	}
	steps, byteLevel, err := readSteps(f.Pre, 0, &s)
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{bos: None, eos: None, unk: None, ends: map[int32]bool{}, stuck: &s}
	vocab, scores, err := f.vocab()
	if err != nil {
		return nil, err
	}
	if err := t.readTexts(f, vocab, conf); err != nil {
		return nil, err
	}
	special := map[string]bool{}
	for _, a := range f.Added {
		if a.Special {
			special[a.Content] = true
		}
	}
	var encode func(word string, s *scratch) []piece
	var cut splitter = whole
	if scores != nil {
		u := f.unigram(vocab, scores, special)
		encode, cut = u.encode, u.words
	} else {
		b, glued, err := f.bpe(vocab, byteLevel, special)
		if err != nil {
			return nil, err
		}
		encode = b.encode
		if glued != nil {
			cut = func(s string, emit func(a, b int)) { cutAtGaps(s, '\u2581', glued, emit) }
		}
	}
	t.decodeAs(f, vocab, byteLevel)
	late := f.literals(t, norm)
	t.newStage = func(control bool) stage {
		s := new(scratch)
		lits := late[0]
		if control {
			lits = late[1]
		}
		return func(text string, base int, fresh bool, out []Token) []Token {
			a := alignedTo(text)
			for _, n := range norm {
				if _, mark := n.(prependMark); !mark || fresh {
					a = n.apply(a)
				}
			}
			lits.cut(a.s, func(x, y int) {
				w := words{a: a, cuts: [][2]int{{x, y}}, fresh: fresh, first: base == 0}
				for _, step := range steps {
					step(&w)
				}
				for _, c := range w.cuts {
					cut(w.a.s[c[0]:c[1]], func(p, q int) {
						out = w.a.place(out, s.remembered(w.a.s[c[0]+p:c[0]+q], encode), c[0]+p, base)
					})
				}
			}, func(x, y int, id int32) {
				out = append(out, Token{id, base + a.origin(x), base + a.origin(y)})
			})
			return out
		}
	}
	t.readPost(f.Post, conf)
	t.findNewline()
	return t, nil
}

// vocab gives the spellings by id of the model's own vocabulary; scores only
// for Unigram.
func (f *hfFile) vocab() (vocab map[string]int32, scores []float64, err error) {
	m := &f.Model
	if m.Type == "" {
		m.Type = "BPE"
		if len(m.Vocab) > 0 && m.Vocab[0] == '[' {
			m.Type = "Unigram"
		}
	}
	switch m.Type {
	case "BPE":
		var ids map[string]int64
		if err := json.Unmarshal(m.Vocab, &ids); err != nil {
			return nil, nil, fmt.Errorf("model.vocab: %w", err)
		}
		vocab = make(map[string]int32, len(ids))
		for s, id := range ids {
			if id < 0 || id >= maxTokens {
				return nil, nil, fmt.Errorf("model.vocab: token %.80q has id %d, outside 0 to %d", s, id, maxTokens)
			}
			vocab[s] = int32(id)
		}
		if len(vocab) == 0 {
			return nil, nil, fmt.Errorf("model.vocab is empty")
		}
		return vocab, nil, nil
	case "Unigram":
		var list []hfScored
		if err := json.Unmarshal(m.Vocab, &list); err != nil {
			return nil, nil, fmt.Errorf("model.vocab: %w", err)
		}
		if len(list) == 0 || len(list) > maxTokens {
			return nil, nil, fmt.Errorf("model.vocab has %d pieces, where 1 to %d are possible", len(list), maxTokens)
		}
		vocab = make(map[string]int32, len(list))
		for i, p := range list {
			if _, dup := vocab[p.piece]; !dup {
				vocab[p.piece] = int32(i)
			}
			scores = append(scores, p.score)
		}
		return vocab, scores, nil
	}
	return nil, nil, fmt.Errorf("model %q is not supported; supported are BPE and Unigram", m.Type)
}

// hfScored is [piece, log probability].
type hfScored struct {
	piece string
	score float64
}

func (p *hfScored) UnmarshalJSON(b []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	if len(pair) != 2 || json.Unmarshal(pair[0], &p.piece) != nil || json.Unmarshal(pair[1], &p.score) != nil {
		return fmt.Errorf("piece %.80s is not a text and its score", b)
	}
	return nil
}

// readTexts lays out ids: the model's vocabulary, then what was added to it.
func (t *Tokenizer) readTexts(f *hfFile, vocab map[string]int32, conf *config) error {
	f.Added = append(f.Added, conf.addedBeyond(f.Added)...)
	top := int64(-1)
	for _, id := range vocab {
		top = max(top, int64(id))
	}
	for i, a := range f.Added {
		if id, ok := vocab[a.Content]; ok {
			f.Added[i].ID, a.ID = int64(id), int64(id) // the vocabulary's own id counts
		}
		if a.ID < 0 || a.ID >= maxTokens {
			return fmt.Errorf("added_tokens: %.80q has id %d, outside 0 to %d", a.Content, a.ID, maxTokens)
		}
		if len(a.Content) > maxTokenBytes {
			return fmt.Errorf("added_tokens: the token of id %d is %d bytes long, more than the limit of %d", a.ID, len(a.Content), maxTokenBytes)
		}
		top = max(top, a.ID)
	}
	t.texts = make([]string, top+1)
	t.hidden = make([]bool, top+1)
	return nil
}

// decodeAs fills texts: what each id decodes to.
func (t *Tokenizer) decodeAs(f *hfFile, vocab map[string]int32, byteLevel bool) {
	marks := strings.Contains(string(f.Decoder), spaceMark) || strings.Contains(string(f.Decoder), `\u2581`) || strings.Contains(string(f.Decoder), "Metaspace")
	t.spacePrefix = marks && (strings.Contains(string(f.Normalizer), `"Prepend"`) || metaspacePrepends(f.Pre))
	for s, id := range vocab {
		text := s
		if byteLevel {
			text, _ = fromAlphabet(s)
		} else if c, ok := byteToken(s); ok && f.Model.ByteFallback {
			text = string([]byte{c})
		} else if marks {
			text = unmark(s)
		}
		t.texts[id] = text
	}
	if f.Model.Unk != nil {
		t.unk = lookup(vocab, *f.Model.Unk)
	}
	if id := f.Model.UnkID; id != nil && *id >= 0 && *id < int64(len(t.texts)) {
		t.unk = int32(*id)
	}
	for _, a := range f.Added {
		t.texts[a.ID] = a.Content
		t.hidden[a.ID] = a.Special
		if a.Special && endTexts[a.Content] {
			t.ends[int32(a.ID)] = true
		}
	}
}

func lookup(vocab map[string]int32, s string) int32 {
	if id, ok := vocab[s]; ok {
		return id
	}
	return None
}

func metaspacePrepends(raw json.RawMessage) bool {
	var p struct {
		Type      string
		Steps     []json.RawMessage `json:"pretokenizers"`
		AddPrefix *bool             `json:"add_prefix_space"`
		Scheme    string            `json:"prepend_scheme"`
	}
	if json.Unmarshal(raw, &p) != nil {
		return false
	}
	for _, x := range p.Steps {
		if metaspacePrepends(x) {
			return true
		}
	}
	if p.Type != "Metaspace" {
		return false
	}
	if p.Scheme != "" {
		return p.Scheme != "never"
	}
	return p.AddPrefix == nil || *p.AddPrefix
}

// literals sets what is matched in raw text, and gives what is matched after
// normalisation: in plain text, and in text with control tokens.
func (f *hfFile) literals(t *Tokenizer, norm normalizers) [2]*literals {
	var raw, late [2]map[string]literal
	for k := range 2 {
		raw[k], late[k] = map[string]literal{}, map[string]literal{}
	}
	for _, a := range f.Added {
		if a.Content == "" {
			continue
		}
		l := literal{id: int32(a.ID), left: a.Lstrip, right: a.Rstrip, word: a.SingleWord}
		to, s := &raw, a.Content
		if a.Normalized {
			x := alignedTo(s)
			if norm != nil {
				x = norm.apply(x)
			}
			to, s = &late, x.s
		}
		if s == "" {
			continue
		}
		to[1][s] = l
		if !a.Special {
			to[0][s] = l
		}
	}
	t.plain, t.special = newLiterals(raw[0]), newLiterals(raw[1])
	return [2]*literals{newLiterals(late[0]), newLiterals(late[1])}
}
