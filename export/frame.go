package export

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"headprof/export/parquetfile"
)

// frame is a table of named columns, whatever file it came from. Other tools
// save a column of integers as floats once a value is missing, booleans as
// texts or numbers, and numbers as texts; a column is read by what it says, not
// by its type. The first error is kept.
type frame struct {
	rows   int
	has    func(name string) bool
	column func(name string) (*parquetfile.Values, error) // nil: absent
	place  func(row int) string                           // for messages: "line 3", "row 2"
	err    error
}

// values reads one column; nil where the table lacks it or an error came before.
func (f *frame) values(name string) *parquetfile.Values {
	if f.err != nil || !f.has(name) {
		return nil
	}
	v, err := f.column(name)
	if err != nil {
		f.err = err
		return nil
	}
	return v
}

func (f *frame) fail(row int, name, value, want string) {
	if f.err == nil {
		f.err = fmt.Errorf("%s: %s is %.40q, not %s", f.place(row), name, value, want)
	}
}

// isNull reports whether a value is missing. These texts stand for nothing in
// what R, pandas and SQL tools write.
func isNull(v *parquetfile.Values, row int) bool {
	if v.Null != nil && v.Null[row] {
		return true
	}
	if v.Strings == nil {
		return false
	}
	switch v.Strings[row] {
	case "", "NA", "<NA>", "null", "NULL", "None":
		return true
	}
	return false
}

// ints reads integers of 32 bits, def where one is missing.
func (f *frame) ints(name string, def int) []int {
	out := make([]int, f.rows)
	v := f.values(name)
	for i := range out {
		out[i] = def
		if v == nil || isNull(v, i) {
			continue
		}
		var x float64
		switch {
		case v.Ints != nil:
			x = float64(v.Ints[i])
		case v.Floats != nil:
			if x = v.Floats[i]; math.IsNaN(x) {
				continue // how pandas saves a missing integer
			}
		case v.Strings != nil:
			var err error
			if x, err = strconv.ParseFloat(strings.TrimSpace(v.Strings[i]), 64); err != nil {
				x = math.NaN()
			}
		default:
			x = math.NaN()
		}
		if x != math.Trunc(x) || math.Abs(x) > math.MaxInt32 {
			f.fail(i, name, text(v, i), "a whole number")
			return out
		}
		out[i] = int(x)
	}
	return out
}

// floats reads numbers, NaN where one is missing.
func (f *frame) floats(name string) []float64 {
	out := make([]float64, f.rows)
	v := f.values(name)
	for i := range out {
		out[i] = math.NaN()
		if v == nil || isNull(v, i) {
			continue
		}
		switch {
		case v.Floats != nil:
			out[i] = v.Floats[i]
		case v.Ints != nil:
			out[i] = float64(v.Ints[i])
		case v.Strings != nil:
			x, err := strconv.ParseFloat(strings.TrimSpace(v.Strings[i]), 64)
			if err != nil {
				f.fail(i, name, v.Strings[i], "a number")
				return out
			}
			out[i] = x
		default:
			f.fail(i, name, text(v, i), "a number")
			return out
		}
	}
	return out
}

// texts reads texts, "" where one is missing.
func (f *frame) texts(name string) []string {
	out := make([]string, f.rows)
	v := f.values(name)
	if v == nil {
		return out
	}
	for i := range out {
		if isNull(v, i) {
			continue
		}
		if v.Strings == nil {
			f.fail(i, name, text(v, i), "a text")
			return out
		}
		out[i] = v.Strings[i]
	}
	return out
}

// truth is a boolean that may be missing.
type truth int8

const (
	untold truth = iota
	no
	yes
)

// truths reads booleans however they were saved: true, True, TRUE, t, yes, 1,
// 1.0 and their opposites.
func (f *frame) truths(name string) []truth {
	out := make([]truth, f.rows)
	v := f.values(name)
	if v == nil {
		return out
	}
	for i := range out {
		if isNull(v, i) || v.Floats != nil && math.IsNaN(v.Floats[i]) {
			continue
		}
		switch strings.ToLower(strings.TrimSpace(text(v, i))) {
		case "true", "t", "yes", "y", "1", "1.0":
			out[i] = yes
		case "false", "f", "no", "n", "0", "0.0":
			out[i] = no
		default:
			f.fail(i, name, text(v, i), "true or false")
			return out
		}
	}
	return out
}

// text shows a value.
func text(v *parquetfile.Values, row int) string {
	switch {
	case v.Strings != nil:
		return v.Strings[row]
	case v.Ints != nil:
		return strconv.FormatInt(v.Ints[row], 10)
	case v.Floats != nil:
		return number(v.Floats[row])
	case v.Bools != nil:
		return strconv.FormatBool(v.Bools[row])
	}
	return ""
}

// parquetFrame opens a Parquet file that must have certain columns.
func parquetFrame(data []byte, maxRows int, needed ...string) (*frame, *parquetfile.File, error) {
	p, err := parquetfile.Open(data, maxRows)
	if err != nil {
		return nil, nil, fmt.Errorf("the Parquet file cannot be read: %w", err)
	}
	for _, name := range needed {
		if !p.Has(name) {
			return nil, nil, fmt.Errorf("the Parquet file has no column %q", name)
		}
	}
	f := &frame{rows: p.Rows, has: p.Has, place: func(row int) string { return fmt.Sprintf("row %d", row) }}
	f.column = func(name string) (*parquetfile.Values, error) {
		v, err := p.Column(name)
		if err != nil {
			return nil, fmt.Errorf("the Parquet file cannot be read: %w", err)
		}
		return v, nil
	}
	return f, p, nil
}
