package export

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"

	"headprof/export/atomicfile"
	"headprof/scoring"
)

// scoreColumns are scores.csv's columns.
var scoreColumns = []string{
	"layer", "head", "kv_head", "method", "mean", "std_error", "n", "rank",
	"ci_low", "ci_high", "rank_low", "rank_high", "share", "window", "decode", "fast",
}

// number writes the shortest decimal that reads back as v.
func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func optional(v *float64) string {
	if v == nil {
		return ""
	}
	return number(*v)
}

func optionalInt(v *int32) string {
	if v == nil {
		return ""
	}
	return strconv.Itoa(int(*v))
}

func writeCSV(path string, t *scoring.Table) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		c := csv.NewWriter(w)
		c.Write(scoreColumns)
		for _, h := range t.Heads {
			r := toRow(h, t.Meta)
			i := func(v int32) string { return strconv.Itoa(int(v)) }
			c.Write([]string{
				i(r.Layer), i(r.Head), i(r.KVHead), r.Method, number(r.Mean), optional(r.StdErr), i(r.N), i(r.Rank),
				optional(r.Low), optional(r.High), optionalInt(r.RankLow), optionalInt(r.RankHigh), number(r.Share), i(r.Window), r.Decode, strconv.FormatBool(r.Fast),
			})
		}
		c.Flush()
		return c.Error()
	})
}

// record is one line of a CSV file with named columns.
type record struct {
	line   int
	column map[string]int
	fields []string
}

func (r record) has(name string) bool { _, ok := r.column[name]; return ok }

func (r record) text(name string) string {
	if i, ok := r.column[name]; ok {
		return r.fields[i]
	}
	return ""
}

func (r record) number(name string, def float64) (float64, error) {
	s := r.text(name)
	if s == "" {
		return def, nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("line %d: %s is %q, not a number", r.line, name, s)
	}
	return v, nil
}

func (r record) integer(name string, def int) (int, error) {
	s := r.text(name)
	if s == "" {
		return def, nil
	}
	v, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("line %d: %s is %q, not a whole number", r.line, name, s)
	}
	return int(v), nil
}

// records reads a CSV file with a header line.
func records(r io.Reader, each func(record) error) error {
	c := csv.NewReader(r)
	c.ReuseRecord = true
	header, err := c.Read()
	if err != nil {
		return fmt.Errorf("reading the header line: %w", err)
	}
	column := map[string]int{}
	for i, name := range header {
		column[name] = i
	}
	for _, name := range []string{"layer", "head"} {
		if _, ok := column[name]; !ok {
			return fmt.Errorf("the header line has no column %q", name)
		}
	}
	for n := 0; ; n++ {
		fields, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if n >= maxRows {
			return fmt.Errorf("more than %d rows", maxRows)
		}
		line, _ := c.FieldPos(0)
		if err := each(record{line, column, fields}); err != nil {
			return err
		}
	}
}

// readCSV reads scores.csv, or any CSV with the columns layer, head and mean
// (or score).
func readCSV(r io.Reader) (*scoring.Table, error) {
	var rows []scoring.Head
	var meta scoring.Meta
	err := records(r, func(rec record) error {
		value := "mean"
		if !rec.has("mean") {
			value = "score"
		}
		if rec.text(value) == "" {
			return fmt.Errorf("line %d: there is no score; a column named mean or score must hold it", rec.line)
		}
		h, err := csvHead(rec, value)
		if err != nil {
			return err
		}
		rows = append(rows, h)
		meta.Decode = rec.text("decode")
		meta.Fast = rec.text("fast") == "true"
		meta.Passed = max(meta.Passed, h.N)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return assemble(rows, meta)
}

func csvHead(rec record, value string) (h scoring.Head, err error) {
	h.Method = rec.text("method")
	var errs [12]error
	h.Layer, errs[0] = rec.integer("layer", -1)
	h.Head, errs[1] = rec.integer("head", -1)
	h.KVHead, errs[2] = rec.integer("kv_head", h.Head)
	h.Window, errs[3] = rec.integer("window", 0)
	h.N, errs[4] = rec.integer("n", 0)
	h.RankLow, errs[5] = rec.integer("rank_low", 0)
	h.RankHigh, errs[6] = rec.integer("rank_high", 0)
	h.Mean, errs[7] = rec.number(value, 0)
	h.StdErr, errs[8] = rec.number("std_error", orNaN(nil))
	h.Low, errs[9] = rec.number("ci_low", orNaN(nil))
	h.High, errs[10] = rec.number("ci_high", orNaN(nil))
	return h, errors.Join(errs[:]...)
}
