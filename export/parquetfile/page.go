package parquetfile

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Page types.
const (
	pageData       = 0
	pageIndex      = 1
	pageDictionary = 2
	pageDataV2     = 3
)

// Encodings.
const (
	encPlain           = 0
	encPlainDictionary = 2
	encRLE             = 3
	encDelta           = 5
	encDeltaLengths    = 6
	encDeltaBytes      = 7
	encRLEDictionary   = 8
	encByteStreamSplit = 9
)

var errPage = errors.New("a page is damaged")

// chunk reads a column chunk's pages and appends its values to v.
func (f *File) chunk(c *column, k chunk, v *Values) error {
	data := f.data[k.data : k.data+k.size]
	var dictionary *Values
	for left := k.rows; left > 0; {
		t := thrift{data: data}
		header, err := t.structure(0)
		if err != nil {
			return fmt.Errorf("%w: %w", errPage, err)
		}
		data = data[t.at:]
		size, full := header.int(3, -1), header.int(2, -1)
		if size < 0 || size > int64(len(data)) || full < 0 || full > int64(f.budget) {
			return fmt.Errorf("%w: it claims %d bytes, %d decompressed", errPage, size, full)
		}
		f.budget -= int(full)
		body := data[:size]
		data = data[size:]
		switch kind := header.int(1, -1); kind {
		case pageIndex:
		case pageDictionary:
			if body, err = decompress(k.codec, body, int(full)); err != nil {
				return err
			}
			d := header.field(7)
			n := d.int(1, -1)
			// Each value of a dictionary takes a bit at least.
			if n < 0 || n > 8*int64(len(body)) || dictionary != nil {
				return fmt.Errorf("%w: its dictionary claims %d values", errPage, n)
			}
			dictionary = &Values{}
			if err := plain(c, body, int(n), dictionary); err != nil {
				return err
			}
		case pageData, pageDataV2:
			n, err := f.dataPage(c, k, &header, kind == pageDataV2, body, int(full), left, dictionary, v)
			if err != nil {
				return err
			}
			left -= n
		default:
			return fmt.Errorf("%w: its type is %d", errPage, kind)
		}
	}
	return nil
}

// dataPage reads one page of at most left values and returns their number.
func (f *File) dataPage(c *column, k chunk, header *node, v2 bool, body []byte, full, left int, dictionary, v *Values) (int, error) {
	h := header.field(5)
	encodingField := int64(2)
	if v2 {
		h, encodingField = header.field(8), 4
	}
	count := h.int(1, -1)
	if count <= 0 || count > int64(left) {
		return 0, fmt.Errorf("%w: it claims %d of %d values", errPage, count, left)
	}
	n := int(count)
	var levels []byte
	if v2 {
		size := h.int(5, 0)
		if size < 0 || h.int(6, 0) != 0 || size > int64(len(body)) || size > int64(full) {
			return 0, fmt.Errorf("%w: its levels do not fit", errPage)
		}
		levels, body, full = body[:size], body[size:], full-int(size)
		if h.int(7, 1) == 0 {
			k.codec = 0
		}
	}
	body, err := decompress(k.codec, body, full)
	if err != nil {
		return 0, err
	}
	if !v2 && c.optional {
		if levels, body, err = prefixed(body); err != nil {
			return 0, err
		}
	}
	present := n
	var null []bool
	if c.optional {
		defined, err := runLengths(levels, 1, n)
		if err != nil {
			return 0, err
		}
		null = make([]bool, n)
		for i, d := range defined {
			if null[i] = d == 0; null[i] {
				present--
			}
		}
	}
	got := &Values{}
	switch encoding := h.int(encodingField, -1); encoding {
	case encPlain:
		err = plain(c, body, present, got)
	case encDelta:
		if c.kind != Int32 && c.kind != Int64 {
			return 0, fmt.Errorf("%w: deltas of something else than integers", errPage)
		}
		got.Ints, _, err = deltas(body, present, c.kind == Int32)
	case encDeltaLengths, encDeltaBytes:
		if c.kind != ByteArray && c.kind != Fixed {
			return 0, fmt.Errorf("%w: lengths of something else than bytes", errPage)
		}
		if encoding == encDeltaLengths {
			got.Strings, err = deltaLengths(body, present)
		} else {
			got.Strings, err = f.deltaBytes(body, present)
		}
	case encByteStreamSplit:
		err = byteStreamSplit(c, body, present, got)
	case encPlainDictionary, encRLEDictionary:
		err = indexed(body, present, dictionary, got)
	case encRLE:
		if c.kind != Boolean {
			return 0, fmt.Errorf("%w: run lengths of something else than booleans", errPage)
		}
		var bits []uint32
		if present == 0 {
			break
		}
		if body, _, err = prefixed(body); err == nil {
			bits, err = runLengths(body, 1, present)
		}
		for _, b := range bits {
			got.Bools = append(got.Bools, b == 1)
		}
	default:
		return 0, fmt.Errorf("its encoding %d is not known; save it again with another tool, such as pandas", encoding)
	}
	if err != nil {
		return 0, err
	}
	v.add(got, null)
	return n, nil
}

// add appends a page, present values going where null is false. null is nil for
// all pages of a column, or for none.
func (v *Values) add(page *Values, null []bool) {
	v.Ints = spread(v.Ints, page.Ints, null)
	v.Floats = spread(v.Floats, page.Floats, null)
	v.Strings = spread(v.Strings, page.Strings, null)
	v.Bools = spread(v.Bools, page.Bools, null)
	v.Null = append(v.Null, null...)
}

func spread[T any](to, page []T, null []bool) []T {
	if page == nil {
		return to
	}
	if null == nil {
		return append(to, page...)
	}
	var zero T
	i := 0
	for _, missing := range null {
		if missing {
			to = append(to, zero)
			continue
		}
		to = append(to, page[i])
		i++
	}
	return to
}

// prefixed splits off bytes that their length precedes.
func prefixed(b []byte) (head, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, errPage
	}
	n := binary.LittleEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return nil, nil, errPage
	}
	return b[4 : 4+n], b[4+n:], nil
}
