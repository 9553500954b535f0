package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// saturate holds v within binary16's finite numbers.
func saturate(v, most, least reg.VecVirtual) {
	VMINPS(v, most, v)
	VMAXPS(v, least, v)
}

func toHalf(s isa) {
	TEXT("toHalf"+s.name, NOSPLIT, "func(n int, dst *uint16, src *float32)")
	Pragma("noescape")
	n := Load(Param("n"), GP64()).(reg.GPVirtual)
	dst := Load(Param("dst"), GP64()).(reg.GPVirtual)
	src := Load(Param("src"), GP64()).(reg.GPVirtual)
	most, least := s.float(65504), s.float(-65504)
	loop("again", n, s.lanes, func() {
		v := s.vec()
		VMOVUPS(mem(src, 0), v)
		saturate(v, most, least)
		VCVTPS2PH(operand.Imm(0), v, mem(dst, 0))
		ADDQ(imm32(uint64(s.bytes())), src)
		ADDQ(imm32(uint64(s.bytes()/2)), dst)
	})
	VZEROUPPER()
	RET()
}

func fromHalf(s isa) {
	TEXT("fromHalf"+s.name, NOSPLIT, "func(n int, dst *float32, src *uint16)")
	Pragma("noescape")
	n := Load(Param("n"), GP64()).(reg.GPVirtual)
	dst := Load(Param("dst"), GP64()).(reg.GPVirtual)
	src := Load(Param("src"), GP64()).(reg.GPVirtual)
	loop("again", n, 16, func() {
		for i := range s.per16() {
			v := s.vec()
			VCVTPH2PS(mem(src, i*s.bytes()/2), v)
			VMOVUPS(v, mem(dst, i*s.bytes()))
		}
		ADDQ(imm32(64), dst)
		ADDQ(imm32(32), src)
	})
	VZEROUPPER()
	RET()
}

// storeKeys emits the transposition of 16 rows of dim floats (a multiple of
// 4) into a tile: dst[d·64 + i] = half(src[i·ld + d]).
func storeKeys(s isa) {
	TEXT("storeKeys"+s.name, NOSPLIT, "func(dim int, dst *uint16, src *float32, ld int)")
	Pragma("noescape")
	dim := Load(Param("dim"), GP64()).(reg.GPVirtual)
	dst := Load(Param("dst"), GP64()).(reg.GPVirtual)
	src := Load(Param("src"), GP64()).(reg.GPVirtual)
	ld := Load(Param("ld"), GP64()).(reg.GPVirtual)
	SHLQ(operand.U8(2), ld)
	most, least := s.float(65504), s.float(-65504)
	r := newRows(s, src, ld)
	loop("again", dim, 4, func() {
		for half := range s.per16() {
			if half > 0 {
				r.shift(1)
			}
			for j, v := range r.columns(0) {
				saturate(v, most, least)
				VCVTPS2PH(operand.Imm(0), v, mem(dst, 128*j+half*s.bytes()/2))
			}
		}
		if s.per16() > 1 {
			r.shift(-1)
		}
		r.advance(16)
		ADDQ(imm32(512), dst)
	})
	VZEROUPPER()
	RET()
}

// rows addresses as many rows as there are lanes, stride bytes apart.
type rows struct {
	s          isa
	groups     []reg.GPVirtual // every fourth row
	one, three reg.GPVirtual   // stride and three times it
}

func newRows(s isa, first, stride reg.GPVirtual) rows {
	r := rows{s: s, one: stride, three: GP64()}
	LEAQ(indexed(stride, stride, 2, 0), r.three)
	for i := range s.lanes / 4 {
		g := GP64()
		if i == 0 {
			MOVQ(first, g)
		} else {
			LEAQ(indexed(r.groups[i-1], stride, 4, 0), g)
		}
		r.groups = append(r.groups, g)
	}
	return r
}

func (r rows) advance(bytes int) {
	for _, g := range r.groups {
		ADDQ(imm32(uint64(bytes)), g)
	}
}

// shift moves all pointers by 8 rows forth (1) or back (−1).
func (r rows) shift(by int) {
	for _, g := range r.groups {
		if by > 0 {
			LEAQ(indexed(g, r.one, 8, 0), g)
		} else {
			t := GP64()
			MOVQ(r.one, t)
			SHLQ(operand.U8(3), t)
			SUBQ(t, g)
		}
	}
}

// row addresses lane i's row.
func (r rows) row(i, disp int) operand.Mem {
	g := r.groups[i/4]
	switch i % 4 {
	case 1:
		return indexed(g, r.one, 1, disp)
	case 2:
		return indexed(g, r.one, 2, disp)
	case 3:
		return indexed(g, r.three, 1, disp)
	}
	return mem(g, disp)
}

// columns loads 16 bytes at disp of every row and gives its four 32-bit words
// as vectors over the rows: a 4×4 transposition in each 128-bit lane.
func (r rows) columns(disp int) []reg.VecVirtual {
	s := r.s
	a := s.vecs(4)
	for i, v := range a {
		// A broadcast is as cheap as a load and defines the whole register.
		if s.wide() {
			VBROADCASTI32X4(r.row(i, disp), v)
		} else {
			VBROADCASTI128(r.row(i, disp), v)
		}
		for c := 1; c < s.lanes/4; c++ {
			if s.wide() {
				VINSERTI32X4(operand.Imm(uint64(c)), r.row(4*c+i, disp), v, v)
			} else {
				VINSERTI128(operand.Imm(uint64(c)), r.row(4*c+i, disp), v, v)
			}
		}
	}
	t := s.vecs(4)
	VPUNPCKLDQ(a[1], a[0], t[0])
	VPUNPCKHDQ(a[1], a[0], t[1])
	VPUNPCKLDQ(a[3], a[2], t[2])
	VPUNPCKHDQ(a[3], a[2], t[3])
	VPUNPCKLQDQ(t[2], t[0], a[0])
	VPUNPCKHQDQ(t[2], t[0], a[1])
	VPUNPCKLQDQ(t[3], t[1], a[2])
	VPUNPCKHQDQ(t[3], t[1], a[3])
	return a
}

// word32 loads the 32-bit word at disp of every row: one vector.
func (r rows) word32(disp int) reg.VecVirtual {
	s := r.s
	quarters := make([]reg.VecVirtual, s.lanes/4)
	for c := range quarters {
		x := XMM()
		VMOVD(r.row(4*c, disp), x)
		for i := 1; i < 4; i++ {
			VPINSRD(operand.Imm(uint64(i)), r.row(4*c+i, disp), x, x)
		}
		quarters[c] = x
	}
	v := s.vec()
	VXORPS(v, v, v)
	for c := range quarters {
		if s.wide() {
			VINSERTI32X4(operand.Imm(uint64(c)), quarters[c].AsX(), v, v)
		} else {
			VINSERTI128(operand.Imm(uint64(c)), quarters[c].AsX(), v, v)
		}
	}
	return v
}
