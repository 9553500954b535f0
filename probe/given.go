package probe

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"headprof/export/textfile"
	"headprof/needle"
	"headprof/probe/journal"
)

// givenTrial is a line of a trials file. The first four fields are needed.
type givenTrial struct {
	ID        string         `json:"id"`
	PromptIDs []int32        `json:"prompt_ids"`
	Span      []int          `json:"span"`
	AnswerIDs []int32        `json:"answer_ids"`
	Needle    *needle.Needle `json:"needle,omitempty"`
	Haystack  string         `json:"haystack,omitempty"`
	Length    int            `json:"length,omitempty"`
	Depth     *float64       `json:"depth,omitempty"`
	Question  int            `json:"question_tokens,omitempty"`
}

// givenLine is a line as read: optional fields are taken only in the form that WriteTrials
// gives them, since other programs' lines may hold something else there.
type givenLine struct {
	ID        *string         `json:"id"`
	PromptIDs []int32         `json:"prompt_ids"`
	Span      []int           `json:"span"`
	AnswerIDs []int32         `json:"answer_ids"`
	Needle    json.RawMessage `json:"needle"`
	Haystack  json.RawMessage `json:"haystack"`
	Length    json.RawMessage `json:"length"`
	Depth     json.RawMessage `json:"depth"`
	Question  json.RawMessage `json:"question_tokens"`
}

// ReadTrials reads trials as they are, one JSON object a line:
//
//	{"id": "a", "prompt_ids": [1, 2, 3], "span": [1, 2], "answer_ids": [2]}
//
// span is the evidence's [start, end) in prompt_ids. Empty lines are skipped.
// Optional: needle (an id, or an object with id, needle, question, answers and
// evidence: the judge then knows more than the answer's text, and trials of one
// needle are resampled together), haystack, length, depth, question_tokens.
// Errors name file and line.
func ReadTrials(file string, r io.Reader) ([]*Trial, error) {
	var trials []*Trial
	lines := map[string]int{}
	r, _, err := textfile.NewReader(file, r)
	if err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(r, 1<<16)
	for n := 1; ; n++ {
		line, err := journal.ReadLine(in)
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		if text := bytes.TrimSpace(line); len(text) > 0 {
			t, perr := parseTrial(text)
			if perr != nil {
				return nil, fmt.Errorf("%s:%d: %w", file, n, perr)
			}
			if first, ok := lines[t.ID]; ok {
				return nil, fmt.Errorf("%s:%d: id %q was used on line %d already; ids must differ", file, n, t.ID, first)
			}
			lines[t.ID] = n
			t.Index = len(trials)
			trials = append(trials, t)
			if len(trials) > maxTrials {
				return nil, fmt.Errorf("%s:%d: more than %d trials; split the file", file, n, maxTrials)
			}
		}
		if err == io.EOF {
			break
		}
	}
	if len(trials) == 0 {
		return nil, fmt.Errorf("%s: no trials in it; each line holds id, prompt_ids, span and answer_ids", file)
	}
	return trials, nil
}

func parseTrial(text []byte) (*Trial, error) {
	var g givenLine
	if err := json.Unmarshal(text, &g); err != nil {
		return nil, journal.JSONError(err)
	}
	switch {
	case g.ID == nil || *g.ID == "":
		return nil, errors.New(`"id" is missing; every trial needs a name`)
	case len(*g.ID) > 512:
		return nil, errors.New(`"id" is longer than 512 bytes`)
	case len(g.PromptIDs) == 0:
		return nil, errors.New(`"prompt_ids" is missing or empty`)
	case len(g.PromptIDs) > maxLength:
		return nil, fmt.Errorf(`"prompt_ids" holds more than %d tokens`, maxLength)
	case len(g.Span) != 2:
		return nil, errors.New(`"span" must be the two numbers [start, end) of the evidence in prompt_ids`)
	case g.Span[0] < 0 || g.Span[1] <= g.Span[0] || g.Span[1] > len(g.PromptIDs):
		return nil, fmt.Errorf(`"span" [%d, %d) is not a range within the prompt's %d tokens`, g.Span[0], g.Span[1], len(g.PromptIDs))
	case len(g.AnswerIDs) == 0:
		return nil, errors.New(`"answer_ids" is missing or empty`)
	case len(g.AnswerIDs) > maxAnswer:
		return nil, fmt.Errorf(`"answer_ids" holds more than %d tokens`, maxAnswer)
	}
	t := &Trial{
		ID: *g.ID, Span: needle.Span{Start: g.Span[0], End: g.Span[1]},
		AnswerIDs: g.AnswerIDs, PromptTokens: len(g.PromptIDs), prompt: g.PromptIDs,
	}
	optional(g.Needle, &t.Needle)
	optional(g.Needle, &t.Needle.ID)
	optional(g.Haystack, &t.Haystack)
	optional(g.Length, &t.Length)
	optional(g.Depth, &t.Depth)
	optional(g.Question, &t.QuestionTokens)
	if len(t.Needle.Answers) == 0 {
		var published struct {
			Answer string `json:"answer"`
		}
		if optional(g.Needle, &published); published.Answer != "" {
			t.Needle.Answers = []string{published.Answer}
		}
	}
	t.Sink = t.Span.Start == 0
	if t.Length <= 0 || t.Length > maxLength {
		t.Length = len(g.PromptIDs)
	}
	if !(t.Depth >= 0 && t.Depth <= 100) {
		t.Depth = 0
	}
	t.QuestionTokens = min(max(t.QuestionTokens, 0), maxAnswer)
	for _, id := range append(append([]int32(nil), t.prompt...), t.AnswerIDs...) {
		if id < 0 {
			return nil, fmt.Errorf("token id %d is negative", id)
		}
	}
	return t, nil
}

// maxAnswer bounds an answer's tokens: each is a decode step whose scores are held.
const maxAnswer = 1024

func optional[T any](raw json.RawMessage, to *T) {
	var v T
	if len(raw) > 0 && json.Unmarshal(raw, &v) == nil {
		*to = v
	}
}

// WriteTrials writes trials in the form that ReadTrials reads.
func WriteTrials(w io.Writer, trials []*Trial) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for _, t := range trials {
		ids, err := t.Prompt()
		if err != nil {
			return fmt.Errorf("trial %s: %w", t.ID, err)
		}
		g := givenTrial{
			ID: t.ID, PromptIDs: ids, Span: []int{t.Span.Start, t.Span.End}, AnswerIDs: t.AnswerIDs,
			Haystack: t.Haystack, Length: t.Length, Depth: &t.Depth, Question: t.QuestionTokens,
		}
		if t.Needle.ID != "" || len(t.Needle.Answers) > 0 {
			g.Needle = &t.Needle
		}
		if err := enc.Encode(g); err != nil {
			return err
		}
	}
	return out.Flush()
}
