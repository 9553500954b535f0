package evaluate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	checksum "hash"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"headprof/probe"
)

// Layout is what a published file of tasks must look like. The zero Layout is
// none: see [ReadTask].
type Layout struct {
	// Name is longbench:DATASET or loogle-long.
	Name    string
	columns []string // whose checksums are given
	read    func(l *layoutReader, row map[string]json.RawMessage) ([]layoutQuestion, error)
	dataset string // of LongBench
}

// layoutQuestion is one prompt of a line.
type layoutQuestion struct {
	dataset        string
	context, input string
	answers        []string
}

const (
	longBench  = "longbench"
	loogleLong = "loogle-long"
)

// longBenchQA are the LongBench sets of HeadKV's table (arXiv 2410.19258, table 1).
var longBenchQA = []string{"narrativeqa", "qasper", "multifieldqa_en", "hotpotqa", "2wikimqa", "musique"}

// longDependency are LooGLE's types of long-dependency questions.
var longDependency = []string{"comprehension_and_reasoning", "computation", "multiple_information_retrieval", "timeline_reorder"}

// HasLayout says whether a name stands for a layout.
func HasLayout(name string) bool { return name == longBench || name == loogleLong }

// LayoutUsage says how layouts are written.
func LayoutUsage() string { return "longbench:NAME:FILE, loogle-long:FILE" }

// ParseLayout reads what stands behind a layout's name and a colon: FILE, or
// NAME:FILE for LongBench.
func ParseLayout(name, rest string) (Layout, string, error) {
	file := rest
	l := Layout{Name: name, columns: []string{"input", "Q", "A", "type"}, read: (*layoutReader).loogle}
	if name == longBench {
		var found bool
		if l.dataset, file, found = strings.Cut(rest, ":"); !slices.Contains(longBenchQA, l.dataset) {
			return Layout{}, "", fmt.Errorf("%q is none of the sets %s; write longbench:NAME:FILE", l.dataset, strings.Join(longBenchQA, ", "))
		} else if !found {
			file = ""
		}
		l.Name, l.columns, l.read = name+":"+l.dataset, []string{"input", "context", "answers"}, (*layoutReader).longBench
	}
	if file == "" {
		return Layout{}, "", fmt.Errorf("the file is missing; write %s", LayoutUsage())
	}
	return l, file, nil
}

// ReadLayout reads prompts from a file of a layout, as [ReadTask] does, and
// refuses a file of another layout. checksums names the columns that the
// prompts are made of with the SHA-256 (16 digits) of their values in the lines
// that were read (texts of a list joined by NUL, a line break behind each
// value): equal where the data are, however a file is written.
func ReadLayout(l Layout, file string, r io.Reader, m probe.Model, o TaskOptions) (items []*Item, checksums string, err error) {
	lr := &layoutReader{layout: l, sums: map[string]checksum.Hash{}}
	for _, c := range l.columns {
		lr.sums[c] = sha256.New()
	}
	name := strings.TrimPrefix(l.Name, longBench+":")
	items, err = readLines(file, r, o.Limit, func(line []byte, n int) ([]*Item, error) {
		questions, err := lr.line(line)
		if err != nil {
			return nil, fmt.Errorf("the line has not the layout of %s: %w", l.Name, err)
		}
		var made []*Item
		for i, q := range questions {
			id := fmt.Sprintf("%s:%d", name, n)
			if len(questions) > 1 {
				id += fmt.Sprintf(".%d", i+1)
			}
			d, _ := datasetOf(q.dataset)
			it, err := newItem(id, q.dataset, d, q.context, q.input, q.answers, nil, m, o)
			if err != nil {
				return nil, err
			}
			made = append(made, it)
		}
		return made, nil
	})
	if err != nil {
		return nil, "", err
	}
	var sums []string
	for _, c := range l.columns {
		sums = append(sums, c+"="+hex.EncodeToString(lr.sums[c].Sum(nil))[:16])
	}
	return items, strings.Join(sums, " "), nil
}

// layoutReader reads the lines of a file.
type layoutReader struct {
	layout Layout
	sums   map[string]checksum.Hash
}

// add adds a line's texts to a column's checksum: joined by NUL, and a line break.
func (l *layoutReader) add(column string, texts ...string) {
	io.WriteString(l.sums[column], strings.Join(texts, "\x00")+"\n")
}

func (l *layoutReader) line(line []byte) ([]layoutQuestion, error) {
	if !utf8.Valid(line) {
		return nil, errors.New("it is not valid UTF-8")
	}
	var row map[string]json.RawMessage
	if err := json.Unmarshal(line, &row); err != nil {
		return nil, errors.New("it is no JSON object")
	}
	return l.layout.read(l, row)
}

// value reads a column of a row.
func value(row map[string]json.RawMessage, name string, to any, what string) error {
	raw, ok := row[name]
	if !ok {
		return fmt.Errorf("column %q is missing", name)
	}
	if err := json.Unmarshal(raw, to); err != nil || string(raw) == "null" {
		return fmt.Errorf("column %q must be %s", name, what)
	}
	return nil
}

// longBench reads a line of LongBench: input, context, answers, length,
// dataset, language, all_classes, _id.
func (l *layoutReader) longBench(row map[string]json.RawMessage) ([]layoutQuestion, error) {
	q := layoutQuestion{}
	var dataset string
	for _, c := range []struct {
		name, what string
		to         any
	}{
		{"input", "a text", &q.input}, {"context", "a text", &q.context}, {"answers", "a list of texts", &q.answers}, {"dataset", "a text", &dataset},
	} {
		if err := value(row, c.name, c.to, c.what); err != nil {
			return nil, fmt.Errorf("%w (LongBench's columns are input, context, answers, length, dataset, language, all_classes, _id)", err)
		}
	}
	if dataset != l.layout.dataset && dataset != l.layout.dataset+"_e" {
		return nil, fmt.Errorf("column \"dataset\" is %q", dataset)
	}
	l.add("input", q.input)
	l.add("context", q.context)
	l.add("answers", q.answers...)
	var err error
	if q.answers, err = nonEmpty(q.answers); err != nil {
		return nil, err
	}
	q.dataset = l.layout.dataset
	return []layoutQuestion{q}, nil
}

// loogle reads a line of LooGLE's long-dependency QA in one of three forms:
// input and qa_pairs with Q, A and type; context, question, answer and type; or
// LongBench's columns with the type as dataset, as HeadKV's files have them.
func (l *layoutReader) loogle(row map[string]json.RawMessage) ([]layoutQuestion, error) {
	if _, ok := row["qa_pairs"]; ok {
		var context string
		if err := value(row, "input", &context, "a text"); err != nil {
			return nil, err
		}
		pairs, err := qaPairs(row["qa_pairs"])
		if err != nil {
			return nil, fmt.Errorf("qa_pairs: %w", err)
		}
		var out []layoutQuestion
		for i, p := range pairs {
			q, err := l.long(context, p.Q, []string{p.A}, p.Type)
			if err != nil {
				return nil, fmt.Errorf("question %d of qa_pairs: %w", i+1, err)
			}
			out = append(out, q)
		}
		return out, nil
	}
	var context, input, kind string
	var answers []string
	question, typed := "question", "type"
	if _, ok := row["dataset"]; ok {
		question, typed = "input", "dataset"
		if err := value(row, "answers", &answers, "a list of texts"); err != nil {
			return nil, err
		}
	} else {
		var answer string
		if _, ok := row["answer"]; !ok {
			return nil, errors.New(`it has neither "qa_pairs" (of objects with Q, A and type) nor "answer" (with context, question and type) nor "dataset" (with LongBench's columns)`)
		}
		if err := value(row, "answer", &answer, "a text"); err != nil {
			return nil, err
		}
		answers = []string{answer}
	}
	for _, c := range []struct {
		name string
		to   *string
	}{{"context", &context}, {question, &input}, {typed, &kind}} {
		if err := value(row, c.name, c.to, "a text"); err != nil {
			return nil, err
		}
	}
	q, err := l.long(context, input, answers, kind)
	return []layoutQuestion{q}, err
}

// long makes a long-dependency question.
func (l *layoutReader) long(context, input string, answers []string, kind string) (layoutQuestion, error) {
	dataset := strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(strings.TrimSpace(kind)))
	if !slices.Contains(longDependency, dataset) {
		return layoutQuestion{}, fmt.Errorf("the type is %q; long-dependency questions are of the types %s", kind, strings.Join(longDependency, ", "))
	}
	l.add("input", context)
	l.add("Q", input)
	l.add("A", answers...)
	l.add("type", dataset)
	answers, err := nonEmpty(answers)
	return layoutQuestion{dataset, context, input, answers}, err
}
