package needle

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// NoBuffer asks Compose for a prompt without space kept free.
const NoBuffer = -1

// sinkPositions is how many of the first positions may hold the attention
// sink when no BOS or other text comes first. Published sink sizes are 1 to 4
// (StreamingLLM, arXiv 2309.17453, keeps four).
const sinkPositions = 4

// Options says how Compose places a needle.
type Options struct {
	// Length is the context length L in tokens. It bounds haystack and needle;
	// the question and the frame stand in the buffer. 0 means no haystack at
	// all, as the published plan's first length does.
	Length int
	// Depth is how deep the needle lies, in percent of the haystack, 0 to 100.
	Depth float64
	// Buffer is the space of Length kept free for question and answer, in
	// tokens. 0 takes DefaultBuffer(Length); NoBuffer keeps none.
	Buffer int
	// KeepBefore is the fewest haystack tokens that must stand before the
	// needle. Where the depth would leave fewer, the needle goes to the first
	// sentence end at or after KeepBefore in the haystack's first half, or to
	// KeepBefore itself where there is none.
	KeepBefore int
	// Published places needles by the published rule alone, and cuts the haystack
	// at the token even inside a character.
	Published bool
	// Frame stands around the prompt.
	Frame Frame
}

// DefaultBuffer is the space kept free in a context of length tokens: the
// published 200, or 32 in contexts shorter than 1,000 tokens.
func DefaultBuffer(length int) int {
	if length >= 1000 {
		return 200
	}
	return 32
}

// QuestionText is what follows the haystack in every prompt, tokenised as one
// piece (HeadKV's wording).
func QuestionText(question string) string {
	return "\nBased on the content of the book, Question: " + question + "\nAnswer:"
}

// Compose makes one prompt at token level:
//
//	frame.Prefix  haystack[:i]  needle  haystack[i:n]  question  frame.Suffix
//
// The haystack is cut to n = Length − buffer − len(needle) tokens, a few less
// where that would cut a character. i is near floor(n·Depth/100), at the end of
// a sentence where one is near (see place; Depth 100 takes n itself). Needle and answer are tokenised with one
// leading space. Span is the smallest token range of the needle that covers
// the evidence's characters.
//
// Errors: the needle does not fit, the haystack is empty or too short for
// Length, the needle lacks a part or its evidence, options out of range.
func Compose(tok Tokenizer, h *Haystack, n Needle, o Options) (*Prompt, error) {
	if err := n.check(); err != nil {
		return nil, fmt.Errorf("needle %s: %w", n.ID, err)
	}
	buffer, err := o.check()
	if err != nil {
		return nil, err
	}
	inside := tok.Encode
	if c, ok := tok.(Continuer); ok {
		inside = c.EncodeInside
	}
	needle := inside(" " + n.Text)
	span, err := evidenceSpan(needle, n)
	if err != nil {
		return nil, fmt.Errorf("needle %s: %w", n.ID, err)
	}

	var hay []Token
	if o.Length > 0 {
		if hay, err = cutHaystack(tok, h, o, buffer, len(needle), n.ID); err != nil {
			return nil, err
		}
	}
	if o.KeepBefore > len(hay) {
		return nil, fmt.Errorf("needle %s at length %d: only %d haystack tokens fit, but %d must stand before the needle; use a longer --lengths value",
			n.ID, o.Length, len(hay), o.KeepBefore)
	}
	var at int
	var placement Placement
	if o.Published {
		at, placement = placePublished(tok, hay, o.Depth, o.KeepBefore)
	} else {
		at, placement = place(tok, h, hay, o.Depth, o.KeepBefore)
	}

	question := inside(QuestionText(n.Question))
	ids := slices.Concat(o.Frame.Prefix, idsOf(hay[:at]), idsOf(needle), idsOf(hay[at:]), idsOf(question), o.Frame.Suffix)
	first := len(o.Frame.Prefix) + at

	answer := idsOf(inside(" " + n.Answers[0]))
	if len(answer) == 0 {
		return nil, fmt.Errorf("needle %s: the answer %q has no tokens", n.ID, n.Answers[0])
	}
	span = Span{span.Start + first, span.End + first}
	return &Prompt{
		IDs:            ids,
		Span:           span,
		AnswerIDs:      answer,
		HaystackTokens: len(hay),
		Insertion:      at,
		Placement:      placement,
		QuestionTokens: len(inside(" " + n.Question)),
		SinkRisk:       len(o.Frame.Prefix) == 0 && span.Start < sinkPositions,
	}, nil
}

// check validates o and resolves its buffer.
func (o Options) check() (buffer int, err error) {
	if o.Length < 0 {
		return 0, fmt.Errorf("context length %d is negative", o.Length)
	}
	if !(o.Depth >= 0 && o.Depth <= 100) {
		return 0, fmt.Errorf("depth %v is not a percentage from 0 to 100", o.Depth)
	}
	if o.KeepBefore < 0 {
		return 0, fmt.Errorf("%d haystack tokens before the needle: the number is negative", o.KeepBefore)
	}
	if o.Buffer < NoBuffer {
		return 0, fmt.Errorf("buffer %d is negative", o.Buffer)
	}
	if o.Buffer == 0 {
		return DefaultBuffer(o.Length), nil
	}
	return max(o.Buffer, 0), nil // NoBuffer is negative
}

// check says what n lacks to be composed and judged.
func (n Needle) check() error {
	if len(n.Answers) == 0 && n.Text != "" && n.Question != "" {
		return errors.New(`the answer is missing; give "answer", or "real_needle" where that is the answer`)
	}
	for _, part := range []struct{ name, text string }{
		{"needle", n.Text}, {"question", n.Question}, {"evidence", n.Evidence},
	} {
		if strings.TrimSpace(part.text) == "" {
			return fmt.Errorf("the %s is empty", part.name)
		}
		if !utf8.ValidString(part.text) {
			return fmt.Errorf("the %s is not valid UTF-8", part.name)
		}
	}
	for _, a := range n.Answers {
		if !utf8.ValidString(a) {
			return errors.New("an answer is not valid UTF-8")
		}
		if len(words(a)) == 0 {
			return fmt.Errorf("the answer %q holds no words to compare (articles and punctuation do not count)", a)
		}
	}
	if !strings.Contains(n.Text, n.Evidence) {
		return fmt.Errorf("the evidence %q does not occur in the needle %q; it must be a literal part of it", n.Evidence, n.Text)
	}
	return nil
}

// cutHaystack gives the haystack tokens that fit beside the needle.
func cutHaystack(tok Tokenizer, h *Haystack, o Options, buffer, needle int, id string) ([]Token, error) {
	length := o.Length
	space := length - buffer - needle
	if space < 0 {
		return nil, fmt.Errorf("needle %s has %d tokens, %d more than fit in a context of %d (buffer %d); use a longer --lengths value or a shorter needle",
			id, needle, -space, length, buffer)
	}
	if h == nil || h.text == "" {
		return nil, errors.New("the haystack is empty; name a text file that holds some text")
	}
	hay := h.Tokens(tok)
	if len(hay) < space {
		return nil, fmt.Errorf("haystack %s has %d tokens, %d too few for a context of %d; add text (more files) or use a shorter --lengths value",
			h.id, len(hay), space-len(hay), length)
	}
	for !o.Published && space > 0 && !h.character(hay[space-1].End) {
		space--
	}
	return hay[:space], nil
}

// evidenceSpan is the smallest range of the tokens of " "+n.Text that covers
// the first occurrence of the evidence.
func evidenceSpan(needle []Token, n Needle) (Span, error) {
	start := 1 + strings.Index(n.Text, n.Evidence) // 1: the leading space
	end := start + len(n.Evidence)
	span := Span{Start: -1}
	for i, t := range needle {
		if t.Start < end && t.End > start && t.End > t.Start {
			if span.Start < 0 {
				span.Start = i
			}
			span.End = i + 1
		}
	}
	if span.Start < 0 {
		return span, fmt.Errorf("no token covers the evidence %q", n.Evidence)
	}
	return span, nil
}

func idsOf(tokens []Token) (ids []int32) {
	for _, t := range tokens {
		ids = append(ids, t.ID)
	}
	return ids
}
