package journal

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
)

// maxLine bounds one line of a journal or a trials file, in bytes.
const maxLine = 256 << 20

// ReadLine reads up to and without the next newline. It returns io.EOF with
// what follows the last one.
func ReadLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, fmt.Errorf("the line is longer than %d bytes", maxLine)
		}
		switch err {
		case nil:
			return line[:len(line)-1], nil
		case bufio.ErrBufferFull:
		default:
			return line, err
		}
	}
}

// JSONError says in a user's words what encoding/json met.
func JSONError(err error) error {
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return fmt.Errorf("%q holds a %s where a number or list of 32-bit numbers (or a text, for id) is needed", wrong.Field, wrong.Value)
	case errors.As(err, &wrong):
		return fmt.Errorf("the line is a JSON %s, not an object", wrong.Value)
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON at byte %d: %v", syntax.Offset, err)
	}
	return fmt.Errorf("not JSON: %w", err)
}
