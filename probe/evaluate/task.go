package evaluate

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"headprof/export/textfile"
	"headprof/needle"
	"headprof/probe"
)

// TaskOptions say how a task file becomes prompts.
type TaskOptions struct {
	Frame     needle.Frame // BOS and chat template
	Bare      needle.Frame // of prompts that take no chat template: BOS alone
	MaxLength int          // longest prompt in tokens; 0: what the model's context leaves
	Limit     int          // lines to take; 0: all
}

// Limits of task files.
const (
	maxTaskLine  = 64 << 20 // bytes
	maxTaskItems = 100_000
	// maxAnswer is how many tokens of an expected answer are teacher-forced for its
	// log-probability.
	maxAnswer = 128
)

// taskLine holds the fields of all forms of task files; see ReadTask.
type taskLine struct {
	Input, Context, Question, Title *string
	Dataset                         string
	Answers, Answer                 json.RawMessage
	AllClasses                      []string        `json:"all_classes"`
	QAPairs                         json.RawMessage `json:"qa_pairs"`
}

// ReadTask reads prompts from a JSONL file, line by line in one of these forms:
//
//   - LongBench as published: input, context, answers, dataset, all_classes
//   - LooGLE short-dependency QA as published: input (the text) and qa_pairs, a
//     list of objects with Q and A, in JSON or written as Python does; or
//     context, question, answer
//   - anyone's own: context, question, answers (or answer), a text or a list
//
// Other fields are ignored. Prompts over the limit lose their middle, as in
// LongBench. Errors name the file and the line.
func ReadTask(file string, r io.Reader, m probe.Model, o TaskOptions) ([]*Item, error) {
	base := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	return readLines(file, r, o.Limit, func(line []byte, n int) ([]*Item, error) { return readItems(line, base, n, m, o) })
}

// readLines makes items of the first limit lines of a file that hold something,
// of all where limit is 0. read gets a line and its number.
func readLines(file string, r io.Reader, limit int, read func(line []byte, n int) ([]*Item, error)) ([]*Item, error) {
	r, _, err := textfile.NewReader(file, r)
	if err != nil {
		return nil, err
	}
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 1<<16), maxTaskLine)
	var items []*Item
	n, taken := 0, 0
	for in.Scan() {
		n++
		line := in.Bytes()
		if len(strings.TrimSpace(string(line))) == 0 {
			continue
		}
		if limit > 0 && taken == limit {
			break
		}
		taken++
		made, err := read(line, n)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		if items = append(items, made...); len(items) > maxTaskItems {
			return nil, fmt.Errorf("%s holds more than %d prompts; split it, or take fewer lines", file, maxTaskItems)
		}
	}
	if err := in.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("the line is longer than %d bytes", maxTaskLine)
		}
		return nil, fmt.Errorf("%s:%d: %w", file, n+1, err)
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("%s holds no prompt", file)
	}
	return items, nil
}

func readItems(line []byte, base string, n int, m probe.Model, o TaskOptions) ([]*Item, error) {
	if !utf8.Valid(line) {
		return nil, errors.New("the line is not valid UTF-8")
	}
	var t taskLine
	if err := json.Unmarshal(line, &t); err != nil {
		return nil, fmt.Errorf("the line is no JSON object of a task: %w", err)
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	id := fmt.Sprintf("%s:%d", base, n)
	switch {
	case t.QAPairs != nil:
		pairs, err := qaPairs(t.QAPairs)
		if err != nil {
			return nil, fmt.Errorf("qa_pairs: %w", err)
		}
		context := text(t.Input)
		if t.Context != nil {
			context = *t.Context
		}
		if context == "" {
			return nil, errors.New(`"input" is missing: the text that qa_pairs asks about`)
		}
		var items []*Item
		for i, p := range pairs {
			it, err := newItem(fmt.Sprintf("%s.%d", id, i+1), base, question, context, p.Q, []string{p.A}, nil, m, o)
			if err != nil {
				return nil, fmt.Errorf("question %d: %w", i+1, err)
			}
			items = append(items, it)
		}
		return items, nil
	case t.Context == nil || *t.Context == "":
		return nil, errors.New(`"context" is missing`)
	}
	answers, err := answersOf(t)
	if err != nil {
		return nil, err
	}
	d, task, input := question, base, text(t.Question)
	if t.Dataset != "" && t.Question == nil {
		known := false
		if d, known = datasetOf(t.Dataset); !known {
			return nil, fmt.Errorf("dataset %q is none of LongBench's; for questions of your own give context, question and answers", t.Dataset)
		}
		task, input = t.Dataset, text(t.Input)
	} else if t.Question == nil {
		if t.Input == nil {
			return nil, errors.New(`"question" is missing`)
		}
		input = *t.Input
	}
	it, err := newItem(id, task, d, *t.Context, input, answers, t.AllClasses, m, o)
	if err != nil {
		return nil, err
	}
	return []*Item{it}, nil
}

// answersOf reads "answers" or "answer": a text or a list of texts.
func answersOf(t taskLine) ([]string, error) {
	raw := t.Answers
	if raw == nil {
		raw = t.Answer
	}
	if raw == nil {
		return nil, errors.New(`"answers" is missing`)
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return nonEmpty([]string{one})
	}
	var many []string
	if err := json.Unmarshal(raw, &many); err != nil {
		return nil, errors.New(`"answers" must be a text or a list of texts`)
	}
	return nonEmpty(many)
}

func nonEmpty(answers []string) ([]string, error) {
	var out []string
	for _, a := range answers {
		if strings.TrimSpace(a) != "" {
			out = append(out, a)
		}
	}
	if out == nil {
		return nil, errors.New("there is no answer, or only empty ones")
	}
	return out, nil
}

func newItem(id, task string, d dataset, context, input string, answers, classes []string, m probe.Model, o TaskOptions) (*Item, error) {
	frame := o.Frame
	if d.plain {
		frame = o.Bare
	}
	answer := answers[0]
	if len(frame.Suffix) == 0 && !hasHan(answer) && !d.plain {
		answer = " " + answer // goes on after "Answer:"
	}
	answerIDs := ids32(m.Encode(answer))
	answerIDs = answerIDs[:min(len(answerIDs), maxAnswer)]
	space := m.Context() - max(d.maxTokens, len(answerIDs))
	if o.MaxLength > 0 {
		space = min(space, o.MaxLength)
	}
	body := ids32(m.Encode(d.fill(context, input)))
	limit := space - len(frame.Prefix) - len(frame.Suffix)
	if limit < 32 {
		return nil, fmt.Errorf("a prompt of at most %d tokens does not fit beside the chat template; raise --max-length", space)
	}
	if len(body) > limit {
		body = append(append([]int32(nil), body[:limit/2]...), body[len(body)-limit/2:]...)
	}
	prompt := append(append(append([]int32(nil), frame.Prefix...), body...), frame.Suffix...)
	sum := sha256.Sum256([]byte(context))
	it := &Item{
		ID: id, Task: task, Group: hex.EncodeToString(sum[:8]), Length: len(prompt),
		Prompt: prompt, AnswerIDs: answerIDs, MaxTokens: d.maxTokens,
		Score: func(steps []needle.Step) (float64, string) {
			out := textOf(steps)
			if d.oneLine {
				out, _, _ = strings.Cut(strings.TrimLeft(out, "\n"), "\n")
			}
			best := 0.0
			for _, a := range answers {
				best = max(best, d.metric(out, a, classes))
			}
			return best, out
		},
	}
	if d.oneLine {
		it.Stop = func(steps []needle.Step) bool {
			return strings.Contains(strings.TrimLeft(textOf(steps), "\n"), "\n")
		}
	}
	return it, nil
}

func ids32(tokens []needle.Token) []int32 {
	out := make([]int32, len(tokens))
	for i, t := range tokens {
		out[i] = t.ID
	}
	return out
}

func textOf(steps []needle.Step) string {
	var b strings.Builder
	for _, s := range steps {
		if !s.End {
			b.WriteString(s.Text)
		}
	}
	return b.String()
}
