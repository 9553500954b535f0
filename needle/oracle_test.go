package needle_test

import (
	"slices"
	"strings"
	"testing"

	"headprof/fixtures/haystack"
	"headprof/fixtures/reference"
	"headprof/needle"
	"headprof/runner/gguf"
	"headprof/runner/tokenizer"
)

// modelTokenizer gives a real model's tokenizer in this package's types.
type modelTokenizer struct{ *tokenizer.Tokenizer }

func (m *modelTokenizer) Encode(text string) []needle.Token {
	return converted(m.Tokenizer.Encode(text))
}

func (m *modelTokenizer) EncodeInside(text string) []needle.Token {
	return converted(m.Tokenizer.EncodeInside(text))
}

func converted(tokens []tokenizer.Token) []needle.Token {
	out := make([]needle.Token, len(tokens))
	for i, t := range tokens {
		out[i] = needle.Token(t)
	}
	return out
}

func openTokenizer(t *testing.T, file string) *modelTokenizer {
	t.Helper()
	f, err := gguf.Open(reference.Model(t, file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tok, err := tokenizer.FromMetadata(f, tokenizer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &modelTokenizer{tok}
}

// oracleTrial is a trial of the reference scores, as far as it concerns
// composition and judging.
type oracleTrial struct {
	ID, Haystack string
	Length       int
	Depth        float64
	Needle       struct {
		ID, Needle, Question, Answer, Evidence string
		Kind                                   needle.Kind
	}
	HaystackTokens int `json:"haystack_tokens"`
	Insertion      int
	PromptIDs      []int32 `json:"prompt_ids"`
	Span           [2]int
	AnswerIDs      []int32 `json:"answer_ids"`
	Greedy         struct {
		IDs []int32
		F1  float64
	}
}

func (o oracleTrial) needle() needle.Needle {
	n := o.Needle
	return needle.Needle{ID: n.ID, Kind: n.Kind, Text: n.Needle, Question: n.Question, Answers: []string{n.Answer}, Evidence: n.Evidence}
}

// The reference's haystacks are these characters of the embedded text.
func oracleHaystacks(t *testing.T) map[string]*needle.Haystack {
	t.Helper()
	text := []rune(haystack.Full())
	out := make(map[string]*needle.Haystack)
	for id, from := range map[string]int{"opticks-a": 9000, "opticks-b": 200000} {
		h, err := needle.NewHaystack(id, string(text[from:from+51000]))
		if err != nil {
			t.Fatal(err)
		}
		out[id] = h
	}
	return out
}

// Prompts, spans and answers of every reference trial, from the needle's text.
// Token ids there are llama.cpp's.
func TestComposeReproducesTheReferenceTrials(t *testing.T) {
	for _, m := range reference.Models {
		t.Run(m.Name, func(t *testing.T) {
			trials, hay, tok := reference.Trials[oracleTrial](t, m.Name), oracleHaystacks(t), openTokenizer(t, m.File)
			var frame needle.Frame
			if bos, add := tok.BOS(); add {
				frame.Prefix = []int32{bos}
			}
			for _, o := range trials {
				p, err := needle.Compose(tok, hay[o.Haystack], o.needle(), needle.Options{Length: o.Length, Depth: o.Depth, Frame: frame})
				if err != nil {
					t.Errorf("%s: %v", o.ID, err)
					continue
				}
				if !slices.Equal(p.IDs, o.PromptIDs) {
					t.Errorf("%s: other prompt ids (%d, want %d)", o.ID, len(p.IDs), len(o.PromptIDs))
				}
				if p.Span.Start != o.Span[0] || p.Span.End != o.Span[1] {
					t.Errorf("%s: span %v, want %v", o.ID, p.Span, o.Span)
				}
				if !slices.Equal(p.AnswerIDs, o.AnswerIDs) {
					t.Errorf("%s: answer ids %v, want %v", o.ID, p.AnswerIDs, o.AnswerIDs)
				}
				if p.Insertion != o.Insertion || p.HaystackTokens != o.HaystackTokens {
					t.Errorf("%s: needle at %d of %d, want %d of %d", o.ID, p.Insertion, p.HaystackTokens, o.Insertion, o.HaystackTokens)
				}
			}
		})
	}
}

// The reference's F1, rounded to six places there, of what it generated.
func TestThePublishedRuleGivesTheReferenceF1(t *testing.T) {
	for _, m := range reference.Models {
		t.Run(m.Name, func(t *testing.T) {
			tok := openTokenizer(t, m.File)
			for _, o := range reference.Trials[oracleTrial](t, m.Name) {
				var out []needle.Step
				for _, id := range o.Greedy.IDs {
					out = append(out, needle.Step{ID: id, Text: tok.Text(id), End: tok.IsEnd(id)})
				}
				v := needle.Published{}.Judge(o.needle(), len(o.AnswerIDs), out)
				if d := v.F1 - o.Greedy.F1; d > 1e-6 || d < -1e-6 {
					t.Errorf("%s: F1 %v, want %v", o.ID, v.F1, o.Greedy.F1)
				}
			}
		})
	}
}

// What is embedded serves both test models: 32,768 tokens of haystack, and
// answers of 8 to 18 tokens (generated ones 7 to 20), whose evidence holds
// them whole.
func TestTheEmbeddedTextsFitTheTestModels(t *testing.T) {
	for _, m := range reference.Models {
		t.Run(m.Name, func(t *testing.T) {
			tok := openTokenizer(t, m.File)
			h := needle.EmbeddedHaystack()
			if got := len(h.Tokens(tok)); got < 32768 {
				t.Errorf("the embedded haystack has %d tokens", got)
			}
			var all []needle.Needle
			for _, kind := range []needle.Kind{needle.Retrieval, needle.Reasoning} {
				set, err := needle.EmbeddedSet(kind)
				if err != nil {
					t.Fatal(err)
				}
				all = append(append(all, set.Needles...), generate(t, kind, 300, 5)...)
			}
			for _, n := range all {
				p, err := needle.Compose(tok, h, n, needle.Options{Length: 1024, Depth: 50})
				if err != nil {
					t.Fatal(err)
				}
				least, most := 8, 18
				if strings.HasPrefix(n.ID, "gre") {
					least, most = 7, 20
				}
				if k := len(p.AnswerIDs); k < least || k > most {
					t.Errorf("%s: the answer has %d tokens: %s", n.ID, k, n.Answers[0])
				}
				if k := p.Span.End - p.Span.Start; k < len(p.AnswerIDs) {
					t.Errorf("%s: evidence of %d tokens for an answer of %d", n.ID, k, len(p.AnswerIDs))
				}
			}
		})
	}
}
