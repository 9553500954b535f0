package probe

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// Log is the folder of a run whose steps are not trials (evaluations,
// ablations): the manifest, the lock and an append-only journal of JSON lines,
// kept as a run of trials keeps its own.
type Log struct {
	j        *journal
	manifest *Manifest
}

// OpenLog locks a folder, compares or writes its manifest, and hands each line
// of the named journal that is there to read. A torn last line is cut off; any
// other line that read refuses is an error that names it.
func OpenLog(dir, name string, m *Manifest, read func(line []byte) error) (*Log, error) {
	m.Format = manifestFormat
	if m.Settings == nil {
		m.Settings = map[string]string{}
	}
	j, err := openFolder(dir, name, m, func(path string, r io.Reader) (int64, error) {
		in := bufio.NewReaderSize(r, 1<<16)
		var size int64
		for n := 1; ; n++ {
			line, err := readLine(in)
			if err == io.EOF {
				return size, nil
			}
			if err == nil {
				err = read(line)
			}
			if err != nil {
				if _, end := in.Peek(1); end == io.EOF && !json.Valid(line) {
					return size, nil // a power cut may leave a last line of zeros
				}
				return 0, fmt.Errorf("%s:%d: %w; the journal was damaged: restore it, or delete this line and all after it to run those steps again", path, n, err)
			}
			size += int64(len(line)) + 1
		}
	})
	if err != nil {
		return nil, err
	}
	return &Log{j, m}, nil
}

// Append adds v as a line of JSON and makes it last before it returns.
func (l *Log) Append(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	return l.j.write(b.Bytes())
}

// Finish writes into the manifest that the run ended, after so many steps.
func (l *Log) Finish(steps, passed int) error {
	l.manifest.Outcome = &Outcome{Trials: steps, Passed: passed}
	return l.manifest.write(l.j.dir)
}

// Close gives the folder free.
func (l *Log) Close() { l.j.close() }
