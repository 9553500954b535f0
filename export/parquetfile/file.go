// Package parquetfile reads flat Parquet tables from untrusted files. The
// library that writes our files allocates what a file claims, 4 GB for a
// damaged one of 3 kB; this reader checks every length before it uses it and
// allocates in proportion to the file.
//
// It reads what current writers make by default and with their common
// switches: required and optional columns of integers, floats, decimals,
// strings and booleans; plain, dictionary, run-length, delta and byte-stream
// encodings; pages of version 1 and 2; stored, or compressed with Snappy, gzip,
// Brotli, Zstandard or LZ4. Nested columns are skipped.
//
// The format: https://parquet.apache.org/docs/file-format/
package parquetfile

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Kind is a column's physical type.
type Kind int

// Physical types, numbered as in the format.
const (
	Boolean   Kind = 0
	Int32     Kind = 1
	Int64     Kind = 2
	Float     Kind = 4
	Double    Kind = 5
	ByteArray Kind = 6
	Fixed     Kind = 7 // byte array of a fixed length
)

// File is an opened table.
type File struct {
	Rows     int
	Metadata map[string]string // of the footer
	data     []byte
	columns  map[string]*column
	budget   int // bytes that may still be decompressed
}

type column struct {
	name     string
	kind     Kind
	width    int // of Fixed, in bytes
	logical  logical
	scale    int // decimal digits after the point
	optional bool
	chunks   []chunk
}

// logical says how physical values are to be understood, where it matters.
type logical int

const (
	asStored logical = iota
	asDecimal
	asHalf     // float16
	asUnsigned // of 32 bits
)

// chunk is a column's part in one row group.
type chunk struct {
	rows, codec            int
	dictionary, data, size int64 // offsets in the file; dictionary 0: none
}

// Open reads the footer. Tables of more than maxRows rows are refused.
func Open(data []byte, maxRows int) (*File, error) {
	if len(data) < 12 || string(data[:4]) != "PAR1" || string(data[len(data)-4:]) != "PAR1" {
		return nil, errors.New("it does not begin and end as a Parquet file does; it may have been cut short")
	}
	size := binary.LittleEndian.Uint32(data[len(data)-8:])
	if uint64(size) > uint64(len(data)-12) {
		return nil, fmt.Errorf("its footer claims %d bytes of the file's %d", size, len(data))
	}
	t := thrift{data: data[len(data)-8-int(size) : len(data)-8]}
	footer, err := t.structure(0)
	if err != nil {
		return nil, fmt.Errorf("its footer is damaged: %w", err)
	}
	f := &File{
		data: data, columns: map[string]*column{}, Metadata: map[string]string{},
		budget: 1<<20 + 64*len(data),
	}
	rows := footer.int(3, -1)
	if rows < 0 || rows > int64(maxRows) {
		return nil, fmt.Errorf("it claims %d rows; at most %d are read", rows, maxRows)
	}
	// A table of scores holds a column of mostly different floats.
	if rows > 1<<16+8*int64(len(data)) {
		return nil, fmt.Errorf("it claims %d rows in %d bytes", rows, len(data))
	}
	f.Rows = int(rows)
	for _, kv := range footer.elements(5) {
		f.Metadata[kv.text(1)] = kv.text(2)
	}
	if err := f.schema(footer.elements(2)); err != nil {
		return nil, err
	}
	for _, group := range footer.elements(4) {
		if err := f.group(&group); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// schema reads the columns; nested ones are left out.
func (f *File) schema(elements []node) error {
	if len(elements) == 0 {
		return errors.New("its footer names no columns")
	}
	for i := 1; i < len(elements); i++ {
		e := &elements[i]
		if children := e.int(5, 0); children != 0 || e.int(3, 0) == 2 {
			// Skip a nested column with all that belongs to it.
			for left := children; left > 0 && i+1 < len(elements); left-- {
				i++
				left += elements[i].int(5, 0)
			}
			continue
		}
		c := &column{name: e.text(4), kind: Kind(e.int(1, -1)), optional: e.int(3, 0) == 1}
		if c.kind == Fixed {
			width := e.int(2, 0)
			if width <= 0 || width > 1<<16 {
				return fmt.Errorf("column %q has values of %d bytes", c.name, width)
			}
			c.width = int(width)
		}
		c.understand(e)
		f.columns[c.name] = c
	}
	return nil
}

// understand reads a schema element's annotation: the logical type, or the
// converted type that older writers give.
func (c *column) understand(e *node) {
	const convertedDecimal, convertedUint32 = 5, 13
	switch e.int(6, -1) {
	case convertedDecimal:
		c.logical, c.scale = asDecimal, int(e.int(7, 0))
	case convertedUint32:
		c.logical = asUnsigned
	}
	annotation := e.field(10)
	if annotation.has(5) {
		decimal := annotation.field(5)
		c.logical, c.scale = asDecimal, int(decimal.int(1, 0))
	}
	if annotation.has(15) && c.width == 2 {
		c.logical = asHalf
	}
}

func (f *File) group(g *node) error {
	rows := g.int(3, -1)
	if rows < 0 || rows > int64(f.Rows) {
		return fmt.Errorf("a row group claims %d rows of %d", rows, f.Rows)
	}
	for _, c := range g.elements(1) {
		meta := c.field(3)
		path := meta.elements(3)
		if len(path) != 1 {
			continue
		}
		col := f.columns[string(path[0].bytes)]
		if col == nil {
			continue
		}
		if meta.int(5, -1) != rows {
			return fmt.Errorf("column %q has %d values in a row group of %d rows", col.name, meta.int(5, -1), rows)
		}
		k := chunk{rows: int(rows), codec: int(meta.int(4, 0)), dictionary: meta.int(11, 0), data: meta.int(9, -1), size: meta.int(7, -1)}
		first := k.data
		if k.dictionary > 0 {
			first = min(first, k.dictionary)
		}
		if first < 4 || k.size < 0 || first > int64(len(f.data)) || k.size > int64(len(f.data))-first {
			return fmt.Errorf("column %q lies outside the file", col.name)
		}
		k.data = first
		col.chunks = append(col.chunks, k)
	}
	return nil
}

// Has tells whether the table has a flat column of that name.
func (f *File) Has(name string) bool { return f.columns[name] != nil }

// Values is a column's values; of the four slices the one of its type is set,
// and has a value per row. Null is nil where no value is missing.
type Values struct {
	Ints    []int64
	Floats  []float64
	Strings []string
	Bools   []bool
	Null    []bool
}

// Column reads a column.
func (f *File) Column(name string) (*Values, error) {
	c := f.columns[name]
	if c == nil {
		return nil, fmt.Errorf("it has no column %q", name)
	}
	v := &Values{}
	rows := 0
	for _, k := range c.chunks {
		if rows += k.rows; rows > f.Rows {
			return nil, fmt.Errorf("column %q has more than the table's %d rows", name, f.Rows)
		}
		if err := f.chunk(c, k, v); err != nil {
			return nil, fmt.Errorf("column %q: %w", name, err)
		}
	}
	if rows != f.Rows {
		return nil, fmt.Errorf("column %q has %d rows, the table %d", name, rows, f.Rows)
	}
	if err := c.convert(v); err != nil {
		return nil, fmt.Errorf("column %q: %w", name, err)
	}
	return v, nil
}
