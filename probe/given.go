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

// givenTrial is a line of a trials file: all of a trial. The first four fields
// are needed.
type givenTrial struct {
	ID           string           `json:"id"`
	PromptIDs    []int32          `json:"prompt_ids"`
	Span         []int            `json:"span"`
	AnswerIDs    []int32          `json:"answer_ids"`
	Needle       *needle.Needle   `json:"needle,omitempty"`
	Haystack     string           `json:"haystack,omitempty"`
	Length       *int             `json:"length,omitempty"`
	Depth        *float64         `json:"depth,omitempty"`
	RealDepth    *float64         `json:"real_depth,omitempty"`
	Placement    needle.Placement `json:"placement,omitempty"`
	Question     int              `json:"question_tokens,omitempty"`
	Index        *int             `json:"index,omitempty"`
	SharedPrefix *int             `json:"shared_prefix,omitempty"`
	Sink         *bool            `json:"sink,omitempty"`
	KeepSink     bool             `json:"keep_sink,omitempty"`
	Also         []Point          `json:"also,omitempty"`
}

// givenLine is a line as read: optional fields are taken only in the form that WriteTrials
// gives them, since other programs' lines may hold something else there.
type givenLine struct {
	ID           *string         `json:"id"`
	PromptIDs    []int32         `json:"prompt_ids"`
	Span         []int           `json:"span"`
	AnswerIDs    []int32         `json:"answer_ids"`
	Needle       json.RawMessage `json:"needle"`
	Haystack     json.RawMessage `json:"haystack"`
	Length       json.RawMessage `json:"length"`
	Depth        json.RawMessage `json:"depth"`
	RealDepth    json.RawMessage `json:"real_depth"`
	Placement    json.RawMessage `json:"placement"`
	Question     json.RawMessage `json:"question_tokens"`
	Index        json.RawMessage `json:"index"`
	SharedPrefix json.RawMessage `json:"shared_prefix"`
	Sink         json.RawMessage `json:"sink"`
	KeepSink     json.RawMessage `json:"keep_sink"`
	Also         json.RawMessage `json:"also"`
}

// ReadTrials reads trials as they are, one JSON object a line:
//
//	{"id": "a", "prompt_ids": [1, 2, 3], "span": [1, 2], "answer_ids": [2]}
//
// span is the evidence's [start, end) in prompt_ids. Empty lines are skipped.
// Optional: needle (an id, or an object with id, needle, question, answers and
// evidence: the judge then knows more than the answer's text, and trials of one
// needle are resampled together), haystack, length, depth, question_tokens, and
// what else WriteTrials writes: with all of it a run of the file is the run of
// the plan that was written. Errors name file and line.
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
			trials = append(trials, t)
			if len(trials) > maxTrials {
				return nil, fmt.Errorf("%s:%d: more than %d trials; split the file", file, n, maxTrials)
			}
		}
		if err == io.EOF {
			break
		}
	}
	canonical(trials)
	if len(trials) == 0 {
		return nil, fmt.Errorf("%s: no trials in it; each line holds id, prompt_ids, span and answer_ids", file)
	}
	return trials, nil
}

// canonical keeps the indices of a plan's own trials, where every line has one
// and no two are alike; else trials are numbered as they come.
func canonical(trials []*Trial) {
	seen := map[int]bool{}
	for _, t := range trials {
		if !t.composed || seen[t.Index] {
			for i, t := range trials {
				t.Index, t.composed = i, false
			}
			return
		}
		seen[t.Index] = true
	}
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
	hasLength := optional(g.Length, &t.Length)
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
	hasSink := optional(g.Sink, &t.Sink)
	optional(g.KeepSink, &t.KeepSink)
	if !hasLength || t.Length < 0 || t.Length > maxLength {
		t.Length, hasLength = len(g.PromptIDs), false
	}
	if !(t.Depth >= 0 && t.Depth <= 100) {
		t.Depth = 0
	}
	if optional(g.RealDepth, &t.RealDepth) && t.RealDepth != nil && !(*t.RealDepth >= 0 && *t.RealDepth <= 100) {
		t.RealDepth = nil
	}
	optional(g.Placement, &t.Placement)
	if optional(g.Also, &t.Also) {
		for _, p := range t.Also {
			if p.ID == "" || len(p.ID) > 512 || p.Length < 0 || p.Length > maxLength || !(p.Depth >= 0 && p.Depth <= 100) {
				return nil, errors.New(`"also" must be a list of points with id, length and depth`)
			}
		}
		if len(t.Also) > maxPoints {
			return nil, fmt.Errorf(`"also" holds more than %d points`, maxPoints)
		}
	}
	hasIndex := optional(g.Index, &t.Index) && t.Index >= 0 && t.Index < maxTrials
	hasPrefix := optional(g.SharedPrefix, &t.SharedPrefix) && t.SharedPrefix >= 0 && t.SharedPrefix <= t.Span.Start
	if !hasPrefix {
		t.SharedPrefix = 0
	}
	t.composed = hasLength && hasSink && hasIndex && hasPrefix && t.Needle.Text != ""
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

// optional takes a field where it has the form of to, and says whether it has.
func optional[T any](raw json.RawMessage, to *T) bool {
	var v T
	if len(raw) == 0 || string(raw) == "null" || json.Unmarshal(raw, &v) != nil {
		return false
	}
	*to = v
	return true
}

// WriteTrials writes trials in the form that ReadTrials reads, all of each.
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
			Haystack: t.Haystack, Length: &t.Length, Depth: &t.Depth, RealDepth: t.RealDepth, Placement: t.Placement,
			Question: t.QuestionTokens, Sink: &t.Sink, KeepSink: t.KeepSink, Also: t.Also,
		}
		if t.composed {
			g.Index, g.SharedPrefix = &t.Index, &t.SharedPrefix
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
