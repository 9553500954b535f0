package export

import (
	"encoding/json"
	"fmt"
	"io"
	"math"

	"github.com/parquet-go/parquet-go"

	"headprof/export/atomicfile"
	"headprof/export/parquetfile"
	"headprof/scoring"
)

// Keys of the Parquet footer's metadata.
const (
	metaKey   = "headprof.meta"   // scoring.Meta as JSON
	halvesKey = "headprof.halves" // split-half correlations as JSON
	formatKey = "headprof.format" // what the file holds and the version of its columns
)

// half is scoring.SplitHalf in JSON, where NaN is null.
type half struct {
	Method      string   `json:"method"`
	Unit        string   `json:"unit"`
	Splits      int      `json:"splits"`
	Correlation *float64 `json:"correlation"`
	Corrected   *float64 `json:"corrected"`
}

// writeRows writes a Parquet file without compression: columns are small once
// dictionary- and delta-encoded, and compressors do not promise the same bytes
// on every processor.
func writeRows[R any](w io.Writer, format string, meta map[string]string, each func(yield func([]R) error) error) error {
	options := []parquet.WriterOption{
		parquet.CreatedBy("headprof", "1", ""),
		parquet.KeyValueMetadata(formatKey, format),
		parquet.Compression(&parquet.Uncompressed),
		parquet.DataPageStatistics(true),
		parquet.MaxRowsPerRowGroup(1 << 20),
	}
	for k, v := range meta {
		options = append(options, parquet.KeyValueMetadata(k, v))
	}
	p := parquet.NewGenericWriter[R](w, options...)
	err := each(func(rows []R) error {
		_, err := p.Write(rows)
		return err
	})
	if err != nil {
		return err
	}
	return p.Close()
}

func writeParquet(path string, t *scoring.Table) error {
	meta, err := json.Marshal(t.Meta)
	if err != nil {
		return err
	}
	halves := []half{}
	for _, s := range t.Halves {
		halves = append(halves, half{s.Method, s.Unit, s.Splits, known(s.Correlation), known(s.Corrected)})
	}
	split, err := json.Marshal(halves)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		return writeRows(w, "scores/1", map[string]string{metaKey: string(meta), halvesKey: string(split)}, func(yield func([]scoreRow) error) error {
			rows := make([]scoreRow, len(t.Heads))
			for i, h := range t.Heads {
				rows[i] = toRow(h, t.Meta)
			}
			return yield(rows)
		})
	})
}

// columns reads columns off a Parquet file until one fails.
type columns struct {
	*parquetfile.File
	err error
}

func openColumns(data []byte, maxRows int, needed ...string) (*columns, error) {
	f, err := parquetfile.Open(data, maxRows)
	if err != nil {
		return nil, fmt.Errorf("the Parquet file cannot be read: %w", err)
	}
	for _, name := range needed {
		if !f.Has(name) {
			return nil, fmt.Errorf("the Parquet file has no column %q", name)
		}
	}
	return &columns{File: f}, nil
}

// column reads one column; nil where the file lacks it or an earlier one failed.
func (c *columns) column(name string) *parquetfile.Values {
	if c.err != nil || !c.Has(name) {
		return nil
	}
	v, err := c.Column(name)
	if err != nil {
		c.err = fmt.Errorf("the Parquet file cannot be read: %w", err)
	}
	return v
}

func (c *columns) wrongType(name, want string) {
	if c.err == nil && c.Rows > 0 {
		c.err = fmt.Errorf("the Parquet file's column %q does not hold %s", name, want)
	}
}

// ints reads a column of integers that fit 32 bits, def where one is missing.
func (c *columns) ints(name string, def int) []int {
	out := make([]int, c.Rows)
	for i := range out {
		out[i] = def
	}
	v := c.column(name)
	if v == nil {
		return out
	}
	if len(v.Ints) != c.Rows {
		c.wrongType(name, "integers")
		return out
	}
	for i, x := range v.Ints {
		if x != int64(int32(x)) {
			c.wrongType(name, "sensible numbers")
			return out
		}
		if v.Null == nil || !v.Null[i] {
			out[i] = int(x)
		}
	}
	return out
}

// floats reads a column of floats, NaN where one is missing.
func (c *columns) floats(name string) []float64 {
	v := c.column(name)
	if v != nil && len(v.Floats) == c.Rows {
		for i, missing := range v.Null {
			if missing {
				v.Floats[i] = math.NaN()
			}
		}
		return v.Floats
	}
	if v != nil {
		c.wrongType(name, "floating-point numbers")
	}
	out := make([]float64, c.Rows)
	for i := range out {
		out[i] = math.NaN()
	}
	return out
}

func (c *columns) strings(name string) []string {
	v := c.column(name)
	if v != nil && len(v.Strings) == c.Rows {
		return v.Strings
	}
	if v != nil {
		c.wrongType(name, "text")
	}
	return make([]string, c.Rows)
}

func (c *columns) bools(name string) []bool {
	v := c.column(name)
	if v != nil && len(v.Bools) == c.Rows {
		return v.Bools
	}
	if v != nil {
		c.wrongType(name, "booleans")
	}
	return make([]bool, c.Rows)
}

func readParquet(data []byte) (*scoring.Table, error) {
	c, err := openColumns(data, maxRows, "layer", "head", "method", "mean")
	if err != nil {
		return nil, err
	}
	var meta scoring.Meta
	if v, ok := c.Metadata[metaKey]; ok {
		if err := json.Unmarshal([]byte(v), &meta); err != nil {
			return nil, fmt.Errorf("the metadata %s: %w", metaKey, err)
		}
	}
	layer, head, kv, method := c.ints("layer", -1), c.ints("head", -1), c.ints("kv_head", -1), c.strings("method")
	mean, stdErr, low, high := c.floats("mean"), c.floats("std_error"), c.floats("ci_low"), c.floats("ci_high")
	n, rankLow, rankHigh, window := c.ints("n", 0), c.ints("rank_low", 0), c.ints("rank_high", 0), c.ints("window", 0)
	if c.err != nil {
		return nil, c.err
	}
	heads := make([]scoring.Head, c.Rows)
	for i := range heads {
		if kv[i] < 0 {
			kv[i] = head[i]
		}
		heads[i] = scoring.Head{
			Method: method[i], Layer: layer[i], Head: head[i], KVHead: kv[i], Window: window[i],
			Mean: mean[i], StdErr: stdErr[i], Low: low[i], High: high[i], N: n[i], RankLow: rankLow[i], RankHigh: rankHigh[i],
		}
	}
	t, err := assemble(heads, meta)
	if err != nil {
		return nil, err
	}
	if v, ok := c.Metadata[halvesKey]; ok {
		var halves []half
		if err := json.Unmarshal([]byte(v), &halves); err != nil {
			return nil, fmt.Errorf("the metadata %s: %w", halvesKey, err)
		}
		for _, h := range halves {
			t.Halves = append(t.Halves, scoring.SplitHalf{Method: h.Method, Unit: h.Unit, Splits: h.Splits, Correlation: orNaN(h.Correlation), Corrected: orNaN(h.Corrected)})
		}
	}
	return t, nil
}
