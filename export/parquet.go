package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

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
	return writeFile(path, func(w io.Writer) error {
		return writeRows(w, "scores/1", map[string]string{metaKey: string(meta), halvesKey: string(split)}, func(yield func([]scoreRow) error) error {
			rows := make([]scoreRow, len(t.Heads))
			for i, h := range t.Heads {
				rows[i] = toRow(h, t.Meta)
			}
			return yield(rows)
		})
	})
}

// readRows reads a whole Parquet file's rows. The library panics on some
// malformed files; that becomes an error here.
func readRows[R any](data []byte, needed ...string) (rows []R, file *parquet.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			rows, file, err = nil, nil, fmt.Errorf("the Parquet file is damaged: %v", r)
		}
	}()
	file, err = parquet.OpenFile(bytes.NewReader(data), int64(len(data)), parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true))
	if err != nil {
		return nil, nil, fmt.Errorf("the Parquet file is damaged: %w", err)
	}
	for _, name := range needed {
		if _, ok := file.Schema().Lookup(name); !ok {
			return nil, nil, fmt.Errorf("the Parquet file has no column %q", name)
		}
	}
	if n := file.NumRows(); n < 0 || n > maxParquetRows {
		return nil, nil, fmt.Errorf("the Parquet file claims %d rows; at most %d are read", n, maxParquetRows)
	}
	for _, g := range file.Metadata().RowGroups {
		for _, c := range g.Columns {
			if c.MetaData.TotalUncompressedSize < 0 || c.MetaData.TotalUncompressedSize > maxBytes {
				return nil, nil, fmt.Errorf("a column of the Parquet file claims %d bytes; at most %d are read", c.MetaData.TotalUncompressedSize, maxBytes)
			}
		}
	}
	reader := parquet.NewGenericReader[R](file)
	defer reader.Close()
	buffer := make([]R, 1024)
	for {
		n, err := reader.Read(buffer)
		if len(rows)+n > maxParquetRows {
			return nil, nil, fmt.Errorf("the Parquet file holds more than %d rows", maxParquetRows)
		}
		rows = append(rows, buffer[:n]...)
		clear(buffer)
		if errors.Is(err, io.EOF) {
			return rows, file, nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("the Parquet file is damaged: %w", err)
		}
		if n == 0 {
			return nil, nil, fmt.Errorf("the Parquet file is damaged: it has fewer rows than it claims")
		}
	}
}

const maxParquetRows = 1 << 26

func readParquet(data []byte) (*scoring.Table, error) {
	rows, file, err := readRows[scoreRow](data, "layer", "head", "method", "mean")
	if err != nil {
		return nil, err
	}
	if len(rows) > maxRows {
		return nil, fmt.Errorf("more than %d rows", maxRows)
	}
	var meta scoring.Meta
	if v, ok := file.Lookup(metaKey); ok {
		if err := json.Unmarshal([]byte(v), &meta); err != nil {
			return nil, fmt.Errorf("the metadata %s: %w", metaKey, err)
		}
	}
	_, grouped := file.Schema().Lookup("kv_head")
	heads := make([]scoring.Head, len(rows))
	for i, r := range rows {
		heads[i] = r.head()
		if !grouped {
			heads[i].KVHead = heads[i].Head
		}
	}
	t, err := assemble(heads, meta)
	if err != nil {
		return nil, err
	}
	if v, ok := file.Lookup(halvesKey); ok {
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
