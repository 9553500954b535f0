// Package tensor names a model's weights as they lie in a file: an element
// type, a shape and the raw (usually memory-mapped) bytes, never copied.
package tensor

import (
	"fmt"
	"slices"
)

// Type is the storage format of a tensor's elements. The values are GGML's
// type numbers, so that a GGUF file's number is a Type as it stands; F8E4M3
// and its kin come from safetensors files only and have numbers outside GGML's range.
type Type uint32

// The formats headprof reads.
const (
	F32     Type = 0
	F16     Type = 1
	Q4_0    Type = 2
	Q4_1    Type = 3
	Q5_0    Type = 6
	Q5_1    Type = 7
	Q8_0    Type = 8
	Q2_K    Type = 10
	Q3_K    Type = 11
	Q4_K    Type = 12
	Q5_K    Type = 13
	Q6_K    Type = 14
	IQ2_XXS Type = 16
	IQ2_XS  Type = 17
	IQ3_XXS Type = 18
	IQ1_S   Type = 19
	IQ4_NL  Type = 20
	IQ3_S   Type = 21
	IQ2_S   Type = 22
	IQ4_XS  Type = 23
	IQ1_M   Type = 29
	BF16    Type = 30
	TQ1_0   Type = 34
	TQ2_0   Type = 35
	MXFP4   Type = 39
	F8E4M3  Type = 1000
	// F8E4M3x128 is runs of 128 F8_E4M3 numbers behind their float32 scale: what
	// headprof makes of safetensors' block-scaled FP8.
	F8E4M3x128 Type = 1001
)

type layout struct {
	name   string
	block  int // elements per block
	bytes  int // bytes per block
	unpack unpackFunc
}

// unpackFunc writes the values of one block; where blocks are single elements,
// of any number of them.
type unpackFunc func(dst []float32, src []byte)

// layouts are the formats that headprof reads. Those with a name alone are
// GGML's other formats, for messages.
var layouts = map[Type]layout{
	F32: {"F32", 1, 4, unpackF32}, F16: {"F16", 1, 2, unpackF16}, BF16: {"BF16", 1, 2, unpackBF16}, F8E4M3: {"F8_E4M3", 1, 1, unpackF8E4M3},
	F8E4M3x128: {"F8_E4M3x128", 128, 132, unpackF8E4M3x128},
	Q4_0:       {"Q4_0", 32, 18, unpackQ4_0}, Q4_1: {"Q4_1", 32, 20, unpackQ4_1}, Q5_0: {"Q5_0", 32, 22, unpackQ5_0},
	Q5_1: {"Q5_1", 32, 24, unpackQ5_1}, Q8_0: {"Q8_0", 32, 34, unpackQ8_0},
	Q2_K: {"Q2_K", 256, 84, unpackQ2K}, Q3_K: {"Q3_K", 256, 110, unpackQ3K}, Q4_K: {"Q4_K", 256, 144, unpackQ4K},
	Q5_K: {"Q5_K", 256, 176, unpackQ5K}, Q6_K: {"Q6_K", 256, 210, unpackQ6K},
	IQ4_NL: {"IQ4_NL", 32, 18, unpackIQ4NL}, IQ4_XS: {"IQ4_XS", 256, 136, unpackIQ4XS},
	IQ2_XXS: {"IQ2_XXS", 256, 66, unpackIQ2XXS}, IQ2_XS: {"IQ2_XS", 256, 74, unpackIQ2XS}, IQ2_S: {"IQ2_S", 256, 82, unpackIQ2S},
	IQ3_XXS: {"IQ3_XXS", 256, 98, unpackIQ3XXS}, IQ3_S: {"IQ3_S", 256, 110, unpackIQ3S},
	IQ1_S: {"IQ1_S", 256, 50, unpackIQ1S}, IQ1_M: {"IQ1_M", 256, 56, unpackIQ1M},
	TQ1_0: {"TQ1_0", 256, 54, unpackTQ1}, TQ2_0: {"TQ2_0", 256, 66, unpackTQ2}, MXFP4: {"MXFP4", 32, 17, unpackMXFP4},

	4: {name: "Q4_2"}, 5: {name: "Q4_3"}, 9: {name: "Q8_1"}, 15: {name: "Q8_K"},
	24: {name: "I8"}, 25: {name: "I16"},
	26: {name: "I32"}, 27: {name: "I64"}, 28: {name: "F64"}, 31: {name: "Q4_0_4_4"}, 32: {name: "Q4_0_4_8"},
	33: {name: "Q4_0_8_8"}, 40: {name: "NVFP4"}, 41: {name: "Q1_0"},
}

// Known reports whether headprof can read elements of type t.
func (t Type) Known() bool { return layouts[t].unpack != nil }

// Formats lists the known types, ascending.
func Formats() []Type {
	var known []Type
	for t := range layouts {
		if t.Known() {
			known = append(known, t)
		}
	}
	slices.Sort(known)
	return known
}

// String gives the format's usual name, such as "Q4_K", also of a format that
// headprof does not read; "type 77" where it has none.
func (t Type) String() string {
	if l, ok := layouts[t]; ok {
		return l.name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// Block gives the elements and the bytes of one block; 0, 0 for an unknown type.
func (t Type) Block() (elements, bytes int) {
	l := layouts[t]
	return l.block, l.bytes
}

// Tensor is a named weight: Rows rows of Cols elements each (a vector has one
// row; a stack of expert matrices has Rows = experts × rows), row-major, the
// last dimension contiguous. Data holds Rows × RowBytes bytes and must not be
// written to.
type Tensor struct {
	Name  string
	Type  Type
	Shape []int // outermost dimension first: a Linear weight is {out, in}
	Data  []byte
}

// Cols is the length of the contiguous dimension, in elements.
func (t Tensor) Cols() int {
	if len(t.Shape) == 0 {
		return 1
	}
	return t.Shape[len(t.Shape)-1]
}

// Rows is the product of all dimensions but the contiguous one.
func (t Tensor) Rows() int {
	n := 1
	for i := 0; i < len(t.Shape)-1; i++ {
		n *= t.Shape[i]
	}
	return n
}

// RowBytes is the size of one row in bytes.
func (t Tensor) RowBytes() int {
	e, b := t.Type.Block()
	return t.Cols() / e * b
}

// Row gives the bytes of row i.
func (t Tensor) Row(i int) []byte {
	n := t.RowBytes()
	return t.Data[i*n : (i+1)*n]
}
