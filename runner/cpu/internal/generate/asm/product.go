package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// product emits the outer-product kernel of so many rows by two vectors. The
// accumulators stay in registers while k runs; each is one chain of fused
// multiply-adds.
func product(s isa, rows int) {
	TEXT(fmt.Sprintf("product%sx%d", s.name, rows), NOSPLIT,
		"func(blocks, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, alpha *float32, mode int)")
	Pragma("noescape")
	acc := make([][]reg.VecVirtual, rows)
	for r := range acc {
		acc[r] = s.vecs(2)
	}
	lda := Load(Param("lda"), GP64()).(reg.GPVirtual)
	SHLQ(operand.U8(2), lda)
	ldb := Load(Param("ldb"), GP64()).(reg.GPVirtual)
	SHLQ(operand.U8(2), ldb)
	a := Load(Param("a"), GP64()).(reg.GPVirtual)
	// What changes from block to block, beside a, lives in the frame.
	frame := AllocLocal(24)
	blocks, cAt, alphaAt := frame.Offset(0), frame.Offset(8), frame.Offset(16)
	t := GP64()
	Load(Param("blocks"), t)
	MOVQ(t, blocks)
	Load(Param("c"), t)
	MOVQ(t, cAt)
	Load(Param("alpha"), t)
	MOVQ(t, alphaAt)

	Label("block")
	{
		c, ldc, mode, alpha := GP64(), GP64(), GP64(), GP64()
		MOVQ(cAt, c)
		Load(Param("ldc"), ldc)
		SHLQ(operand.U8(2), ldc)
		Load(Param("mode"), mode)
		CMPQ(mode, operand.Imm(1))
		JE(operand.LabelRef("continued"))
		for r := range acc {
			for _, v := range acc[r] {
				VXORPS(v, v, v)
			}
		}
		JMP(operand.LabelRef("begin"))
		Label("continued")
		MOVQ(alphaAt, alpha)
		for r := range acc {
			for i, v := range acc[r] {
				VMOVUPS(mem(c, i*s.bytes()), v)
			}
			if r+1 < rows {
				ADDQ(ldc, c)
			}
		}
		TESTQ(alpha, alpha)
		JE(operand.LabelRef("begin"))
		for r := range acc {
			x := s.vec()
			VBROADCASTSS(mem(alpha, 4*r), x)
			for _, v := range acc[r] {
				VMULPS(x, v, v)
			}
		}
		ADDQ(imm32(uint64(4*rows)), alpha)
		MOVQ(alpha, alphaAt)
	}
	Label("begin")
	// Pointers to every third row reach the two rows after them by index.
	groups := make([]reg.GPVirtual, (rows+2)/3)
	groups[0] = GP64()
	MOVQ(a, groups[0])
	for i := 1; i < len(groups); i++ {
		groups[i] = GP64()
		LEAQ(indexed(groups[i-1], lda, 2, 0), groups[i])
		ADDQ(lda, groups[i])
	}
	b, k := GP64(), GP64()
	Load(Param("b"), b)
	Load(Param("k"), k)
	SUBQ(imm32(4), k)
	JL(operand.LabelRef("rest"))
	Label("four")
	for i := range 4 {
		step(s, acc, groups, lda, b, ldb, 4*i)
	}
	for _, g := range groups {
		ADDQ(imm32(16), g)
	}
	SUBQ(imm32(4), k)
	JGE(operand.LabelRef("four"))
	Label("rest")
	ADDQ(imm32(4), k)
	JE(operand.LabelRef("finish"))
	Label("one")
	step(s, acc, groups, lda, b, ldb, 0)
	for _, g := range groups {
		ADDQ(imm32(4), g)
	}
	SUBQ(imm32(1), k)
	JG(operand.LabelRef("one"))
	Label("finish")
	{
		c, ldc, mode := GP64(), GP64(), GP64()
		MOVQ(cAt, c)
		Load(Param("ldc"), ldc)
		SHLQ(operand.U8(2), ldc)
		Load(Param("mode"), mode)
		CMPQ(mode, operand.Imm(2))
		JNE(operand.LabelRef("store"))
		for r := range acc {
			for i, v := range acc[r] {
				VADDPS(mem(c, i*s.bytes()), v, v)
			}
			if r+1 < rows {
				ADDQ(ldc, c)
			}
		}
		MOVQ(cAt, c)
		Label("store")
		for r := range acc {
			for i, v := range acc[r] {
				VMOVUPS(v, mem(c, i*s.bytes()))
			}
			ADDQ(ldc, c)
		}
		MOVQ(c, cAt)
	}
	// The next block's rows.
	n := GP64()
	IMUL3Q(operand.U8(uint8(rows)), lda, n)
	ADDQ(n, a)
	MOVQ(blocks, n)
	SUBQ(imm32(1), n)
	MOVQ(n, blocks)
	JG(operand.LabelRef("block"))
	VZEROUPPER()
	RET()
}

// step is one k: two vectors of b against every row's element of a.
func step(s isa, acc [][]reg.VecVirtual, groups []reg.GPVirtual, lda, b, ldb reg.GPVirtual, disp int) {
	bs := s.vecs(2)
	for i, v := range bs {
		VMOVUPS(mem(b, i*s.bytes()), v)
	}
	ADDQ(ldb, b)
	for r := range acc {
		at := mem(groups[r/3], disp)
		if r%3 > 0 {
			at = indexed(groups[r/3], lda, uint8(r%3), disp)
		}
		x := s.vec()
		VBROADCASTSS(at, x)
		for i, v := range acc[r] {
			VFMADD231PS(bs[i], x, v)
		}
	}
}

// peak emits a loop of independent fused multiply-adds on registers, the most
// that a core can do: 24 (AVX2: 12) chains.
func peak(s isa) {
	TEXT("peak"+s.name, NOSPLIT, "func(n int)")
	n := Load(Param("n"), GP64()).(reg.GPVirtual)
	acc := s.vecs(2 * s.rows)
	x, y := s.vec(), s.vec()
	VXORPS(x, x, x)
	VXORPS(y, y, y)
	for _, v := range acc {
		VXORPS(v, v, v)
	}
	loop("again", n, 1, func() {
		for _, v := range acc {
			VFMADD231PS(x, y, v)
		}
	})
	VZEROUPPER()
	RET()
}
