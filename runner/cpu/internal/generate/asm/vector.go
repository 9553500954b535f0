package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Coefficients as in runner/cpu/exp.go.
var exp2C = []float32{1, 0.6931471824645996, 0.24022647738456726, 0.05550329387187958, 0.009618449956178665, 0.0013400169555097818, 0.0001535231713205576}

// exponent is what 2^x needs: in registers where there are 32, else in memory.
type exponent struct {
	s      isa
	c      []operand.Op
	bias   operand.Op
	lowest operand.Op
}

func newExponent(s isa) exponent {
	constant := func(name string, bits uint32) operand.Op {
		if s.wide() {
			return s.bits(bits)
		}
		return eight(name, bits)
	}
	e := exponent{s: s, bias: constant("bias", 127), lowest: constant("lowest", math.Float32bits(-126))}
	for i, c := range exp2C {
		e.c = append(e.c, constant(fmt.Sprintf("exp2c%d", i), math.Float32bits(c)))
	}
	return e
}

var eights = map[string]operand.Mem{}

// eight gives a constant eight times in memory, as AVX2's operands want it.
func eight(name string, bits uint32) operand.Mem {
	if m, ok := eights[name]; ok {
		return m
	}
	m := GLOBL(name+"x8", attr.RODATA|attr.NOPTR)
	for i := range 8 {
		DATA(4*i, operand.U32(bits))
	}
	eights[name] = m
	return m
}

// full is x = 2^x for x ≤ 127, and 0 below −126.
func (e exponent) full(x reg.VecVirtual) {
	if e.s.wide() {
		k := K()
		VCMPPS(operand.Imm(5), e.lowest, x, k) // not less than
		e.part(x)
		VMOVAPS_Z(x, k, x)
		return
	}
	keep := e.s.vec()
	VCMPPS(operand.Imm(5), e.lowest, x, keep)
	e.part(x)
	VANDPS(keep, x, x)
}

// part is x = 2^x for x in [−126, 127].
func (e exponent) part(x reg.VecVirtual) {
	s := e.s
	n, p := s.vec(), s.vec()
	if s.wide() {
		VRNDSCALEPS(operand.Imm(8), x, n)
	} else {
		VROUNDPS(operand.Imm(8), x, n)
	}
	VSUBPS(n, x, x)
	VMOVUPS(e.c[6], p)
	for i := 5; i >= 0; i-- {
		VFMADD213PS(e.c[i], x, p)
	}
	VCVTPS2DQ(n, n)
	VPADDD(e.bias, n, n)
	VPSLLD(operand.Imm(23), n, n)
	VMULPS(n, p, x)
}

// fold reduces 16 floats to one in the low lane by halves: 16, 8, 4, 2, 1.
func fold(s isa, v []reg.VecVirtual, op func(a, b, dst operand.Op)) reg.VecVirtual {
	var y reg.VecVirtual
	if s.wide() {
		y = YMM()
		VEXTRACTF64X4(operand.Imm(1), v[0], y)
		op(y, v[0].AsY(), y)
	} else {
		y = YMM()
		op(v[1], v[0], y)
	}
	x, t := XMM(), XMM()
	VEXTRACTF128(operand.Imm(1), y, x)
	op(x, y.AsX(), x)
	VPERMILPS(operand.Imm(0x0e), x, t)
	op(t, x, x)
	VPERMILPS(operand.Imm(0x01), x, t)
	op(t, x, x)
	return x
}

// softmax emits the online softmax of one tile of 64 scores per row.
func softmax(s isa) {
	TEXT("softmax"+s.name, NOSPLIT, "func(rows int, s, m, l, alpha *float32)")
	Pragma("noescape")
	rows := Load(Param("rows"), GP64()).(reg.GPVirtual)
	at := Load(Param("s"), GP64()).(reg.GPVirtual)
	m := Load(Param("m"), GP64()).(reg.GPVirtual)
	l := Load(Param("l"), GP64()).(reg.GPVirtual)
	alpha := Load(Param("alpha"), GP64()).(reg.GPVirtual)
	max := func(a, b, dst operand.Op) { VMAXPS(a, b, dst) }
	add := func(a, b, dst operand.Op) { VADDPS(a, b, dst) }
	n := 64 / s.lanes
	if s.wide() {
		e := newExponent(s)
		Label("row")
		x := s.vecs(n)
		for i, v := range x {
			VMOVUPS(mem(at, i*s.bytes()), v)
		}
		t, u := s.vec(), s.vec()
		VMAXPS(x[0], x[1], t)
		VMAXPS(x[2], x[3], u)
		VMAXPS(t, u, t)
		top := fold(s, []reg.VecVirtual{t}, max)
		old := XMM()
		VMOVSS(mem(m, 0), old)
		VMAXSS(old, top, top)
		VMOVSS(top, mem(m, 0))
		wide := s.vec()
		VBROADCASTSS(top.AsX(), wide)
		for _, v := range x {
			VSUBPS(wide, v, v)
			e.full(v)
		}
		VSUBPS(top.AsX(), old.AsX(), old.AsX())
		exponent128(e, old)
		VMOVSS(old, mem(alpha, 0))
		for i, v := range x {
			VMOVUPS(v, mem(at, i*s.bytes()))
		}
		VADDPS(x[1], x[0], x[0])
		VADDPS(x[3], x[2], x[2])
		VADDPS(x[2], x[0], x[0])
		sum := fold(s, x[:1], add)
		ls := XMM()
		VMOVSS(mem(l, 0), ls)
		VFMADD213SS(sum, old, ls)
		VMOVSS(ls, mem(l, 0))
	} else {
		e := newExponent(s)
		Label("row")
		t, u := s.vec(), s.vec()
		VMOVUPS(mem(at, 0), t)
		VMOVUPS(mem(at, s.bytes()), u)
		for i := 2; i < n; i += 2 {
			VMAXPS(mem(at, i*s.bytes()), t, t)
			VMAXPS(mem(at, (i+1)*s.bytes()), u, u)
		}
		top := fold(s, []reg.VecVirtual{t, u}, max)
		old := XMM()
		VMOVSS(mem(m, 0), old)
		VMAXSS(old, top, top)
		VMOVSS(top, mem(m, 0))
		wide := s.vec()
		VBROADCASTSS(top.AsX(), wide)
		var half [2][2]reg.VecVirtual // sums of the first and last two groups of 16
		for i := range n {
			v := s.vec()
			VMOVUPS(mem(at, i*s.bytes()), v)
			VSUBPS(wide, v, v)
			e.full(v)
			VMOVUPS(v, mem(at, i*s.bytes()))
			if p := &half[i/4][i%2]; i%4 < 2 {
				*p = v
			} else {
				VADDPS(v, *p, *p)
			}
		}
		VADDPS(half[1][0], half[0][0], half[0][0])
		VADDPS(half[1][1], half[0][1], half[0][1])
		VSUBPS(top.AsX(), old.AsX(), old.AsX())
		y := old.AsY()
		VBROADCASTSS(old.AsX(), y)
		z := s.vec()
		VMOVAPS(y, z)
		e.full(z)
		VMOVSS(z.AsX(), mem(alpha, 0))
		sum := fold(s, half[0][:], add)
		ls := XMM()
		VMOVSS(mem(l, 0), ls)
		VFMADD213SS(sum, z.AsX(), ls)
		VMOVSS(ls, mem(l, 0))
	}
	ADDQ(imm32(256), at)
	ADDQ(imm32(4), m)
	ADDQ(imm32(4), l)
	ADDQ(imm32(4), alpha)
	SUBQ(imm32(1), rows)
	JG(operand.LabelRef("row"))
	VZEROUPPER()
	RET()
}

// exponent128 is full on an XMM register, which costs less than a whole one.
func exponent128(e exponent, x reg.VecVirtual) {
	k := K()
	n, p := XMM(), XMM()
	VCMPPS(operand.Imm(5), e.lowest.(reg.VecVirtual).AsX(), x, k)
	VRNDSCALEPS(operand.Imm(8), x, n)
	VSUBPS(n, x, x)
	VMOVAPS(e.c[6].(reg.VecVirtual).AsX(), p)
	for i := 5; i >= 0; i-- {
		VFMADD213PS(e.c[i].(reg.VecVirtual).AsX(), x, p)
	}
	VCVTPS2DQ(n, n)
	VPADDD(e.bias.(reg.VecVirtual).AsX(), n, n)
	VPSLLD(operand.Imm(23), n, n)
	VMULPS(n, p, x)
	VMOVAPS_Z(x, k, x)
}

// exp2Row emits x[i] = 2^(x[i] − m).
func exp2Row(s isa) {
	TEXT("exp2Row"+s.name, NOSPLIT, "func(n int, x *float32, m float32)")
	Pragma("noescape")
	n := Load(Param("n"), GP64()).(reg.GPVirtual)
	x := Load(Param("x"), GP64()).(reg.GPVirtual)
	addr, _ := Param("m").Resolve()
	m := s.vec()
	VBROADCASTSS(addr.Addr, m)
	e := newExponent(s)
	loop("again", n, s.lanes, func() {
		v := s.vec()
		VMOVUPS(mem(x, 0), v)
		VSUBPS(m, v, v)
		e.full(v)
		VMOVUPS(v, mem(x, 0))
		ADDQ(imm32(uint64(s.bytes())), x)
	})
	VZEROUPPER()
	RET()
}

// gate emits dst = g / (1 + e^−(g·(c1 + c3·g²)))·up.
func gate(s isa) {
	TEXT("gate"+s.name, NOSPLIT, "func(n int, dst, x, up *float32, c1, c3 float32)")
	Pragma("noescape")
	n := Load(Param("n"), GP64()).(reg.GPVirtual)
	dst := Load(Param("dst"), GP64()).(reg.GPVirtual)
	g := Load(Param("x"), GP64()).(reg.GPVirtual)
	up := Load(Param("up"), GP64()).(reg.GPVirtual)
	c1, _ := Param("c1").Resolve()
	c3, _ := Param("c3").Resolve()
	e := newExponent(s)
	v3 := s.vec()
	VBROADCASTSS(c3.Addr, v3)
	lowest := s.float(-126)
	log2 := word(0xbfb8aa3b) // −log₂e
	highest := word(0x42fe0000)
	loop("again", n, s.lanes, func() {
		x, y := s.vec(), s.vec()
		t := s.vec()
		VMOVUPS(mem(g, 0), x)
		VMULPS(x, x, y)
		VBROADCASTSS(c1.Addr, t)
		VFMADD213PS(t, v3, y)
		VMULPS(y, x, y)
		VBROADCASTSS(log2, t)
		VMULPS(t, y, y)
		VMAXPS(y, lowest, y)
		VBROADCASTSS(highest, t)
		VMINPS(y, t, y)
		e.part(y)
		VADDPS(e.c[0], y, y)
		VDIVPS(y, x, x)
		TESTQ(up, up)
		JE(operand.LabelRef("alone"))
		VMULPS(mem(up, 0), x, x)
		ADDQ(imm32(uint64(s.bytes())), up)
		Label("alone")
		VMOVUPS(x, mem(dst, 0))
		ADDQ(imm32(uint64(s.bytes())), g)
		ADDQ(imm32(uint64(s.bytes())), dst)
	})
	VZEROUPPER()
	RET()
}

// squares emits Σ x² in 16 chains, folded by halves.
func squares(s isa) {
	TEXT("squares"+s.name, NOSPLIT, "func(n int, x *float32) float32")
	Pragma("noescape")
	n := Load(Param("n"), GP64()).(reg.GPVirtual)
	x := Load(Param("x"), GP64()).(reg.GPVirtual)
	acc := s.vecs(s.per16())
	for _, v := range acc {
		VXORPS(v, v, v)
	}
	loop("again", n, 16, func() {
		for i, a := range acc {
			v := s.vec()
			VMOVUPS(mem(x, i*s.bytes()), v)
			VFMADD231PS(v, v, a)
		}
		ADDQ(imm32(64), x)
	})
	sum := fold(s, acc, func(a, b, dst operand.Op) { VADDPS(a, b, dst) })
	Store(sum.AsX(), ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// scaled emits dst = (x·s)·w.
func scaled(s isa) {
	TEXT("scaled"+s.name, NOSPLIT, "func(n int, dst, x, w *float32, s float32)")
	Pragma("noescape")
	n := Load(Param("n"), GP64()).(reg.GPVirtual)
	dst := Load(Param("dst"), GP64()).(reg.GPVirtual)
	x := Load(Param("x"), GP64()).(reg.GPVirtual)
	w := Load(Param("w"), GP64()).(reg.GPVirtual)
	by, _ := Param("s").Resolve()
	f := s.vec()
	VBROADCASTSS(by.Addr, f)
	loop("again", n, s.lanes, func() {
		v := s.vec()
		VMULPS(mem(x, 0), f, v)
		VMULPS(mem(w, 0), v, v)
		VMOVUPS(v, mem(dst, 0))
		for _, p := range []reg.GPVirtual{x, w, dst} {
			ADDQ(imm32(uint64(s.bytes())), p)
		}
	})
	VZEROUPPER()
	RET()
}

// prefetch emits requests for so many cache lines into the second level.
func prefetch() {
	TEXT("prefetchLines", NOSPLIT, "func(p *byte, lines int)")
	Pragma("noescape")
	p := Load(Param("p"), GP64()).(reg.GPVirtual)
	n := Load(Param("lines"), GP64()).(reg.GPVirtual)
	loop("again", n, 1, func() {
		PREFETCHT1(mem(p, 0))
		ADDQ(imm32(64), p)
	})
	RET()
}
