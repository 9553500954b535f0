package cases

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"headprof/scoring"
)

// made gives an empty case of a kind.
var made = map[scoring.Probe]func() Case{
	scoring.Documents:  func() Case { return new(documents) },
	scoring.Repeats:    func() Case { return new(repeats) },
	scoring.Recital:    func() Case { return new(recital) },
	scoring.PlainText:  func() Case { return new(plainText) },
	scoring.FewShot:    func() Case { return new(fewShot) },
	scoring.Injection:  func() Case { return new(injection) },
	scoring.Functions:  func() Case { return new(functions) },
	scoring.Statements: func() Case { return new(statement) },
	scoring.Answers:    func() Case { return new(answer) },
	scoring.Swaps:      func() Case { return new(swap) },
}

// maxLine bounds a line of a file of cases, in bytes.
const maxLine = 256 << 20

// Read reads cases of one kind, one JSON object a line. Lines that hold only
// "meta" are ignored, as are fields that a kind does not have. Errors name
// file and line.
func Read(file string, in io.Reader, kind scoring.Probe) ([]Case, error) {
	empty, ok := made[kind]
	if !ok {
		return nil, fmt.Errorf("%s: there are no cases of the kind %q", file, kind)
	}
	var out []Case
	lines := map[string]int{}
	s := bufio.NewScanner(in)
	s.Buffer(nil, maxLine)
	for n := 1; s.Scan(); n++ {
		line := bytes.TrimSpace(s.Bytes())
		if len(line) == 0 {
			continue
		}
		var head struct {
			ID   string          `json:"id"`
			Meta json.RawMessage `json:"meta"`
		}
		if err := json.Unmarshal(line, &head); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		if head.ID == "" && head.Meta != nil {
			continue
		}
		c := empty()
		err := json.Unmarshal(line, c)
		switch {
		case err != nil:
		case head.ID == "":
			err = errors.New(`"id" is missing; every case needs a name`)
		case lines[head.ID] > 0:
			err = fmt.Errorf("id %q was used on line %d already; ids must differ", head.ID, lines[head.ID])
		default:
			err = c.check()
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		lines[head.ID] = n
		out = append(out, c)
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no cases in it", file)
	}
	if kind == scoring.Statements {
		if out, err := linked(out); err != nil {
			return out, fmt.Errorf("%s: %w", file, err)
		}
	}
	return out, nil
}
