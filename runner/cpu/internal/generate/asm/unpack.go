package main

import (
	"math"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const panelBytes = 32 * 4 // from one k to the next in a panel

// unpacker emits func(dst *float32, src *byte, stride, count int): count
// blocks of elements each, as many rows as there are lanes. All products of a
// format's scales and quants fit float32's 24 bits, so a fused multiply-add
// with the minimum rounds just as a product and a sum do.
type unpacker struct {
	s    isa
	rows rows
	dst  reg.GPVirtual
	tab  []reg.VecVirtual // the value of each nibble: one register, or two of AVX2
}

func unpackers(s isa) {
	block := func(name string, elements, bytes int, table func(i int) float32, constants func(u *unpacker), body func(u *unpacker)) {
		TEXT("unpack"+name+s.name, NOSPLIT, "func(dst *float32, src *byte, stride, count int)")
		Pragma("noescape")
		count := Load(Param("count"), GP64()).(reg.GPVirtual)
		dst := Load(Param("dst"), GP64()).(reg.GPVirtual)
		src := Load(Param("src"), GP64()).(reg.GPVirtual)
		stride := Load(Param("stride"), GP64()).(reg.GPVirtual)
		u := &unpacker{s: s, dst: dst}
		u.rows = newRows(s, src, stride)
		if table != nil {
			u.table(name, table)
		}
		if constants != nil {
			constants(u)
		}
		step := 1
		if bytes <= 4 { // formats without blocks go 16 bytes at a time
			step = 16 / bytes
		}
		loop("block", count, step, func() {
			body(u)
			u.rows.advance(bytes * step)
			ADDQ(imm32(uint64(elements*step*panelBytes)), u.dst)
		})
		VZEROUPPER()
		RET()
	}

	block("F32", 1, 4, nil, nil, func(u *unpacker) {
		for j, v := range u.rows.columns(0) {
			u.store(j, v)
		}
	})
	block("BF16", 1, 2, nil, nil, func(u *unpacker) {
		high := u.s.bits(0xffff0000)
		for j, v := range u.rows.columns(0) {
			t := u.s.vec()
			VPSLLD(operand.Imm(16), v, t)
			u.store(2*j, t)
			u.and(high, v, v)
			u.store(2*j+1, v)
		}
	})
	block("F16", 1, 2, nil, nil, func(u *unpacker) {
		for j, v := range u.rows.columns(0) {
			u.store(2*j, u.half(v, 0))
			u.store(2*j+1, u.half(v, 16))
		}
	})

	less8, plain := func(i int) float32 { return float32(i - 8) }, float
	if !s.wide() { // AVX2 converts
		less8, plain = nil, nil
	}
	block("Q4_0", 32, 18, less8, nil, func(u *unpacker) {
		d := u.half(u.rows.word32(0), 0)
		for j, v := range u.rows.columns(2) {
			for b := range 4 {
				for h := range 2 {
					q := u.nibble(v, 8*b+4*h, 8)
					VMULPS(d, q, q)
					u.store(16*h+4*j+b, q)
				}
			}
		}
	})
	block("Q4_1", 32, 20, plain, nil, func(u *unpacker) {
		w := u.rows.word32(0)
		d, m := u.half(w, 0), u.half(w, 16)
		for j, v := range u.rows.columns(4) {
			for b := range 4 {
				for h := range 2 {
					q := u.nibble(v, 8*b+4*h, 0)
					VFMADD213PS(m, d, q)
					u.store(16*h+4*j+b, q)
				}
			}
		}
	})
	block("Q8_0", 32, 34, nil, nil, func(u *unpacker) {
		d := u.half(u.rows.word32(0), 0)
		for c := range 2 {
			for j, v := range u.rows.columns(2 + 16*c) {
				for b := range 4 {
					q := u.signed(v, b)
					VMULPS(d, q, q)
					u.store(16*c+4*j+b, q)
				}
			}
		}
	})
	block("Q5_0", 32, 22, nil, nil, func(u *unpacker) {
		d := u.half(u.rows.word32(0), 0)
		qh := u.rows.word32(2)
		off := u.s.bits(16)
		for j, v := range u.rows.columns(6) {
			for b := range 4 {
				for h := range 2 {
					q := u.field(v, 8*b+4*h, 4)
					u.or(u.bit(qh, 16*h+4*j+b, 0, 4), q)
					VPSUBD(off, q, q)
					VCVTDQ2PS(q, q)
					VMULPS(d, q, q)
					u.store(16*h+4*j+b, q)
				}
			}
		}
	})
	block("Q5_1", 32, 24, nil, nil, func(u *unpacker) {
		w := u.rows.word32(0)
		d, m := u.half(w, 0), u.half(w, 16)
		qh := u.rows.word32(4)
		for j, v := range u.rows.columns(8) {
			for b := range 4 {
				for h := range 2 {
					q := u.field(v, 8*b+4*h, 4)
					u.or(u.bit(qh, 16*h+4*j+b, 0, 4), q)
					VCVTDQ2PS(q, q)
					VFMADD213PS(m, d, q)
					u.store(16*h+4*j+b, q)
				}
			}
		}
	})

	// Formats of 256 keep their scales in the frame: half, minimum, and the
	// three words of twelve 6-bit pairs.
	var frame operand.Mem
	slot := func(i int) operand.Mem { return frame.Offset(i * s.bytes()) }
	super := func(u *unpacker) { frame = AllocLocal(9 * s.bytes()) }
	block("Q4_K", 256, 144, plain, super, func(u *unpacker) {
		u.open(slot)
		for g := range 4 {
			d0, m0 := u.scaleMin(slot, 2*g)
			d1, m1 := u.scaleMin(slot, 2*g+1)
			for h := range 2 {
				for j, v := range u.rows.columns(16 + 32*g + 16*h) {
					for b := range 4 {
						q := u.nibble(v, 8*b, 0)
						VFMSUB213PS(m0, d0, q)
						u.store(64*g+16*h+4*j+b, q)
						q = u.nibble(v, 8*b+4, 0)
						VFMSUB213PS(m1, d1, q)
						u.store(64*g+32+16*h+4*j+b, q)
					}
				}
			}
		}
	})
	block("Q5_K", 256, 176, nil, super, func(u *unpacker) {
		u.open(slot)
		for h := range 2 {
			for j, v := range u.rows.columns(16 + 16*h) {
				VMOVUPS(v, slot(5+j))
			}
			for g := range 4 {
				d0, m0 := u.scaleMin(slot, 2*g)
				d1, m1 := u.scaleMin(slot, 2*g+1)
				for j, v := range u.rows.columns(48 + 32*g + 16*h) {
					qh := u.s.vec()
					VMOVUPS(slot(5+j), qh)
					for b := range 4 {
						q := u.field(v, 8*b, 4)
						u.or(u.bit(qh, 8*b+2*g, 0, 4), q)
						VCVTDQ2PS(q, q)
						VFMSUB213PS(m0, d0, q)
						u.store(64*g+16*h+4*j+b, q)
						q = u.field(v, 8*b+4, 4)
						u.or(u.bit(qh, 8*b+2*g+1, 0, 4), q)
						VCVTDQ2PS(q, q)
						VFMSUB213PS(m1, d1, q)
						u.store(64*g+32+16*h+4*j+b, q)
					}
				}
			}
		}
	})
	block("IQ4_NL", 32, 18, iq4, nil, func(u *unpacker) {
		d := u.half(u.rows.word32(0), 0)
		for j, v := range u.rows.columns(2) {
			for b := range 4 {
				for h := range 2 {
					q := u.looked(v, 8*b+4*h)
					VMULPS(d, q, q)
					u.store(16*h+4*j+b, q)
				}
			}
		}
	})
	// IQ4_XS: d, 16 bits of high scale bits, 4 bytes of low ones, 128 bytes of codes.
	block("IQ4_XS", 256, 136, iq4, super, func(u *unpacker) {
		head := u.rows.word32(0)
		VMOVUPS(u.half(head, 0), slot(0))
		VMOVUPS(head, slot(1))
		VMOVUPS(u.rows.word32(4), slot(2))
		for g := range 8 {
			low, high := u.s.vec(), u.s.vec()
			VMOVUPS(slot(2), low)
			VMOVUPS(slot(1), high)
			d := u.field(low, 4*g, 4)
			u.or(u.place(high, 16+2*g, 2, 4), d)
			VPSUBD(u.s.bits(32), d, d)
			VCVTDQ2PS(d, d)
			VMULPS(slot(0), d, d)
			for j, v := range u.rows.columns(8 + 16*g) {
				for b := range 4 {
					for h := range 2 {
						q := u.looked(v, 8*b+4*h)
						VMULPS(d, q, q)
						u.store(32*g+16*h+4*j+b, q)
					}
				}
			}
		}
	})
	// Q2_K: 16 bytes of scale and minimum, 64 of quants, d, dmin.
	block("Q2_K", 256, 84, nil, super, func(u *unpacker) {
		w := u.rows.word32(80)
		VMOVUPS(u.half(w, 0), slot(0))
		VMOVUPS(u.half(w, 16), slot(1))
		for i, v := range u.rows.columns(0) {
			VMOVUPS(v, slot(2+i))
		}
		for n := range 2 {
			for h := range 2 {
				words := u.rows.columns(16 + 32*n + 16*h)
				for part := range 4 {
					k := 8*n + 2*part + h
					sc := u.s.vec()
					VMOVUPS(slot(2+k/4), sc)
					d, m := u.field(sc, 8*(k%4), 4), u.field(sc, 8*(k%4)+4, 4)
					VCVTDQ2PS(d, d)
					VCVTDQ2PS(m, m)
					VMULPS(slot(0), d, d)
					VMULPS(slot(1), m, m)
					for j, v := range words {
						for b := range 4 {
							q := u.field(v, 8*b+2*part, 2)
							VCVTDQ2PS(q, q)
							VFMSUB213PS(m, d, q)
							u.store(128*n+32*part+16*h+4*j+b, q)
						}
					}
				}
			}
		}
	})
	// Q3_K: 32 bytes of high bits, 64 of low ones, 12 of 6-bit scales, d. A
	// high bit not set takes 4 off.
	block("Q3_K", 256, 110, nil, super, func(u *unpacker) {
		tail := u.rows.columns(94)
		VMOVUPS(u.half(tail[3], 16), slot(0))
		for i, v := range tail {
			VMOVUPS(v, slot(1+i))
		}
		scaleByte := func(i, from, n, to int) reg.VecVirtual { // bits of scale byte i
			v := u.s.vec()
			VMOVUPS(slot(1+(i+2)/4), v)
			return u.place(v, 8*((i+2)%4)+from, n, to)
		}
		for h := range 2 {
			for j, v := range u.rows.columns(16 * h) {
				VMOVUPS(v, slot(5+j))
			}
			for n := range 2 {
				words := u.rows.columns(32 + 32*n + 16*h)
				for part := range 4 {
					k := 8*n + 2*part + h
					d := scaleByte(k%8, 4*(k/8), 4, 0)
					u.or(scaleByte(8+k%4, 2*(k/4), 2, 4), d)
					VPSUBD(u.s.bits(32), d, d)
					VCVTDQ2PS(d, d)
					VMULPS(slot(0), d, d)
					for j, v := range words {
						high := u.s.vec()
						VMOVUPS(slot(5+j), high)
						for b := range 4 {
							q := u.field(v, 8*b+2*part, 2)
							u.or(u.place(high, 8*b+4*n+part, 1, 2), q)
							VPSUBD(u.s.bits(4), q, q)
							VCVTDQ2PS(q, q)
							VMULPS(d, q, q)
							u.store(128*n+32*part+16*h+4*j+b, q)
						}
					}
				}
			}
		}
	})
	// Q6_K: ql 128 bytes, qh 64, 16 signed scales at 192, the half scale at 208.
	block("Q6_K", 256, 210, nil, super, func(u *unpacker) {
		VMOVUPS(u.half(u.rows.word32(206), 16), slot(0))
		for i, v := range u.rows.columns(192) {
			VMOVUPS(v, slot(1+i))
		}
		off := u.s.bits(32)
		scale := func(i int) reg.VecVirtual {
			v := u.s.vec()
			VMOVUPS(slot(1+i/4), v)
			f := u.signed(v, i%4)
			VMULPS(slot(0), f, f)
			return f
		}
		emit := func(q, high, d reg.VecVirtual, e int) {
			u.or(high, q)
			VPSUBD(off, q, q)
			VCVTDQ2PS(q, q)
			VMULPS(d, q, q)
			u.store(e, q)
		}
		for n := range 2 {
			for h := range 2 {
				for j, v := range u.rows.columns(128 + 32*n + 16*h) {
					VMOVUPS(v, slot(5+j))
				}
				for part := range 2 { // the ql bytes of elements l and l+64, then of l+32 and l+96
					low, high := scale(8*n+h+2*part), scale(8*n+h+2*part+4)
					for j, v := range u.rows.columns(64*n + 16*h + 32*part) {
						qh := u.s.vec()
						VMOVUPS(slot(5+j), qh)
						for b := range 4 {
							e := 128*n + 16*h + 32*part + 4*j + b
							emit(u.field(v, 8*b, 4), u.bits2(qh, 8*b+2*part), low, e)
							emit(u.field(v, 8*b+4, 4), u.bits2(qh, 8*b+2*part+4), high, e+64)
						}
					}
				}
			}
		}
	})
}

var tables = map[string]operand.Mem{}

// table loads the values of the 16 nibbles from read-only data.
func (u *unpacker) table(name string, f func(i int) float32) { u.tab = tableOf(u.s, name, 16, f) }

// tableOf loads a table of so many floats from read-only data.
func tableOf(s isa, name string, entries int, f func(i int) float32) (v []reg.VecVirtual) {
	m, ok := tables[name]
	if !ok {
		m = GLOBL("table"+name, attr.RODATA|attr.NOPTR)
		for i := range entries {
			DATA(4*i, operand.U32(math.Float32bits(f(i))))
		}
		tables[name] = m
	}
	for i := range entries / s.lanes {
		r := s.vec()
		VMOVUPS(m.Offset(i*s.bytes()), r)
		v = append(v, r)
	}
	return v
}

// looked gives the table's value of bits [shift, shift+4) of each word.
func (u *unpacker) looked(w reg.VecVirtual, shift int) reg.VecVirtual {
	s := u.s
	if s.wide() {
		return u.nibble(w, shift, 0)
	}
	// A permutation looks at 3 bits; the fourth, moved to the sign, picks the table.
	low, high, pick := s.vec(), s.vec(), s.vec()
	at := w
	if shift > 0 {
		at = s.vec()
		VPSRLD(operand.Imm(uint64(shift)), w, at)
	}
	VPERMPS(u.tab[0], at, low)
	VPERMPS(u.tab[1], at, high)
	if shift == 28 {
		pick = w
	} else {
		VPSLLD(operand.Imm(uint64(28-shift)), w, pick)
	}
	VBLENDVPS(pick, high, low, low)
	return low
}

// store writes element e of all lanes.
func (u *unpacker) store(e int, v reg.VecVirtual) { VMOVUPS(v, mem(u.dst, e*panelBytes)) }

func (u *unpacker) and(a, b, dst reg.VecVirtual) {
	if u.s.wide() {
		VPANDD(a, b, dst)
	} else {
		VPAND(a, b, dst)
	}
}

func (u *unpacker) or(a, dst reg.VecVirtual) {
	if u.s.wide() {
		VPORD(a, dst, dst)
	} else {
		VPOR(a, dst, dst)
	}
}

// half converts bits [shift, shift+16) of each word from binary16.
func (u *unpacker) half(w reg.VecVirtual, shift int) reg.VecVirtual {
	s := u.s
	v := s.vec()
	t := w
	if shift > 0 {
		t = s.vec()
		VPSRLD(operand.Imm(uint64(shift)), w, t)
	}
	if s.wide() {
		y := YMM()
		VPMOVDW(t, y)
		VCVTPH2PS(y, v)
		return v
	}
	if shift == 0 {
		t = s.vec()
		u.and(s.bits(0xffff), w, t)
	}
	VPACKUSDW(t, t, t)
	VPERMQ(operand.Imm(0x08), t, t)
	VCVTPH2PS(t.AsX(), v)
	return v
}

// field gives bits [shift, shift+n) of each word, n = 2, 4 or 6.
func (u *unpacker) field(w reg.VecVirtual, shift, n int) reg.VecVirtual {
	s := u.s
	v := s.vec()
	if shift+n == 32 {
		VPSRLD(operand.Imm(uint64(shift)), w, v)
		return v
	}
	mask := s.bits(1<<n - 1)
	if shift == 0 {
		u.and(mask, w, v)
		return v
	}
	VPSRLD(operand.Imm(uint64(shift)), w, v)
	u.and(mask, v, v)
	return v
}

// place moves bits [from, from+n) of each word to bit to; the others are zero.
func (u *unpacker) place(w reg.VecVirtual, from, n, to int) reg.VecVirtual {
	s := u.s
	v := s.vec()
	switch {
	case from > to:
		VPSRLD(operand.Imm(uint64(from-to)), w, v)
		w = v
	case from < to:
		VPSLLD(operand.Imm(uint64(to-from)), w, v)
		w = v
	}
	u.and(s.bits((1<<n-1)<<to), w, v)
	return v
}

func (u *unpacker) bit(w reg.VecVirtual, from, _, to int) reg.VecVirtual {
	return u.place(w, from, 1, to)
}

func (u *unpacker) bits2(w reg.VecVirtual, from int) reg.VecVirtual { return u.place(w, from, 2, 4) }

// nibble gives bits [shift, shift+4) less off as float32, by table where there is one.
func (u *unpacker) nibble(w reg.VecVirtual, shift int, off uint32) reg.VecVirtual {
	s := u.s
	v := s.vec()
	if s.wide() {
		t := w
		if shift > 0 {
			VPSRLD(operand.Imm(uint64(shift)), w, v)
			t = v
		}
		VPERMPS(u.tab[0], t, v)
		return v
	}
	v = u.field(w, shift, 4)
	if off != 0 {
		VPSUBD(s.bits(off), v, v)
	}
	VCVTDQ2PS(v, v)
	return v
}

// signed gives byte b of each word as float32.
func (u *unpacker) signed(w reg.VecVirtual, b int) reg.VecVirtual {
	v := u.s.vec()
	if b < 3 {
		VPSLLD(operand.Imm(uint64(24-8*b)), w, v)
		w = v
	}
	VPSRAD(operand.Imm(24), w, v)
	VCVTDQ2PS(v, v)
	return v
}

// open keeps the halves and the three words of packed scales at the head of a
// block of 256 in slots 0 to 4, for scaleMin.
func (u *unpacker) open(slot func(int) operand.Mem) {
	head := u.rows.columns(0)
	VMOVUPS(u.half(head[0], 0), slot(0))
	VMOVUPS(u.half(head[0], 16), slot(1))
	for i := range 3 {
		VMOVUPS(head[i+1], slot(2+i))
	}
}

// scaleMin gives the scale and minimum of sub-block i of a format with twelve
// bytes of 6-bit pairs (words in slots 2 to 4), times the block's halves.
func (u *unpacker) scaleMin(slot func(int) operand.Mem, i int) (d, m reg.VecVirtual) {
	s := u.s
	load := func(j int) reg.VecVirtual {
		v := s.vec()
		VMOVUPS(slot(j), v)
		return v
	}
	if i < 4 {
		d, m = u.field(load(2), 8*i, 6), u.field(load(3), 8*i, 6)
	} else {
		low := load(4)
		d, m = u.field(low, 8*(i-4), 4), u.field(low, 8*(i-4)+4, 4)
		u.or(u.place(load(2), 8*(i-4)+6, 2, 4), d)
		u.or(u.place(load(3), 8*(i-4)+6, 2, 4), m)
	}
	VCVTDQ2PS(d, d)
	VCVTDQ2PS(m, m)
	VMULPS(slot(0), d, d)
	VMULPS(slot(1), m, m)
	return d, m
}
