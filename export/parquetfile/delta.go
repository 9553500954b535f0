package parquetfile

import (
	"encoding/binary"
	"math"
	"math/big"
)

// deltas reads n integers of DELTA_BINARY_PACKED and returns the bytes behind
// them. Sums wrap around, as the format wants: at 32 bits where narrow.
func deltas(b []byte, n int, narrow bool) (values []int64, rest []byte, err error) {
	var header [4]uint64 // values a block, miniblocks a block, values in all, first value
	for i := range header {
		var size int
		if header[i], size = binary.Uvarint(b); size <= 0 {
			return nil, nil, errPage
		}
		b = b[size:]
	}
	block, minis := header[0], header[1]
	if block == 0 || block > 1<<20 || block%128 != 0 || minis == 0 || block%minis != 0 || block/minis%32 != 0 || header[2] != uint64(n) {
		return nil, nil, errPage
	}
	perMini := int(block / minis)
	values = make([]int64, 0, n)
	if n == 0 {
		return values, b, nil
	}
	value := zigzag(header[3])
	values = append(values, value)
	for len(values) < n {
		minimum, size := binary.Uvarint(b)
		if size <= 0 || uint64(len(b)-size) < minis {
			return nil, nil, errPage
		}
		widths := b[size : size+int(minis)]
		b = b[size+int(minis):]
		for _, width := range widths {
			if len(values) == n {
				break // no bytes belong to the miniblocks behind the last value
			}
			if width > 64 || len(b) < int(width)*perMini/8 {
				return nil, nil, errPage
			}
			for i := range min(perMini, n-len(values)) {
				value += zigzag(minimum) + int64(unpack64(b, i*int(width), int(width)))
				if narrow {
					value = int64(int32(value))
				}
				values = append(values, value)
			}
			b = b[int(width)*perMini/8:]
		}
	}
	return values, b, nil
}

func zigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

// unpack64 reads up to 64 bits from bit at on, the least significant first.
func unpack64(b []byte, at, width int) uint64 {
	var v uint64
	for got := 0; got < width; {
		bit := (at + got) % 8
		take := min(8-bit, width-got)
		v |= uint64(b[(at+got)/8]>>bit&(1<<take-1)) << got
		got += take
	}
	return v
}

// deltaLengths reads n strings of DELTA_LENGTH_BYTE_ARRAY: their lengths, then
// their bytes end to end.
func deltaLengths(b []byte, n int) ([]string, error) {
	lengths, b, err := deltas(b, n, true)
	if err != nil {
		return nil, err
	}
	out := make([]string, n)
	for i, length := range lengths {
		if length < 0 || length > int64(len(b)) {
			return nil, errPage
		}
		out[i], b = string(b[:length]), b[length:]
	}
	return out, nil
}

// deltaBytes reads n strings of DELTA_BYTE_ARRAY: how much each shares with the
// one before, then the rest of each.
func (f *File) deltaBytes(b []byte, n int) ([]string, error) {
	shared, b, err := deltas(b, n, true)
	if err != nil {
		return nil, err
	}
	rest, err := deltaLengths(b, n)
	if err != nil {
		return nil, err
	}
	previous := ""
	for i, keep := range shared {
		if keep < 0 || keep > int64(len(previous)) {
			return nil, errPage
		}
		// A long prefix kept again and again grows beyond the page's size.
		if f.budget -= int(keep); f.budget < 0 {
			return nil, errPage
		}
		rest[i] = previous[:keep] + rest[i]
		previous = rest[i]
	}
	return rest, nil
}

// byteStreamSplit reads n values whose first bytes come first, then their
// second bytes, and so on.
func byteStreamSplit(c *column, b []byte, n int, v *Values) error {
	width := c.bytesOf()
	if width == 0 || len(b) != width*n {
		return errPage
	}
	joined := make([]byte, len(b))
	for i := range n {
		for j := range width {
			joined[i*width+j] = b[j*n+i]
		}
	}
	return plain(c, joined, n, v)
}

// convert gives values the meaning that the schema states: decimals and half
// floats become floats.
func (c *column) convert(v *Values) error {
	switch c.logical {
	case asUnsigned:
		for i, x := range v.Ints {
			v.Ints[i] = int64(uint32(x))
		}
	case asDecimal:
		if c.scale < 0 || c.scale > 308 {
			return errPage
		}
		unit := math.Pow10(c.scale)
		floats := make([]float64, 0, len(v.Ints)+len(v.Strings))
		for _, x := range v.Ints {
			floats = append(floats, float64(x)/unit)
		}
		for _, s := range v.Strings {
			x := new(big.Int).SetBytes([]byte(s))
			if s != "" && s[0] >= 0x80 { // two's complement
				x.Sub(x, new(big.Int).Lsh(big.NewInt(1), uint(8*len(s))))
			}
			f, _ := new(big.Rat).SetFrac(x, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(c.scale)), nil)).Float64()
			floats = append(floats, f)
		}
		v.Floats, v.Ints, v.Strings = floats, nil, nil
	case asHalf:
		v.Floats = make([]float64, len(v.Strings))
		for i, s := range v.Strings {
			if len(s) == 2 {
				v.Floats[i] = half(binary.LittleEndian.Uint16([]byte(s)))
			}
		}
		v.Strings = nil
	}
	return nil
}

// half converts an IEEE 754 half-precision float.
func half(h uint16) float64 {
	sign := 1.0
	if h>>15 == 1 {
		sign = -1
	}
	exponent, mantissa := int(h>>10&31), float64(h&1023)
	switch exponent {
	case 0:
		return sign * math.Ldexp(mantissa, -24)
	case 31:
		if mantissa == 0 {
			return math.Inf(int(sign))
		}
		return math.NaN()
	}
	return sign * math.Ldexp(1024+mantissa, exponent-25)
}
