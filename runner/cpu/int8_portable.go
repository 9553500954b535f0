package cpu

import (
	"encoding/binary"
	"math"
	"unsafe"

	"headprof/runner/tensor"
)

// portableInt8 computes what the assembly of --int8 computes, operation by operation.
var portableInt8 = int8Kernels{
	quantise: quantiseGo,
	form:     offset128,
	product:  byCoding([halved + 1]productInt8Func{centred: productCentredGo, shifted: productShiftedGo, halved: productHalvedGo}),
}

// leastTop is the least maximum of a block that has a scale of its own: what
// is much smaller becomes zero, and nothing is divided by zero.
const leastTop = 0x1p-80

// quantiseGo finds the maximum among bit patterns, where not-a-number is
// larger than all numbers and so becomes the scale.
func quantiseGo(blocks int, dst *byte, src *float32) {
	d, x := unsafe.Slice(dst, blocks*codeBytes), floats(src, blocks*codeBlock)
	for ; len(x) > 0; d, x = d[codeBytes:], x[codeBlock:] {
		top := math.Float32bits(leastTop)
		for _, v := range x[:codeBlock] {
			top = max(top, math.Float32bits(v)&^(1<<31))
		}
		scale, inverse := math.Float32frombits(top)/127, 127/math.Float32frombits(top)
		var halves [2]int32
		for i, v := range x[:codeBlock] {
			c := roundToInt8(v * inverse)
			d[i] = byte(c)
			halves[i/16] += int32(c)
		}
		all := halves[0] + halves[1]
		put := func(at int, v uint32) { binary.LittleEndian.PutUint32(d[at:], v) }
		put(32, math.Float32bits(scale))
		put(36, math.Float32bits(scale*float32(all)))
		put(40, uint32(-128*all))
		put(44, uint32(-128*halves[0]))
		put(48, uint32(-128*halves[1]))
	}
}

// roundToInt8 rounds half to even. What is not a number, in a block whose
// scale is none either, gives −127.
func roundToInt8(x float32) int8 {
	if x != x {
		return -127
	}
	return int8(math.RoundToEven(float64(x)))
}

func productCentredGo(m, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int) {
	productInt8Go(centred, m, blocks, a, lda, b, c, ldc, mode)
}

func productShiftedGo(m, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int) {
	productInt8Go(shifted, m, blocks, a, lda, b, c, ldc, mode)
}

func productHalvedGo(m, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int) {
	productInt8Go(halved, m, blocks, a, lda, b, c, ldc, mode)
}

func productInt8Go(how coding, m, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int) {
	as, bs := unsafe.Slice(a, (m-1)*lda+blocks*codeBytes), unsafe.Slice(b, blocks*panelBytes)
	cs := floats(c, (m-1)*ldc+panelWidth)
	float := func(p []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(p)) }
	for r := range m {
		row := cs[r*ldc:][:panelWidth]
		for j := range panelWidth {
			var acc float32
			if mode == fromC {
				acc = row[j]
			}
			for k := range blocks {
				x, w := as[r*lda+k*codeBytes:], bs[k*panelBytes:]
				scale := float(x[32:])
				sum := func(from, to int, bias int32) float32 {
					for i := from; i < to; i++ {
						bias += int32(w[i/4*4*panelWidth+4*j+i%4]) * int32(int8(x[i]))
					}
					return float32(bias)
				}
				bias := func(at int) int32 { return int32(binary.LittleEndian.Uint32(x[at:])) }
				first, second := float(w[scalesAt+4*j:]), float(w[secondsAt+4*j:])
				switch how {
				case centred:
					acc = fma32(float32(first*scale), sum(0, 32, bias(40)), acc)
				case shifted:
					acc = fma32(float32(first*scale), sum(0, 32, 0), acc)
					acc = fma32(second, float(x[36:]), acc)
				case halved:
					acc = fma32(float32(first*scale), sum(0, 16, bias(44)), acc)
					acc = fma32(float32(second*scale), sum(16, 32, bias(48)), acc)
				}
			}
			if mode == addToC {
				acc = row[j] + acc
			}
			row[j] = acc
		}
	}
}

// column is one column of a panel of codes, from its first code on.
type codeColumn []byte

func (p codeColumn) set(k int, code byte) {
	p[k/codeBlock*panelBytes+k%codeBlock/4*4*panelWidth+k%4] = code
}

func (p codeColumn) scale(block int, d float32) {
	binary.LittleEndian.PutUint32(p[block*panelBytes+scalesAt:], math.Float32bits(d))
}

func (p codeColumn) second(block int, d float32) {
	binary.LittleEndian.PutUint32(p[block*panelBytes+secondsAt:], math.Float32bits(d))
}

// codesGo unpacks one weight row into a column of a panel.
func codesGo(column []byte, src []byte, format tensor.Type, form codeForm) {
	_, bytes := format.Block()
	unpack := codeUnpackers[format]
	var plus byte
	if codings[format] != shifted && form != stored {
		plus = byte(form) - centres[format]
	}
	for ; len(src) > 0; src = src[bytes:] {
		blocks := unpack(codeColumn(column), src[:bytes], plus)
		if len(src) > bytes {
			column = column[blocks*panelBytes:]
		}
	}
}

func halfAt(b []byte, at int) float32 { return tensor.F16ToF32(binary.LittleEndian.Uint16(b[at:])) }

// codeUnpackers unpack one block of a format and say how many blocks of a
// panel it is; plus is added to codes. The layouts are those of runner/tensor.
var codeUnpackers = [32]func(p codeColumn, b []byte, plus byte) int{
	tensor.Q4_0: func(p codeColumn, b []byte, plus byte) int {
		p.scale(0, halfAt(b, 0))
		for i, c := range b[2:18] {
			p.set(i, c&15+plus)
			p.set(16+i, c>>4+plus)
		}
		return 1
	},
	tensor.Q4_1: func(p codeColumn, b []byte, plus byte) int {
		p.scale(0, halfAt(b, 0))
		p.second(0, halfAt(b, 2))
		for i, c := range b[4:20] {
			p.set(i, c&15)
			p.set(16+i, c>>4)
		}
		return 1
	},
	tensor.Q5_0: func(p codeColumn, b []byte, plus byte) int {
		p.scale(0, halfAt(b, 0))
		p.five(b[2:], b[6:22], plus)
		return 1
	},
	tensor.Q5_1: func(p codeColumn, b []byte, plus byte) int {
		p.scale(0, halfAt(b, 0))
		p.second(0, halfAt(b, 2))
		p.five(b[4:], b[8:24], plus)
		return 1
	},
	tensor.Q8_0: func(p codeColumn, b []byte, plus byte) int {
		p.scale(0, halfAt(b, 0))
		for i, c := range b[2:34] {
			p.set(i, c+128+plus)
		}
		return 1
	},
	tensor.Q4_K: func(p codeColumn, b []byte, plus byte) int {
		p.scalesAndMinima(b)
		for i, c := range b[16:144] {
			k := i/32*64 + i%32
			p.set(k, c&15)
			p.set(k+32, c>>4)
		}
		return 8
	},
	tensor.Q5_K: func(p codeColumn, b []byte, plus byte) int {
		p.scalesAndMinima(b)
		for i, c := range b[48:176] {
			k, high := i/32*64+i%32, b[16+i%32]>>(i/32*2)
			p.set(k, c&15|high&1<<4)
			p.set(k+32, c>>4|high>>1&1<<4)
		}
		return 8
	},
	tensor.Q6_K: func(p codeColumn, b []byte, plus byte) int {
		d := halfAt(b, 208)
		for k, s := range b[192:208] { // of 16 elements
			if f := d * float32(int8(s)); k%2 == 0 {
				p.scale(k/2, f)
			} else {
				p.second(k/2, f)
			}
		}
		for k := range 256 {
			part, run, i := k/128, k%128/32, k%32
			low := b[64*part+32*(run%2)+i] >> (run / 2 * 4) & 15
			p.set(k, (low|b[128+32*part+i]>>(2*run)&3<<4)+plus)
		}
		return 8
	},
}

// five sets 32 codes of four bits, and a fifth each from a 32-bit word.
func (p codeColumn) five(high, codes []byte, plus byte) {
	bits := binary.LittleEndian.Uint32(high)
	for i, c := range codes {
		p.set(i, c&15+byte(bits>>i&1<<4)+plus)
		p.set(16+i, c>>4+byte(bits>>(16+i)&1<<4)+plus)
	}
}

// scalesAndMinima sets those of Q4_K and Q5_K: two halves, then 6-bit pairs of eight groups in twelve bytes.
func (p codeColumn) scalesAndMinima(b []byte) {
	d, minimum, packed := halfAt(b, 0), halfAt(b, 2), b[4:16]
	for g := range 8 {
		var s, m byte
		if g < 4 {
			s, m = packed[g]&63, packed[g+4]&63
		} else {
			s, m = packed[g+4]&15|packed[g-4]>>6<<4, packed[g+4]>>4|packed[g]>>6<<4
		}
		p.scale(g, d*float32(s))
		p.second(g, 0-minimum*float32(m))
	}
}
