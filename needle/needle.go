// Package needle makes retrieval-and-reasoning needle-in-a-haystack prompts:
// needle sets and a seeded generator, haystacks, composition at token level,
// and the judging of answers. It knows nothing of models.
package needle

import "math"

// Kind says what an answer takes: copying one fact, or a step before the copy.
type Kind string

// The two kinds of HeadKV (arXiv 2410.19258, section 3.1).
const (
	Retrieval Kind = "retrieval"
	Reasoning Kind = "reasoning"
)

// Needle is one text to hide, and what is asked about it.
type Needle struct {
	ID       string   `json:"id"`
	Kind     Kind     `json:"kind"`
	Text     string   `json:"needle"`
	Question string   `json:"question"`
	Answers  []string `json:"answers"`  // the first is the one that is teacher-forced and that sets the answer's length
	Evidence string   `json:"evidence"` // the part of Text that holds the answer ("real_needle")
}

// Token is a token of a text with the bytes [Start, End) it covers.
type Token struct {
	ID         int32
	Start, End int
}

// Tokenizer is what composition needs of a model's tokenizer.
type Tokenizer interface {
	// Encode gives the tokens of plain text: no BOS, special-token look-alikes stay text.
	Encode(text string) []Token
	// Text is what a token decodes to.
	Text(id int32) string
}

// Continuer is a Tokenizer whose vocabulary puts a space before every text
// (Llama 2, Mistral) and that can leave it out where a text continues another.
// Composition uses it for all but the haystack; others are asked to Encode.
type Continuer interface {
	EncodeInside(text string) []Token
}

// Frame is what stands around every prompt of a run: BOS and the chat
// template's tokens before and after the user's text.
type Frame struct {
	Prefix, Suffix []int32
}

// Span is a range [Start, End) of token positions.
type Span struct {
	Start int `json:"start"`
	End   int `json:"end"`
}

// Prompt is a composed trial: all a model needs to run it and a scorer to
// score it. Span is the evidence's place in IDs.
type Prompt struct {
	IDs            []int32
	Span           Span
	AnswerIDs      []int32
	HaystackTokens int // haystack tokens used
	Insertion      int // index among them at which the needle stands (frame not counted)
	Placement      Placement
	QuestionTokens int // tokens of the question alone; a judge's limit of steps counts them
	// SinkRisk is set where the evidence may hold the attention sink: nothing,
	// not even a BOS, comes first and the evidence begins within the first
	// sinkPositions positions. Such trials score most heads, whatever they do.
	SinkRisk bool
}

// RealDepth is how deep the needle lies, in percent of the haystack's tokens
// and rounded to two decimals; ok is false where there is no haystack.
func (p *Prompt) RealDepth() (percent float64, ok bool) {
	if p.HaystackTokens == 0 {
		return 0, false
	}
	return math.Round(1e4*float64(p.Insertion)/float64(p.HaystackTokens)) / 1e2, true
}
