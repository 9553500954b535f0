package tokenizer

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
)

// byContent finds an added or ordinary token by how it is written.
func (t *Tokenizer) byContent(s string) int32 {
	if s == "" {
		return None
	}
	if l, ok := t.special.all[s]; ok {
		return l.id
	}
	for i, x := range t.texts {
		if x == s {
			return int32(i)
		}
	}
	return None
}

// config is what a tokenizer_config.json adds.
type config struct {
	BOS    tokenName `json:"bos_token"`
	EOS    tokenName `json:"eos_token"`
	Unk    tokenName `json:"unk_token"`
	AddBOS *bool     `json:"add_bos_token"`
	AddEOS *bool     `json:"add_eos_token"`
	Added  map[string]struct {
		Content    string
		SingleWord bool `json:"single_word"`
		Lstrip     bool
		Rstrip     bool
		Normalized bool
		Special    bool
	} `json:"added_tokens_decoder"`
}

// tokenName is a token's text, or an object whose content it is, or null.
type tokenName string

func (n *tokenName) UnmarshalJSON(b []byte) error {
	var o struct{ Content string }
	if len(b) > 0 && b[0] == '{' {
		err := json.Unmarshal(b, &o)
		*n = tokenName(o.Content)
		return err
	}
	var s *string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if s != nil {
		*n = tokenName(*s)
	}
	return nil
}

func readConfig(raw []byte) (*config, error) {
	c := &config{}
	if len(raw) == 0 {
		return c, nil
	}
	if err := json.Unmarshal(raw, c); err != nil {
		return nil, fmt.Errorf("tokenizer_config.json: %w", err)
	}
	return c, nil
}

// addedBeyond gives the config's added tokens whose ids a tokenizer.json does
// not add itself, by id.
func (c *config) addedBeyond(have []hfAdded) []hfAdded {
	known := map[int64]bool{}
	for _, a := range have {
		known[a.ID] = true
	}
	var out []hfAdded
	for key, a := range c.Added {
		id, err := strconv.ParseInt(key, 10, 32)
		if err != nil || known[id] {
			continue
		}
		out = append(out, hfAdded{id, a.Content, a.SingleWord, a.Lstrip, a.Rstrip, a.Normalized, a.Special})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

// readPost reads from the post-processor and the config what stands around a
// text: BOS before it, EOS after it. The config's word counts where it has one.
func (t *Tokenizer) readPost(raw json.RawMessage, c *config) {
	before, after := t.around(raw, 0)
	t.bos, t.eos = t.byContent(string(c.BOS)), t.byContent(string(c.EOS))
	if t.bos == None {
		t.bos = before
	}
	if t.eos == None {
		t.eos = after
	}
	t.addBOS = before != None && before == t.bos
	t.addEOS = after != None && after == t.eos
	if c.AddBOS != nil {
		t.addBOS = *c.AddBOS && t.bos != None
	}
	if c.AddEOS != nil {
		t.addEOS = *c.AddEOS && t.eos != None
	}
	if t.eos != None {
		t.ends[t.eos] = true
	}
}

func (t *Tokenizer) around(raw json.RawMessage, depth int) (before, after int32) {
	before, after = None, None
	if isNull(raw) || depth > maxNesting {
		return
	}
	var p struct {
		Type       string
		Processors []json.RawMessage
		Single     []struct {
			SpecialToken *struct{ ID string }
			Sequence     *struct{ ID string }
		}
		Special map[string]struct{ IDs []int32 } `json:"special_tokens"`
		Cls     []any
		Sep     []any
	}
	if json.Unmarshal(raw, &p) != nil {
		return
	}
	switch p.Type {
	case "Sequence":
		for _, x := range p.Processors {
			b, a := t.around(x, depth+1)
			if b != None {
				before = b
			}
			if a != None {
				after = a
			}
		}
	case "TemplateProcessing":
		seen := false
		for _, x := range p.Single {
			if x.Sequence != nil {
				seen = true
			}
			if x.SpecialToken == nil {
				continue
			}
			s := p.Special[x.SpecialToken.ID]
			if len(s.IDs) == 0 || s.IDs[0] < 0 || int(s.IDs[0]) >= len(t.texts) {
				continue
			}
			if seen {
				after = s.IDs[0]
			} else if before == None {
				before = s.IDs[0]
			}
		}
	case "RobertaProcessing", "BertProcessing":
		id := func(pair []any) int32 {
			if len(pair) == 2 {
				if f, ok := pair[1].(float64); ok && f >= 0 && int(f) < len(t.texts) {
					return int32(f)
				}
			}
			return None
		}
		before, after = id(p.Cls), id(p.Sep)
	}
	return
}
