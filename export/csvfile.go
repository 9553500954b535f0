package export

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"headprof/export/parquetfile"
)

// commentMark begins the lines of a CSV file that are no data.
const commentMark = '#'

// csvMetaPrefix begins the comment line that holds a table's metadata as JSON.
const csvMetaPrefix = "# headprof: "

// csvFrame reads a CSV file with a header line. Spreadsheets of many countries
// put semicolons between values and commas in numbers, and databases tabs; the
// header line tells. Lines that begin with # are comments. It also gives the
// metadata that a comment holds, nil without.
func csvFrame(data []byte, needed ...string) (*frame, []byte, error) {
	var meta []byte
	header := data
	for len(header) > 0 && (header[0] == commentMark || header[0] == '\n' || header[0] == '\r') {
		line, rest, _ := bytes.Cut(header, []byte("\n"))
		if m, ok := bytes.CutPrefix(line, []byte(csvMetaPrefix)); ok {
			meta = bytes.TrimSpace(m)
		}
		header = rest
	}
	firstLine, _, _ := bytes.Cut(header, []byte("\n"))
	separator, count := ',', bytes.Count(firstLine, []byte(","))
	for _, c := range ";\t" {
		if n := bytes.Count(firstLine, []byte(string(c))); n > count {
			separator, count = c, n
		}
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.Comma, r.Comment, r.ReuseRecord = separator, commentMark, true
	names, err := r.Read()
	if err != nil {
		return nil, nil, fmt.Errorf("reading the header line: %w", err)
	}
	at := map[string]int{}
	for i, name := range names {
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := at[name]; twice && name != "" {
			return nil, nil, fmt.Errorf("the header line names the column %q twice", name)
		}
		at[name] = i
	}
	for _, name := range needed {
		if _, ok := at[name]; !ok {
			return nil, nil, fmt.Errorf("the header line has no column %q", name)
		}
	}
	columns := make([][]string, len(names))
	var lines []int
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		if len(lines) >= maxRows {
			return nil, nil, fmt.Errorf("more than %d rows", maxRows)
		}
		line, _ := r.FieldPos(0)
		lines = append(lines, line)
		for i, value := range fields {
			if separator != ',' && strings.Count(value, ",") == 1 && strings.Trim(value, "0123456789,-+eE") == "" {
				value = strings.Replace(value, ",", ".", 1)
			}
			columns[i] = append(columns[i], strings.Clone(value))
		}
	}
	f := &frame{rows: len(lines), place: func(row int) string { return fmt.Sprintf("line %d", lines[row]) }}
	f.has = func(name string) bool { _, ok := at[name]; return ok }
	f.column = func(name string) (*parquetfile.Values, error) {
		values := columns[at[name]]
		if values == nil {
			values = []string{}
		}
		return &parquetfile.Values{Strings: values}, nil
	}
	return f, meta, nil
}
