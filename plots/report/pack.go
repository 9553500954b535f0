package report

import (
	"bytes"
	"encoding/binary"
	"math"
)

// packed says where an array lies in the page's one block of bytes. The page
// turns it into a typed array of n numbers.
type packed struct {
	Type string  `json:"t"` // f64, f32, i32, or q16: quantised
	At   int     `json:"o"` // bytes from the block's start, a multiple of 8
	N    int     `json:"n"`
	Base float64 `json:"b,omitempty"` // q16: the value of code 0
	Step float64 `json:"s,omitempty"` // q16: value = base + code × step
}

// unknown16 is the code of NaN.
const unknown16 = 0xffff

// packer collects arrays into one little-endian block.
type packer struct{ bytes.Buffer }

func (p *packer) add(kind string, n int, values any) *packed {
	for p.Len()%8 != 0 {
		p.WriteByte(0)
	}
	r := &packed{Type: kind, At: p.Len(), N: n}
	_ = binary.Write(p, binary.LittleEndian, values) // a buffer takes all
	return r
}

func (p *packer) float64s(v []float64) *packed {
	if v == nil {
		return nil
	}
	return p.add("f64", len(v), v)
}

func (p *packer) float32s(v []float64) *packed {
	if v == nil {
		return nil
	}
	short := make([]float32, len(v))
	for i, x := range v {
		short[i] = float32(x)
	}
	return p.add("f32", len(v), short)
}

func (p *packer) ints(v []int) *packed {
	if v == nil {
		return nil
	}
	short := make([]int32, len(v))
	for i, x := range v {
		short[i] = int32(min(max(x, math.MinInt32), math.MaxInt32))
	}
	return p.add("i32", len(v), short)
}

// quantised stores values in 16 bits between their least and largest: an error
// of at most (largest − least) / 131,068.
func (p *packer) quantised(v []float64) *packed {
	if v == nil {
		return nil
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, x := range v {
		if !math.IsNaN(x) {
			low, high = min(low, x), max(high, x)
		}
	}
	base, step := 0.0, 0.0
	if low < high {
		base, step = low, (high-low)/(unknown16-1)
	} else if low == high {
		base = low
	}
	codes := make([]uint16, len(v))
	for i, x := range v {
		switch {
		case math.IsNaN(x):
			codes[i] = unknown16
		case step > 0:
			codes[i] = uint16(math.Round((x - base) / step))
		}
	}
	r := p.add("q16", len(v), codes)
	r.Base, r.Step = base, step
	return r
}
