// Package textfile reads the texts that users name. A UTF-8 byte order mark at
// the start is dropped, and UTF-16 and UTF-32 are refused by name. Every reader
// of JSON, JSONL, CSV, TSV, YAML, templates and plain text goes through it.
package textfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// mark is U+FEFF in UTF-8.
var mark = []byte("\xef\xbb\xbf")

// sniffed is how many bytes decide on a text's encoding.
const sniffed = 64

// Clean drops a UTF-8 byte order mark from the whole text of a file. name is
// for the error, which says that the text is UTF-16 or UTF-32.
func Clean(name string, data []byte) ([]byte, error) {
	if encoding := wide(data[:min(len(data), sniffed)]); encoding != "" {
		return nil, wideError(name, encoding)
	}
	return bytes.TrimPrefix(data, mark), nil
}

// NewReader gives r without its byte order mark, and how many bytes the mark
// has (0 or 3). Errors: as Clean; r cannot be read.
func NewReader(name string, r io.Reader) (text io.Reader, dropped int, err error) {
	in := bufio.NewReaderSize(r, 1<<16)
	head, err := in.Peek(sniffed)
	if err != nil && err != io.EOF {
		return nil, 0, Named(name, err)
	}
	if encoding := wide(head); encoding != "" {
		return nil, 0, wideError(name, encoding)
	}
	if bytes.HasPrefix(head, mark) {
		dropped, err = in.Discard(len(mark))
	} else {
		err = nil
	}
	return in, dropped, err
}

// wide names the encoding of a text whose characters take two or four bytes,
// by its byte order mark (Unicode Standard, section 23.8) or, without one, by
// the zero bytes that ASCII characters have in UTF-16. "" is any other text.
func wide(head []byte) string {
	for _, b := range []struct{ mark, encoding string }{
		{"\xff\xfe\x00\x00", "UTF-32LE"}, // before UTF-16LE, whose mark begins alike
		{"\x00\x00\xfe\xff", "UTF-32BE"},
		{"\xff\xfe", "UTF-16LE"},
		{"\xfe\xff", "UTF-16BE"},
	} {
		if bytes.HasPrefix(head, []byte(b.mark)) {
			return b.encoding
		}
	}
	if len(head) < 4 {
		return ""
	}
	var zeros, ascii [2]int // at even and odd places
	for i, c := range head {
		if c == 0 {
			zeros[i%2]++
		} else if c < 0x80 {
			ascii[i%2]++
		}
	}
	half := len(head) / 2
	switch {
	case zeros[0] == 0 && zeros[1] == half && ascii[0] >= half:
		return "UTF-16LE"
	case zeros[1] == 0 && ascii[1] == half && zeros[0] >= half:
		return "UTF-16BE"
	}
	return ""
}

func wideError(name, encoding string) error {
	return fmt.Errorf("%s is %s text; convert it to UTF-8, for instance with iconv -f %s -t UTF-8", name, encoding, encoding)
}

// Open opens a file of text. A folder is an error that says so, and every error
// names the file once.
func Open(name string) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory; name a file", name)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Named is an error of a file that names it once.
func Named(name string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) && path.Path == name {
		err = path.Err
	}
	return fmt.Errorf("%s: %w", name, err)
}
