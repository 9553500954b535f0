package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The layouts of runner/cpu/int8.go.
const (
	codeBytes   = 52 // a block of activations: 32 codes and what follows
	scaleAt     = 32
	scaledSumAt = 36
	biasAt      = 40 // then those of the two halves

	blockBytes = 1280 // a block of a panel: 32 codes of 32 columns, scales, seconds
	wordBytes  = 128  // from four codes to the next four
	scalesAt   = 1024
	secondsAt  = 1152
)

// dotBytes is acc += Σ of four products of unsigned bytes u and signed bytes s, per 32-bit lane.
func dotBytes(s operand.Op, u, acc reg.Register) {
	Instruction(&ir.Instruction{
		Opcode:   "VPDPBUSD",
		Operands: []operand.Op{s, u, acc},
		Inputs:   []operand.Op{s, u, acc},
		Outputs:  []operand.Op{acc},
		ISA:      []string{"AVX512F", "AVX512_VNNI"},
	})
}

// quantise emits the int8 codes of so many blocks of 32 floats.
func quantise(s isa) {
	TEXT("quantise"+int8Suffix(s), NOSPLIT, "func(blocks int, dst *byte, src *float32)")
	Pragma("noescape")
	blocks := Load(Param("blocks"), GP64()).(reg.GPVirtual)
	dst := Load(Param("dst"), GP64()).(reg.GPVirtual)
	src := Load(Param("src"), GP64()).(reg.GPVirtual)
	magnitude, least := s.bits(0x7fffffff), s.bits(0x17800000) // 2^-80
	most, least127, zero := s.float(127), s.float(-127), XMM()
	ones := s.bits(0x01010101)
	VXORPS(zero, zero, zero)
	loop("block", blocks, 1, func() {
		v := s.vecs(2 * s.per16())
		top := s.vec()
		VMOVUPS(least, top)
		for i := range v {
			VMOVUPS(mem(src, i*s.bytes()), v[i])
			t := s.vec()
			if s.wide() {
				VPANDD(v[i], magnitude, t)
			} else {
				VPAND(v[i], magnitude, t)
			}
			VPMAXUD(t, top, top)
		}
		x := XMM()
		if s.wide() {
			half := YMM()
			VEXTRACTI64X4(operand.Imm(1), top, half)
			VPMAXUD(half, top.AsY(), top.AsY())
			VEXTRACTI32X4(operand.Imm(1), top.AsY(), x)
		} else {
			VEXTRACTI128(operand.Imm(1), top, x)
		}
		VPMAXUD(x, top.AsX(), top.AsX())
		for _, order := range []uint64{0x4e, 0xb1} {
			VPSHUFD(operand.Imm(order), top.AsX(), x)
			VPMAXUD(x, top.AsX(), top.AsX())
		}
		scale, inverse := XMM(), XMM()
		VDIVPS(most.AsX(), top.AsX(), scale)
		VDIVPS(top.AsX(), most.AsX(), inverse)
		by := s.vec()
		VBROADCASTSS(inverse, by)
		for i := range v {
			VMULPS(by, v[i], v[i])
			VMAXPS(least127, v[i], v[i]) // the second operand where the first is no number
			VCVTPS2DQ(v[i], v[i])
		}
		sums := make([]reg.VecVirtual, 2)
		if s.wide() {
			for i := range v {
				codes := XMM()
				VPMOVSDB(v[i], codes)
				VMOVDQU32(codes, mem(dst, 16*i))
				sums[i] = XMM()
				VPXORD(sums[i], sums[i], sums[i])
				dotBytes(codes, ones.AsX(), sums[i])
			}
		} else {
			VPACKSSDW(v[1], v[0], v[0])
			VPACKSSDW(v[3], v[2], v[2])
			VPACKSSWB(v[2], v[0], v[0])
			order := s.vec()
			VMOVDQU(packedOrder(), order)
			VPERMD(v[0], order, v[0])
			VMOVDQU(v[0], mem(dst, 0))
			VPMADDUBSW(v[0], ones, v[0])
			VPMADDWD(wordOnes(), v[0], v[0])
			sums[0], sums[1] = XMM(), XMM()
			VMOVDQA(v[0].AsX(), sums[0])
			VEXTRACTI128(operand.Imm(1), v[0], sums[1])
		}
		low, high := XMM(), XMM()
		VPUNPCKLDQ(sums[1], sums[0], low)
		VPUNPCKHDQ(sums[1], sums[0], high)
		VPADDD(low, high, low)
		VPSHUFD(operand.Imm(0x4e), low, high)
		VPADDD(low, high, low) // Σ of the halves, twice
		VPSHUFD(operand.Imm(0xb1), low, high)
		VPADDD(low, high, high) // Σ of all
		sum := XMM()
		VCVTDQ2PS(high, sum)
		VMULPS(scale, sum, sum)
		VUNPCKLPS(sum, scale, scale)
		VMOVQ(scale, mem(dst, scaleAt))
		for _, t := range []reg.VecVirtual{low, high} {
			VPSLLD(operand.Imm(7), t, t)
			VPSUBD(t, zero, t)
		}
		VMOVD(high, mem(dst, biasAt))
		VMOVQ(low, mem(dst, biasAt+4))
		ADDQ(imm32(128), src)
		ADDQ(imm32(codeBytes), dst)
	})
	VZEROUPPER()
	RET()
}

// How a panel's codes become weights; see runner/cpu/int8.go.
const (
	centred = "Centred"
	shifted = "Shifted"
	halved  = "Halved"
)

const int8Rows = 6

// productInt8 emits the product of so many rows of int8 activations with a
// panel of codes: integer sums per block of 32, then one fused multiply-add
// per scale onto the row's float32 chain.
func productInt8(kind string, rows int) {
	s := avx512
	TEXT(fmt.Sprintf("product%sVNNIx%d", kind, rows), NOSPLIT,
		"func(groups, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int)")
	Pragma("noescape")
	acc := make([][]reg.VecVirtual, rows)
	for r := range acc {
		acc[r] = s.vecs(2)
	}
	lda := Load(Param("lda"), GP64()).(reg.GPVirtual)
	ldc := Load(Param("ldc"), GP64()).(reg.GPVirtual)
	SHLQ(operand.U8(2), ldc)
	a := Load(Param("a"), GP64()).(reg.GPVirtual)
	c := Load(Param("c"), GP64()).(reg.GPVirtual)
	groups := Load(Param("groups"), GP64()).(reg.GPVirtual)
	mode := Load(Param("mode"), GP64()).(reg.GPVirtual)

	Label("group")
	CMPQ(mode, operand.Imm(1))
	JE(operand.LabelRef("continued"))
	for r := range acc {
		for _, v := range acc[r] {
			VXORPS(v, v, v)
		}
	}
	JMP(operand.LabelRef("begin"))
	Label("continued")
	at := GP64()
	MOVQ(c, at)
	for r := range acc {
		for i, v := range acc[r] {
			VMOVUPS(mem(at, 64*i), v)
		}
		if r+1 < rows {
			ADDQ(ldc, at)
		}
	}
	Label("begin")
	heads := make([]reg.GPVirtual, (rows+2)/3)
	for i := range heads {
		heads[i] = GP64()
		if i == 0 {
			MOVQ(a, heads[i])
		} else {
			LEAQ(indexed(heads[i-1], lda, 2, 0), heads[i])
			ADDQ(lda, heads[i])
		}
	}
	row := func(r, disp int) operand.Mem {
		if r%3 > 0 {
			return indexed(heads[r/3], lda, uint8(r%3), disp)
		}
		return mem(heads[r/3], disp)
	}
	b, k := GP64(), GP64()
	Load(Param("b"), b)
	Load(Param("blocks"), k)
	loop("block", k, 1, func() {
		if kind == halved {
			dotBlock(acc, row, b, 0, 4, biasAt+4, scalesAt, false)
			dotBlock(acc, row, b, 4, 8, biasAt+8, secondsAt, false)
		} else {
			dotBlock(acc, row, b, 0, 8, biasAt, scalesAt, kind == shifted)
		}
		for _, g := range heads {
			ADDQ(imm32(codeBytes), g)
		}
		ADDQ(imm32(blockBytes), b)
	})
	CMPQ(mode, operand.Imm(2))
	JNE(operand.LabelRef("store"))
	MOVQ(c, at)
	for r := range acc {
		for i, v := range acc[r] {
			VADDPS(mem(at, 64*i), v, v)
		}
		if r+1 < rows {
			ADDQ(ldc, at)
		}
	}
	Label("store")
	for r := range acc {
		for i, v := range acc[r] {
			VMOVUPS(v, mem(c, 64*i))
		}
		ADDQ(ldc, c)
	}
	n := GP64()
	IMUL3Q(operand.U8(uint8(rows)), lda, n)
	ADDQ(n, a)
	SUBQ(imm32(1), groups)
	JG(operand.LabelRef("group"))
	VZEROUPPER()
	RET()
}

// dotBlock adds words [from, to) of a block onto acc, with one scale.
func dotBlock(acc [][]reg.VecVirtual, row func(r, disp int) operand.Mem, b reg.GPVirtual, from, to, bias, scales int, shift bool) {
	s := avx512
	// Few rows make short dependency chains of their own.
	chains := max(1, min(4, 4/len(acc)))
	sums := make([][][2]reg.VecVirtual, len(acc))
	for r := range acc {
		sums[r] = make([][2]reg.VecVirtual, chains)
		for i := range chains {
			v := s.vecs(2)
			sums[r][i] = [2]reg.VecVirtual{v[0], v[1]}
			if i > 0 || shift {
				VPXORD(v[0], v[0], v[0])
				VPXORD(v[1], v[1], v[1])
			} else {
				VPBROADCASTD(row(r, bias), v[0])
				VMOVDQA32(v[0], v[1])
			}
		}
	}
	for i := from; i < to; i++ {
		w := s.vecs(2)
		VMOVDQU32(mem(b, wordBytes*i), w[0])
		VMOVDQU32(mem(b, wordBytes*i+64), w[1])
		for r := range acc {
			x := s.vec()
			VPBROADCASTD(row(r, 4*i), x)
			for j := range 2 {
				dotBytes(x, w[j], sums[r][i%chains][j])
			}
		}
	}
	w := s.vecs(2)
	VMOVUPS(mem(b, scales), w[0])
	VMOVUPS(mem(b, scales+64), w[1])
	for r := range acc {
		x := s.vec()
		VBROADCASTSS(row(r, scaleAt), x)
		for j, v := range acc[r] {
			sum := sums[r][0][j]
			for i := 1; i < chains; i++ {
				VPADDD(sums[r][i][j], sum, sum)
			}
			VCVTDQ2PS(sum, sum)
			t := s.vec()
			VMULPS(w[j], x, t)
			VFMADD231PS(t, sum, v)
		}
		if !shift {
			continue
		}
		y := s.vec()
		VBROADCASTSS(row(r, scaledSumAt), y)
		for j, v := range acc[r] {
			VFMADD231PS(mem(b, secondsAt+64*j), y, v)
		}
	}
}

// codes emits, per format, func(dst *byte, src *byte, stride, count int): the
// unpacking of count of the format's blocks of as many rows as there are lanes
// into as many columns of a panel of codes. AVX2's codes are as they are
// stored, AVX-512's of symmetric formats are such that 128 is zero.
func codes(s isa) {
	suffix := int8Suffix(s)
	var u *unpacker
	block := func(name string, blocks, bytes int, constants func(), body func()) {
		TEXT("codes"+name+suffix, NOSPLIT, "func(dst *byte, src *byte, stride, count int)")
		Pragma("noescape")
		count := Load(Param("count"), GP64()).(reg.GPVirtual)
		dst := Load(Param("dst"), GP64()).(reg.GPVirtual)
		src := Load(Param("src"), GP64()).(reg.GPVirtual)
		stride := Load(Param("stride"), GP64()).(reg.GPVirtual)
		u = &unpacker{s: s, dst: dst}
		u.rows = newRows(s, src, stride)
		constants()
		loop("block", count, 1, func() {
			body()
			u.rows.advance(bytes)
			ADDQ(imm32(uint64(blocks*blockBytes)), u.dst)
		})
		VZEROUPPER()
		RET()
	}
	put := func(block, at int, v reg.VecVirtual) { VMOVUPS(v, mem(u.dst, block*blockBytes+at)) }
	word := func(block, i int, v reg.VecVirtual) { put(block, i*wordBytes, v) }
	masked := func(v reg.VecVirtual, shift int, mask reg.VecVirtual) reg.VecVirtual {
		t := s.vec()
		if shift > 0 {
			VPSRLD(operand.Imm(uint64(shift)), v, t)
			u.and(mask, t, t)
		} else {
			u.and(mask, v, t)
		}
		return t
	}
	var low4, more, fifth reg.VecVirtual
	nibbles := func() { low4 = s.bits(0x0f0f0f0f) }
	plus := func(n uint32) func() {
		return func() {
			nibbles()
			if s.wide() {
				more = s.bits(n * 0x01010101)
			}
		}
	}
	centre := func(v reg.VecVirtual) {
		if s.wide() {
			VPADDB(more, v, v)
		}
	}
	block("Q4_0", 1, 18, plus(120), func() {
		put(0, scalesAt, u.half(u.rows.word32(0), 0))
		for j, v := range u.rows.columns(2) {
			for h := range 2 {
				t := masked(v, 4*h, low4)
				centre(t)
				word(0, 4*h+j, t)
			}
		}
	})
	block("Q4_1", 1, 20, nibbles, func() {
		w := u.rows.word32(0)
		put(0, scalesAt, u.half(w, 0))
		put(0, secondsAt, u.half(w, 16))
		for j, v := range u.rows.columns(4) {
			for h := range 2 {
				word(0, 4*h+j, masked(v, 4*h, low4))
			}
		}
	})
	// The fifth bits of four codes are four bits in a row: a table spreads them.
	spread := func(name string, zero, one byte) func() {
		return func() {
			nibbles()
			if !s.wide() {
				more, fifth = s.bits(0x00204081), s.bits(0x01010101)
				return
			}
			m := GLOBL("spread"+name, attr.RODATA|attr.NOPTR)
			for i := range 16 {
				var w uint32
				for b := range 4 {
					if i>>b&1 == 0 {
						w |= uint32(zero) << (8 * b)
					} else {
						w |= uint32(one) << (8 * b)
					}
				}
				DATA(4*i, operand.U32(w))
			}
			fifth = s.vec()
			VMOVUPS(m, fifth)
		}
	}
	five := func(high reg.VecVirtual, columns []reg.VecVirtual) {
		for j, v := range columns {
			for h := range 2 {
				t := masked(v, 4*h, low4)
				bits, shift := s.vec(), 16*h+4*j
				switch {
				case !s.wide(): // or a product does
					bits = u.field(high, shift, 4)
					VPMULLD(more, bits, bits)
					VPAND(fifth, bits, bits)
					VPSLLD(operand.Imm(4), bits, bits)
				case shift > 0:
					VPSRLD(operand.Imm(uint64(shift)), high, bits)
					VPERMD(fifth, bits, bits)
				default:
					VPERMD(fifth, high, bits)
				}
				u.or(bits, t)
				word(0, 4*h+j, t)
			}
		}
	}
	block("Q5_0", 1, 22, spread("Q5_0", 112, 128), func() {
		put(0, scalesAt, u.half(u.rows.word32(0), 0))
		five(u.rows.word32(2), u.rows.columns(6))
	})
	block("Q5_1", 1, 24, spread("Q5_1", 0, 16), func() {
		w := u.rows.word32(0)
		put(0, scalesAt, u.half(w, 0))
		put(0, secondsAt, u.half(w, 16))
		five(u.rows.word32(4), u.rows.columns(8))
	})
	block("Q8_0", 1, 34, func() { more = s.bits(0x80808080) }, func() {
		put(0, scalesAt, u.half(u.rows.word32(0), 0))
		for h := range 2 {
			for j, v := range u.rows.columns(2 + 16*h) {
				if s.wide() {
					VPXORD(more, v, v)
				} else {
					VPXOR(more, v, v)
				}
				word(0, 4*h+j, v)
			}
		}
	})

	var frame operand.Mem
	slot := func(i int) operand.Mem { return frame.Offset(i * s.bytes()) }
	super := func() { nibbles(); frame = AllocLocal(9 * s.bytes()) }
	scaleAndMin := func(g int) {
		d, m := u.scaleMin(slot, g)
		zero := s.vec()
		VXORPS(zero, zero, zero)
		VSUBPS(m, zero, m)
		put(g, scalesAt, d)
		put(g, secondsAt, m)
	}
	// high puts the bits kept in slot 5+j, moved down by shift, above t's four.
	high := func(j, shift int, t reg.VecVirtual) {
		bits := s.vec()
		VMOVUPS(slot(5+j), bits)
		switch {
		case shift > 0:
			VPSRLD(operand.Imm(uint64(shift)), bits, bits)
		case shift < 0:
			VPSLLD(operand.Imm(uint64(-shift)), bits, bits)
		}
		u.and(fifth, bits, bits)
		u.or(bits, t)
	}
	block("Q4_K", 8, 144, super, func() {
		u.open(slot)
		for g := range 8 {
			scaleAndMin(g)
		}
		for g := range 4 {
			for h := range 2 {
				for j, v := range u.rows.columns(16 + 32*g + 16*h) {
					word(2*g, 4*h+j, masked(v, 0, low4))
					word(2*g+1, 4*h+j, masked(v, 4, low4))
				}
			}
		}
	})
	block("Q5_K", 8, 176, func() { super(); fifth = s.bits(0x10101010) }, func() {
		u.open(slot)
		for g := range 8 {
			scaleAndMin(g)
		}
		for h := range 2 {
			for j, v := range u.rows.columns(16 + 16*h) {
				VMOVUPS(v, slot(5+j))
			}
			for g := range 4 {
				for j, v := range u.rows.columns(48 + 32*g + 16*h) {
					for n := range 2 {
						t := masked(v, 4*n, low4)
						high(j, 2*g+n-4, t) // bit 2g+n of each byte
						word(2*g+n, 4*h+j, t)
					}
				}
			}
		}
	})
	block("Q6_K", 8, 210, func() { super(); more, fifth = s.bits(0x60606060), s.bits(0x30303030) }, func() {
		VMOVUPS(u.half(u.rows.word32(206), 16), slot(0))
		for i, v := range u.rows.columns(192) {
			for b := range 4 {
				f := u.signed(v, b)
				VMULPS(slot(0), f, f)
				k := 4*i + b // of 16 elements
				put(k/2, scalesAt+k%2*(secondsAt-scalesAt), f)
			}
		}
		for n := range 2 {
			for h := range 2 {
				for j, v := range u.rows.columns(128 + 32*n + 16*h) {
					VMOVUPS(v, slot(5+j))
				}
				for part := range 2 { // the low bits of runs part and part+2
					for j, v := range u.rows.columns(64*n + 16*h + 32*part) {
						for m := range 2 {
							run := part + 2*m
							t := masked(v, 4*m, low4)
							high(j, 2*run-4, t)
							centre(t)
							word(4*n+run, 4*h+j, t)
						}
					}
				}
			}
		}
	})
}

func int8Suffix(s isa) string {
	if s.wide() {
		return "VNNI"
	}
	return s.name
}

// int8Kernels emits all that --int8 needs.
func int8Kernels() {
	for _, kind := range []string{centred, shifted, halved} {
		for rows := 1; rows <= int8Rows; rows++ {
			productInt8(kind, rows)
		}
	}
	for _, s := range []isa{avx512, avx2} {
		quantise(s)
		codes(s)
	}
	pairProducts()
}
