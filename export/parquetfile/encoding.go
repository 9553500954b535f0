package parquetfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// bytesOf is the width of a column's values, 0 where they differ in length.
func (c *column) bytesOf() int {
	switch c.kind {
	case Int32, Float:
		return 4
	case Int64, Double:
		return 8
	case Fixed:
		return c.width
	}
	return 0
}

// plain reads n values laid end to end.
func plain(c *column, b []byte, n int, v *Values) error {
	if width := c.bytesOf(); width > 0 && len(b)/width < n {
		return errPage
	}
	switch c.kind {
	case Fixed:
		v.Strings = make([]string, n)
		for i := range v.Strings {
			v.Strings[i] = string(b[i*c.width : (i+1)*c.width])
		}
	case Int32:
		v.Ints = make([]int64, n)
		for i := range v.Ints {
			v.Ints[i] = int64(int32(binary.LittleEndian.Uint32(b[4*i:])))
		}
	case Int64:
		v.Ints = make([]int64, n)
		for i := range v.Ints {
			v.Ints[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
		}
	case Float:
		v.Floats = make([]float64, n)
		for i := range v.Floats {
			v.Floats[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
		}
	case Double:
		v.Floats = make([]float64, n)
		for i := range v.Floats {
			v.Floats[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
		}
	case Boolean:
		if len(b)*8 < n {
			return errPage
		}
		v.Bools = make([]bool, n)
		for i := range v.Bools {
			v.Bools[i] = b[i/8]>>(i%8)&1 == 1
		}
	case ByteArray:
		if len(b)/4 < n {
			return errPage
		}
		v.Strings = make([]string, n)
		for i := range v.Strings {
			head, rest, err := prefixed(b)
			if err != nil {
				return err
			}
			v.Strings[i], b = string(head), rest
		}
	default:
		return fmt.Errorf("its physical type %d is not known", c.kind)
	}
	return nil
}

// indexed reads n indexes into a dictionary.
func indexed(b []byte, n int, dictionary, v *Values) error {
	if dictionary == nil {
		return fmt.Errorf("%w: its dictionary is missing", errPage)
	}
	if n == 0 {
		return pick(nil, dictionary, v)
	}
	if len(b) == 0 || b[0] > 32 {
		return errPage
	}
	indexes, err := runLengths(b[1:], int(b[0]), n)
	if err != nil {
		return err
	}
	return pick(indexes, dictionary, v)
}

func pick(indexes []uint32, dictionary, v *Values) error {
	var ok [4]bool
	v.Ints, ok[0] = lookUp(indexes, dictionary.Ints)
	v.Floats, ok[1] = lookUp(indexes, dictionary.Floats)
	v.Strings, ok[2] = lookUp(indexes, dictionary.Strings)
	v.Bools, ok[3] = lookUp(indexes, dictionary.Bools)
	if ok != [4]bool{true, true, true, true} {
		return fmt.Errorf("%w: it points outside its dictionary", errPage)
	}
	return nil
}

func lookUp[T any](indexes []uint32, values []T) ([]T, bool) {
	if values == nil {
		return nil, true
	}
	out := make([]T, len(indexes))
	for i, x := range indexes {
		if uint64(x) >= uint64(len(values)) {
			return nil, false
		}
		out[i] = values[x]
	}
	return out, true
}

// runLengths reads n numbers of the given width in bits from Parquet's hybrid
// of run lengths and bit packing. n is bounded by the table's rows.
func runLengths(b []byte, width, n int) ([]uint32, error) {
	out := make([]uint32, 0, n)
	for len(out) < n {
		head, size := binary.Uvarint(b)
		if size <= 0 {
			return nil, errPage
		}
		b = b[size:]
		if head&1 == 0 { // a run of one value
			bytes := (width + 7) / 8
			if len(b) < bytes || head>>1 == 0 {
				return nil, errPage
			}
			var value uint32
			for i := range bytes {
				value |= uint32(b[i]) << (8 * i)
			}
			b = b[bytes:]
			if bits.Len32(value) > width {
				return nil, errPage
			}
			for range min(head>>1, uint64(n-len(out))) {
				out = append(out, value)
			}
			continue
		}
		groups := head >> 1                // of eight packed values
		if groups == 0 || groups > 1<<24 { // DuckDB rounds the groups of a page up to 32
			return nil, errPage
		}
		values := min(int(groups)*8, n-len(out))
		// Writers may leave out the last group's unused bytes.
		if (values*width+7)/8 > len(b) {
			return nil, errPage
		}
		for i := range values {
			out = append(out, unpack(b, i*width, width))
		}
		b = b[min(int(groups)*width, len(b)):]
	}
	return out, nil
}

// unpack reads width bits from bit at on, the least significant first.
func unpack(b []byte, at, width int) uint32 {
	var v uint64
	for i := range (at%8 + width + 7) / 8 {
		v |= uint64(b[at/8+i]) << (8 * i)
	}
	return uint32(v >> (at % 8) & (1<<width - 1))
}
