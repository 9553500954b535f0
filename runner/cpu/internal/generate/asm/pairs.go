package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// vector32 makes a constant of 32 bytes on first use.
func vector32(name string, word func(i int) uint32) func() operand.Mem {
	var m operand.Mem
	made := false
	return func() operand.Mem {
		if !made {
			made = true
			m = GLOBL(name, attr.RODATA|attr.NOPTR)
			for i := range 8 {
				DATA(4*i, operand.U32(word(i)))
			}
		}
		return m
	}
}

var (
	wordOnes = vector32("wordOnes", func(int) uint32 { return 0x00010001 })
	// The order of 32-bit words after two steps of packing within 128-bit lanes.
	packedOrder = vector32("packedOrder", func(i int) uint32 { return uint32(i%2*4 + i/2) })
)

// pairKind is a product for AVX2, where pairs of products of bytes are added
// in 16 bits. Codes of so many bits allow so many such sums to be added
// before they must be widened: (2^bits − 1)·127·2·sums < 2^15. Codes of 8 bits are taken in two halves of 4.
type pairKind struct {
	name       string
	bits, sums int
	coding     string
	shift      uint64 // centre = 128 >> shift
}

var pairKinds = []pairKind{
	{"Centred4", 4, 8, centred, 4},
	{"Shifted4", 4, 8, shifted, 0},
	{"Centred5", 5, 4, centred, 3},
	{"Shifted5", 5, 4, shifted, 0},
	{"Halved6", 6, 2, halved, 2},
	{"Centred8", 8, 8, centred, 0},
}

// shape gives the rows and vectors of columns of a full block: what 16 registers hold.
func (p pairKind) shape() (rows, vectors int) {
	switch p.bits {
	case 4:
		return 3, 2
	case 8:
		return 3, 1
	}
	return 2, 2
}

func pairProducts() {
	for _, p := range pairKinds {
		rows, _ := p.shape()
		for r := 1; r <= rows; r++ {
			p.product(r)
		}
	}
}

// product emits what productInt8 does for up to three rows and 8 or 16 columns.
func (p pairKind) product(rows int) {
	s := avx2
	_, vectors := p.shape()
	TEXT(fmt.Sprintf("product%sAVX2x%d", p.name, rows), NOSPLIT,
		"func(groups, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int)")
	Pragma("noescape")
	acc := make([][]reg.VecVirtual, rows)
	for r := range acc {
		acc[r] = s.vecs(vectors)
	}
	lda := Load(Param("lda"), GP64()).(reg.GPVirtual)
	ldc := Load(Param("ldc"), GP64()).(reg.GPVirtual)
	SHLQ(operand.U8(2), ldc)
	a := Load(Param("a"), GP64()).(reg.GPVirtual)
	c := Load(Param("c"), GP64()).(reg.GPVirtual)
	groups := Load(Param("groups"), GP64()).(reg.GPVirtual)
	mode := Load(Param("mode"), GP64()).(reg.GPVirtual)
	at := func(r, i int) operand.Mem {
		if r == 0 {
			return mem(c, 32*i)
		}
		return indexed(c, ldc, uint8(r), 32*i)
	}
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
	for r := range acc {
		for i, v := range acc[r] {
			VMOVUPS(at(r, i), v)
		}
	}
	Label("begin")
	x, b, k := GP64(), GP64(), GP64()
	MOVQ(a, x)
	Load(Param("b"), b)
	Load(Param("blocks"), k)
	row := func(r, disp int) operand.Mem {
		if r == 0 {
			return mem(x, disp)
		}
		return indexed(x, lda, uint8(r), disp)
	}
	loop("block", k, 1, func() {
		if p.coding == halved {
			p.block(acc, row, b, 0, 4, biasAt+4, scalesAt)
			p.block(acc, row, b, 4, 8, biasAt+8, secondsAt)
		} else {
			p.block(acc, row, b, 0, 8, biasAt, scalesAt)
		}
		ADDQ(imm32(codeBytes), x)
		ADDQ(imm32(blockBytes), b)
	})
	CMPQ(mode, operand.Imm(2))
	JNE(operand.LabelRef("store"))
	for r := range acc {
		for i, v := range acc[r] {
			VADDPS(at(r, i), v, v)
		}
	}
	Label("store")
	for r := range acc {
		for i, v := range acc[r] {
			VMOVUPS(v, at(r, i))
		}
	}
	n := GP64()
	for _, step := range []struct{ by, to reg.GPVirtual }{{lda, a}, {ldc, c}} {
		IMUL3Q(operand.U8(uint8(rows)), step.by, n)
		ADDQ(n, step.to)
	}
	SUBQ(imm32(1), groups)
	JG(operand.LabelRef("group"))
	VZEROUPPER()
	RET()
}

// block adds words [from, to) of a block onto acc, with one scale.
func (p pairKind) block(acc [][]reg.VecVirtual, row func(r, disp int) operand.Mem, b reg.GPVirtual, from, to, bias, scales int) {
	s := avx2
	vectors := len(acc[0])
	var mask reg.VecVirtual
	parts := 1
	if p.bits == 8 {
		parts = 2
		mask = s.bits(0x0f0f0f0f)
	}
	grid := func() [][][]reg.VecVirtual { // [part][row][vector]
		g := make([][][]reg.VecVirtual, parts)
		for h := range g {
			g[h] = make([][]reg.VecVirtual, len(acc))
			for r := range acc {
				g[h][r] = s.vecs(vectors)
			}
		}
		return g
	}
	var wide [][][]reg.VecVirtual
	for first := from; first < to; first += p.sums {
		narrow := grid()
		for i := first; i < min(to, first+p.sums); i++ {
			for j := range vectors {
				w := s.vecs(parts)
				VMOVDQU(mem(b, wordBytes*i+32*j), w[0])
				if parts == 2 {
					VPSRLD(operand.Imm(4), w[0], w[1])
					VPAND(mask, w[0], w[0])
					VPAND(mask, w[1], w[1])
				}
				for r := range acc {
					x := s.vec()
					VPBROADCASTD(row(r, 4*i), x)
					for h := range parts {
						if i == first {
							VPMADDUBSW(x, w[h], narrow[h][r][j])
							continue
						}
						t := s.vec()
						VPMADDUBSW(x, w[h], t)
						VPADDW(t, narrow[h][r][j], narrow[h][r][j])
					}
				}
			}
		}
		for h := range narrow {
			for r := range acc {
				for j, v := range narrow[h][r] {
					VPMADDWD(wordOnes(), v, v)
					if wide != nil {
						VPADDD(v, wide[h][r][j], wide[h][r][j])
					}
				}
			}
		}
		if wide == nil {
			wide = narrow
		}
	}
	sums := wide[0]
	for r := range acc {
		var less reg.VecVirtual
		if p.coding != shifted {
			less = s.vec()
			VPBROADCASTD(row(r, bias), less)
			if p.shift > 0 {
				VPSRAD(operand.Imm(p.shift), less, less)
			}
		}
		for j, v := range sums[r] {
			if parts == 2 {
				VPSLLD(operand.Imm(4), wide[1][r][j], wide[1][r][j])
				VPADDD(wide[1][r][j], v, v)
			}
			if less != nil {
				VPADDD(less, v, v)
			}
			VCVTDQ2PS(v, v)
		}
		x := s.vec()
		VBROADCASTSS(row(r, scaleAt), x)
		for j, v := range acc[r] {
			t := s.vec()
			VMULPS(mem(b, scales+32*j), x, t)
			VFMADD231PS(t, sums[r][j], v)
		}
		if p.coding != shifted {
			continue
		}
		y := s.vec()
		VBROADCASTSS(row(r, scaledSumAt), y)
		for j, v := range acc[r] {
			VFMADD231PS(mem(b, secondsAt+32*j), y, v)
		}
	}
}
