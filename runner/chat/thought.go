package chat

import (
	"slices"
	"strings"
)

// GapSteps is how many tokens of white space may stand between a thought and
// its answer; those beyond belong to the answer.
const GapSteps = 8

// Thought reads a model's output token by token and finds where its thinking
// ends and its answer begins. A model that begins with other text than the mark
// of a thought does not think.
type Thought struct {
	marks  *Marks
	limit  int
	state  thoughtState
	text   strings.Builder
	starts []int // of each token in text
	from   int   // first step of the thought itself
	to     int   // the step that begins the closing mark, or an answer without a thought
	opened int   // end of the opening mark in text
	closed int   // end of the closing mark in text
}

type thoughtState uint8

const (
	undecided thoughtState = iota
	within                 // the thought
	behind                 // it, with nothing of the answer yet
	answering
	cutOff
)

// Read begins a model's output behind a frame. limit is the most tokens of
// thinking, marks included.
func (t *Thinking) Read(limit int) *Thought {
	r := &Thought{marks: &t.Marks, limit: limit}
	if t.Opened {
		r.state = within
	}
	return r
}

// Next takes the text of the next token, a control token's name included, and
// whether that token ends an output. It reports whether the answer has begun,
// the token belonging to it, and whether it never will.
func (r *Thought) Next(token string, end bool) (answer, over bool) {
	switch r.state {
	case answering:
		return true, false
	case cutOff:
		return false, true
	}
	step := len(r.starts)
	r.starts = append(r.starts, r.text.Len())
	r.text.WriteString(token)
	if r.state == undecided {
		r.begin(step)
	}
	if r.state == within {
		r.close(step, len(token))
	}
	if r.state == behind && (end || step+1 >= r.limit+GapSteps || strings.TrimSpace(r.text.String()[max(r.closed, r.starts[step]):]) != "") {
		r.state = answering
	}
	switch {
	case r.state == answering:
		return true, false
	case r.state != behind && (step+1 >= r.limit || end && !slices.Contains(r.marks.Inside, token)):
		r.state, r.to = cutOff, step+1
		return false, true
	}
	return false, false
}

// begin decides whether the output so far is a thought.
func (r *Thought) begin(step int) {
	all := r.text.String()
	text := strings.TrimLeft(all, " \t\r\n")
	if text == "" {
		return
	}
	for _, open := range append([]string{r.marks.Close}, r.marks.Open...) {
		switch {
		case strings.HasPrefix(text, open):
			r.state, r.opened, r.from = within, len(all)-len(text)+len(open), step+1
			if open == r.marks.Close {
				r.opened, r.from = 0, 0
			}
			return
		case strings.HasPrefix(open, text):
			return // it may become one
		}
	}
	r.state = answering // from its first token: white space, and what looked like a mark, belong to it
}

// close looks for the closing mark, of which the last n bytes of text may be a part.
func (r *Thought) close(step, n int) {
	text := r.text.String()
	from := max(r.opened, len(text)-n-len(r.marks.Close))
	at := strings.Index(text[from:], r.marks.Close)
	if at < 0 {
		return
	}
	at += from
	r.state, r.closed = behind, at+len(r.marks.Close)
	r.to = step
	for r.to > 0 && r.starts[r.to] > at {
		r.to--
	}
	r.from = min(r.from, r.to)
}

// Steps are the steps [from, to) of the thought itself, without its marks.
func (r *Thought) Steps() (from, to int) { return min(r.from, r.to), r.to }

// Answer is the first step of the answer, and how many bytes of its token's
// text belong to the closing mark; ok is false where there is none.
func (r *Thought) Answer() (step, skip int, ok bool) {
	if r.state != answering {
		return 0, 0, false
	}
	if r.closed == 0 {
		return 0, 0, true
	}
	step = len(r.starts) - 1
	return step, max(0, r.closed-r.starts[step]), true
}
