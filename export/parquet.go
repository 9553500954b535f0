package export

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"

	"github.com/parquet-go/parquet-go"

	"headprof/export/atomicfile"
	"headprof/scoring"
)

// Keys of the Parquet footer's metadata.
const (
	metaKey       = "headprof.meta"       // scoring.Meta as JSON
	halvesKey     = "headprof.halves"     // split-half correlations as JSON
	quantitiesKey = "headprof.quantities" // what each method's numbers mean, as JSON
	formatKey     = "headprof.format"     // what the file holds and the version of its columns
)

// Formats of tables, as formatKey names them.
const (
	scoresFormat = "scores/1"
	trialsFormat = "trials/1"
)

// Version names the program in the files it writes.
var Version = "devel"

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
func writeRows[R any](w io.Writer, format string, fields map[string]Column, meta map[string]string, each func(yield func([]R) error) error) error {
	footer := map[string]string{formatKey: format}
	maps.Copy(footer, meta)
	options := []parquet.WriterOption{
		createdBy("headprof version " + Version),
		parquet.Compression(&parquet.Uncompressed),
		parquet.DataPageStatistics(true),
		parquet.MaxRowsPerRowGroup(1 << 20),
	}
	schema := parquet.SchemaOf(new(R))
	options = append(options, schema, parquet.KeyValueMetadata(arrowKey, arrowSchema(schema, fields, footer)))
	for k, v := range footer {
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

// WriteParquet writes rows whose fields have parquet tags to a file. columns
// describes each; meta is what the rows were made from, written as JSON.
func WriteParquet[R any](path, format string, columns map[string]Column, meta any, rows []R) error {
	about, err := json.Marshal(meta)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		return writeRows(w, format, columns, map[string]string{metaKey: string(about)}, func(yield func([]R) error) error { return yield(rows) })
	})
}

// createdBy sets the footer's created_by. parquet-go's own option always adds a
// build, and without the space that the format's grammar has before it.
type createdBy string

// ConfigureWriter implements parquet.WriterOption.
func (c createdBy) ConfigureWriter(config *parquet.WriterConfig) { config.CreatedBy = string(c) }

// Parquet has every column of a table, and its metadata in the footer.
const Parquet Format = "parquet"

func init() {
	register(Declaration{
		Format: Parquet, Order: 60, Output: "export.parquet", Whole: true,
		About: "headprof's own table",
		Write: writeParquet,
	})
}

func writeParquet(path string, t *scoring.Table, _ []scoring.Head, _ Options) error {
	meta, err := metadata(aboutOf(t))
	if err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		return writeRows(w, scoresFormat, scoreFields, meta, func(yield func([]scoreRow) error) error {
			rows := make([]scoreRow, len(t.Heads))
			for i, h := range t.Heads {
				rows[i] = toRow(h, t)
			}
			return yield(rows)
		})
	})
}

// metadata spreads what a table carries over the keys of a footer.
func metadata(a about) (map[string]string, error) {
	halves := a.Halves
	if halves == nil {
		halves = []half{}
	}
	out := map[string]string{}
	for key, v := range map[string]any{metaKey: a.Meta, halvesKey: halves, quantitiesKey: a.Quantities} {
		data, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		out[key] = string(data)
	}
	return out, nil
}

func readParquet(data []byte) (*Profile, error) {
	f, p, err := parquetFrame(data, maxRows, "layer", "method")
	if err != nil {
		return nil, err
	}
	if !p.Has("mean") && !p.Has("score") || p.Has("trial") {
		return nil, fmt.Errorf("the Parquet file has no column \"mean\", so it is no table of head scores")
	}
	if !p.Has("head") && !p.Has("kv_head") {
		return nil, fmt.Errorf("the Parquet file has no column \"head\"")
	}
	var a about
	for key, into := range map[string]any{metaKey: &a.Meta, halvesKey: &a.Halves, quantitiesKey: &a.Quantities} {
		if v, ok := p.Metadata[key]; ok {
			if err := json.Unmarshal([]byte(v), into); err != nil {
				return nil, fmt.Errorf("the metadata %s: %w", key, err)
			}
		}
	}
	return scoresOf(f, a)
}
