package needle

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"headprof/export/textfile"
)

// Limits of needle files and of generated sets.
const (
	MaxLineBytes = 1 << 20  // one needle
	MaxSetBytes  = 64 << 20 // one file
	MaxNeedles   = 100_000  // one file or generated set
	maxIDBytes   = 200
)

// line is one needle in the published form. Unknown fields are ignored.
type line struct {
	ID         string     `json:"id"`
	Kind       Kind       `json:"kind"`
	Needle     string     `json:"needle"`
	Question   string     `json:"question"`
	Answer     textOrList `json:"answer"`
	RealNeedle string     `json:"real_needle"`
	Evidence   string     `json:"evidence"`
}

var errAnswerForm = errors.New(`"answer" must be a string or a list of strings`)

// textOrList is a string or a list of strings.
type textOrList []string

// UnmarshalJSON takes either form.
func (t *textOrList) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		if string(data) != "null" {
			*t = textOrList{one}
		}
		return nil
	}
	var many []string
	if json.Unmarshal(data, &many) != nil {
		return errAnswerForm
	}
	*t = many
	return nil
}

// LoadSet reads a needle file; see ReadSet.
func LoadSet(path string) (*Set, error) {
	f, err := textfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := ReadSet(path, f)
	if err != nil {
		return nil, err
	}
	s.Name = filepath.Base(path)
	return s, nil
}

// ReadSet reads needles in the published JSONL form, one object a line, blank
// lines skipped. "needle" and "question" are needed, and the answer:
//
//   - "answer" is a string, or a list of accepted ones;
//   - "real_needle" or "evidence" is the part of the needle that holds it, up to
//     the case of letters and a final full stop. Where both are absent, it is the
//     first answer that occurs in the needle;
//   - where "answer" is absent, as in Retrieval_Head's and HeadKV's own files,
//     "real_needle" (or "evidence") is the answer as well.
//
// "id" (default n and the line number) and "kind" (retrieval or reasoning,
// default retrieval; it names the group in reports) are optional; other fields
// are ignored.
//
// Errors name the file and the line: not an object, missing or unusable parts,
// invalid UTF-8 (with its byte offset), an id used twice, a limit passed, no
// needle at all.
func ReadSet(name string, r io.Reader) (*Set, error) {
	set := &Set{Name: name}
	seen := make(map[string]int)
	r, offset, err := textfile.NewReader(name, r)
	if err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(r, 64<<10)
	for number := 1; ; number++ {
		data, err := readLine(in)
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		if at := invalidUTF8(data); at >= 0 {
			return nil, fmt.Errorf("%s:%d: invalid UTF-8 at byte %d of the file; convert it to UTF-8", name, number, offset+at)
		}
		offset += len(data)
		if offset > MaxSetBytes {
			return nil, fmt.Errorf("%s:%d: the file is longer than %d MiB; split it", name, number, MaxSetBytes>>20)
		}
		if data = bytes.TrimSpace(data); len(data) > 0 {
			n, parseErr := parseLine(data, number)
			if parseErr != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, number, parseErr)
			}
			if seen[n.ID] > 0 {
				return nil, fmt.Errorf("%s:%d: id %q is already used in line %d", name, number, n.ID, seen[n.ID])
			}
			if len(set.Needles) == MaxNeedles {
				return nil, fmt.Errorf("%s:%d: more than %d needles; split the file", name, number, MaxNeedles)
			}
			seen[n.ID] = number
			set.Needles = append(set.Needles, n)
		}
		if err == io.EOF {
			break
		}
	}
	if len(set.Needles) == 0 {
		return nil, fmt.Errorf(`%s: no needles; each line is an object like {"needle": …, "question": …, "answer": …, "evidence": …}`, name)
	}
	return set, nil
}

// readLine reads up to and with the next newline, at most MaxLineBytes. At the
// end it gives what is left and io.EOF.
func readLine(in *bufio.Reader) ([]byte, error) {
	var all []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(all)+len(part) > MaxLineBytes {
			return nil, fmt.Errorf("the line is longer than %d KiB; is this a JSONL file with one needle a line?", MaxLineBytes>>10)
		}
		all = append(all, part...)
		if err != bufio.ErrBufferFull {
			return all, err
		}
	}
}

// parseLine makes a needle of one line and checks that it can be used.
func parseLine(data []byte, number int) (Needle, error) {
	var l line
	if err := json.Unmarshal(data, &l); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.Is(err, errAnswerForm) {
			return Needle{}, err
		}
		if errors.As(err, &wrong) && wrong.Field != "" {
			return Needle{}, fmt.Errorf("%q must be a string, not a JSON %s", wrong.Field, wrong.Value)
		}
		if errors.As(err, &wrong) {
			return Needle{}, fmt.Errorf("a needle is a JSON object, not a JSON %s", wrong.Value)
		}
		return Needle{}, fmt.Errorf("not a needle object: %w", err)
	}
	n := Needle{ID: l.ID, Kind: l.Kind, Text: l.Needle, Question: l.Question, Answers: l.Answer}
	if n.ID == "" {
		n.ID = fmt.Sprintf("n%d", number)
	}
	if len(n.ID) > maxIDBytes {
		return Needle{}, fmt.Errorf("the id is longer than %d bytes", maxIDBytes)
	}
	if n.Kind == "" {
		n.Kind = Retrieval
	}
	if n.Kind != Retrieval && n.Kind != Reasoning {
		return Needle{}, unknownKind(n.Kind)
	}
	if l.RealNeedle != "" && l.Evidence != "" && l.RealNeedle != l.Evidence {
		return Needle{}, errors.New(`"real_needle" and "evidence" differ; give one`)
	}
	n.Evidence = cmp.Or(l.Evidence, l.RealNeedle)
	if l.Answer == nil && strings.TrimSpace(n.Evidence) != "" {
		// Retrieval_Head's own files: what holds the answer is the answer.
		n.Answers = []string{strings.TrimSpace(n.Evidence)}
	}
	if n.Evidence == "" {
		n.Evidence = answerIn(n)
		if n.Evidence == "" && n.Text != "" && len(n.Answers) > 0 {
			return Needle{}, errors.New(`no "real_needle" or "evidence", and no answer occurs in the needle word for word; name the part of the needle that holds the answer`)
		}
	}
	if !strings.Contains(n.Text, n.Evidence) {
		n.Evidence = strings.TrimSpace(n.Evidence)
		for _, part := range []string{n.Evidence, strings.TrimRight(n.Evidence, ".!?")} {
			if found := inOtherCase(n.Text, part); found != "" {
				n.Evidence = found
				break
			}
		}
	}
	return n, n.check()
}

// inOtherCase finds part in text, whatever the case of letters, and gives it as
// it stands there; "" where it does not.
func inOtherCase(text, part string) string {
	if part == "" {
		return ""
	}
	letters := []rune(part)
	for start := range text {
		end, i := start, 0
		for i < len(letters) && end < len(text) {
			r, size := utf8.DecodeRuneInString(text[end:])
			if r != letters[i] && !strings.EqualFold(string(r), string(letters[i])) {
				break
			}
			end, i = end+size, i+1
		}
		if i == len(letters) {
			return text[start:end]
		}
	}
	return ""
}

// answerIn is the first accepted answer that stands in the needle as it is.
func answerIn(n Needle) string {
	for _, a := range n.Answers {
		if a = strings.TrimSpace(a); a != "" && strings.Contains(n.Text, a) {
			return a
		}
	}
	return ""
}
