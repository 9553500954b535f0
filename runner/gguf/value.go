package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Kind is the type of a metadata value, with GGUF's numbers.
type Kind uint32

// The kinds of metadata values.
const (
	Uint8 Kind = iota
	Int8
	Uint16
	Int16
	Uint32
	Int32
	Float32
	Bool
	String
	Array
	Uint64
	Int64
	Float64
)

var kinds = [...]struct {
	name  string
	bytes int // 0: of varying length
}{
	Uint8: {"uint8", 1}, Int8: {"int8", 1}, Uint16: {"uint16", 2}, Int16: {"int16", 2},
	Uint32: {"uint32", 4}, Int32: {"int32", 4}, Float32: {"float32", 4}, Bool: {"bool", 1},
	String: {"string", 0}, Array: {"array", 0}, Uint64: {"uint64", 8}, Int64: {"int64", 8}, Float64: {"float64", 8},
}

// String names the kind as the GGUF specification does.
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k].name
	}
	return fmt.Sprintf("kind %d", uint32(k))
}

// value is one metadata value as it lies in the file, decoded when asked for.
type value struct {
	kind Kind
	elem Kind // of an array
	n    int  // elements of an array
	raw  []byte
}

// Bounds of what a header may hold; real files stay far below.
const (
	maxKeys      = 1 << 16
	maxTensors   = 1 << 17
	maxKeyBytes  = 1<<16 - 1
	maxNameBytes = 1 << 10
	maxText      = 1 << 28
	maxElements  = 1 << 28
	maxNesting   = 4
	maxDims      = 4
	maxAlignment = 1 << 20
)

// readValue reads a value of the given kind and leaves the cursor after it.
func readValue(c *cursor, kind Kind) (v value) {
	v.kind = kind
	start := c.pos
	switch kind {
	case String:
		v.raw = c.text(maxText)
	case Array:
		v.elem, v.n, start = skipArray(c, 1)
		v.raw = c.data[start:c.pos]
	default:
		if int(kind) >= len(kinds) {
			c.fail("value kind %d at offset %d is unknown: the file is damaged or newer than this headprof", uint32(kind), c.pos)
			return v
		}
		v.raw = c.take(uint64(kinds[kind].bytes))
		if kind == Bool && c.err == nil && v.raw[0] > 1 {
			c.fail("a bool at offset %d has the value %d: the file is damaged; fetch it again", start, v.raw[0])
		}
	}
	return v
}

// skipArray walks over an array and gives its element kind, its length and
// where its elements begin.
func skipArray(c *cursor, depth int) (elem Kind, n, start int) {
	elem = Kind(c.u32())
	count := c.u64()
	start = c.pos
	switch {
	case c.err != nil:
	case depth > maxNesting:
		c.fail("arrays nested deeper than %d at offset %d: the file is damaged", maxNesting, c.pos)
	case int(elem) >= len(kinds):
		c.fail("array element kind %d at offset %d is unknown: the file is damaged or newer than this headprof", uint32(elem), c.pos)
	case count > maxElements:
		c.fail("an array of %d elements at offset %d, where at most %d make sense: the file is damaged; fetch it again", count, c.pos, maxElements)
	case elem == String:
		for i := uint64(0); i < count && c.err == nil; i++ {
			c.text(maxText)
		}
	case elem == Array:
		for i := uint64(0); i < count && c.err == nil; i++ {
			skipArray(c, depth+1)
		}
	default:
		c.take(count * uint64(kinds[elem].bytes))
	}
	return elem, int(count), start
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

// integer decodes an integer or bool; ok is false for other kinds and for what
// int64 cannot hold.
func integer(k Kind, b []byte) (n int64, ok bool) {
	switch k {
	case Uint8, Bool:
		return int64(b[0]), true
	case Int8:
		return int64(int8(b[0])), true
	case Uint16:
		return int64(binary.LittleEndian.Uint16(b)), true
	case Int16:
		return int64(int16(binary.LittleEndian.Uint16(b))), true
	case Uint32:
		return int64(binary.LittleEndian.Uint32(b)), true
	case Int32:
		return int64(int32(binary.LittleEndian.Uint32(b))), true
	case Uint64, Int64:
		u := binary.LittleEndian.Uint64(b)
		return int64(u), k == Int64 || u <= math.MaxInt64
	}
	return 0, false
}

// float decodes a floating-point number or an integer.
func float(k Kind, b []byte) (f float64, ok bool) {
	switch k {
	case Float32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), true
	case Float64:
		return math.Float64frombits(binary.LittleEndian.Uint64(b)), true
	case Bool:
		return 0, false
	}
	n, ok := integer(k, b)
	return float64(n), ok
}
