package main

import "fmt"

// The layouts of runner/cpu/int8.go. Panels hold signed codes here: those of
// symmetric formats less their centre.
const (
	codeBytes   = 52 // a block of activations: 32 codes and what follows
	blockWords  = 10 // 128 bytes each of a panel's block: 8 of codes, scales, seconds
	int8Rows    = 4
	scaleAt     = 32
	scaledSumAt = 36
	biasAt      = 40
)

// sdot is d += Σ of the products of four signed bytes of n and of word i of m, per word.
func sdot(d, n, m, i int) {
	word(0x4f80e000|uint32(i&1)<<21|uint32(m)<<16|uint32(i>>1)<<11|uint32(n)<<5|uint32(d), "sdot.4s v%d, v%d, v%d[%d]", d, n, m, i)
}

var (
	fabs   = two("fabs.4s", 0x4ea0f800)
	umax   = three("umax.4s", 0x6ea06400)
	umaxv  = two("umaxv.4s", 0x6eb0a800)
	fmaxnm = three("fmaxnm.4s", 0x4e20c400) // the number, where the other is none
	scvtf  = two("scvtf.4s", 0x4e21d800)
	sqxtnH = two("sqxtn.4h.4s", 0x0e614800)
	sqxtnG = two("sqxtn2.8h.4s", 0x4e614800)
	sqxtnB = two("sqxtn.8b.8h", 0x0e214800)
	sqxtnC = two("sqxtn2.16b.8h", 0x4e214800)
	saddlv = two("saddlv.16b", 0x4e303800)
)

// fmulLane is d = n·m[0].
func fmulLane(d, n, m int) {
	word(0x4f809000|uint32(m)<<16|uint32(n)<<5|uint32(d), "fmul.4s v%d, v%d, v%d[0]", d, n, m)
}

// quantise emits the int8 codes of so many blocks of 32 floats.
func quantise() {
	text("quantiseNEON", "24")
	for i, name := range []string{"blocks", "dst", "src"} {
		p("MOVD %s+%d(FP), R%d", name, 8*i, i)
	}
	bits(16, 0x17800000) // 2^-80
	constant(17, 127)
	constant(18, -127)
	label("block")
	load4("R2", 0)
	load4("R2", 4)
	mov(19, 16)
	for i := range 8 {
		fabs(20, i)
		umax(19, 19, 20)
	}
	umaxv(19, 19)
	dup(19, 19, 0)
	fdiv(20, 19, 17) // scale
	fdiv(21, 17, 19)
	for i := range 8 {
		fmul(i, i, 21)
		fmaxnm(i, i, 18)
		fcvtns(i, i)
	}
	for h := range 2 {
		v := 4 * h
		sqxtnH(22, v)
		sqxtnG(22, v+1)
		sqxtnH(23, v+2)
		sqxtnG(23, v+3)
		sqxtnB(24+h, 22)
		sqxtnC(24+h, 23)
		p("FMOVQ F%d, %d(R1)", 24+h, 16*h)
		saddlv(26+h, 24+h)
		word(0x4e022c00|uint32(26+h)<<5|uint32(4+h), "smov x%d, v%d.h[0]", 4+h, 26+h)
	}
	p("ADD R4, R5, R3")
	p("SCVTFWS R3, F28")
	p("FMULS F20, F28, F28")
	p("FMOVS F20, %d(R1)", scaleAt)
	p("FMOVS F28, %d(R1)", scaledSumAt)
	for i, r := range []int{3, 4, 5} {
		p("LSL $7, R%d, R%d", r, r)
		p("NEG R%d, R%d", r, r)
		p("MOVW R%d, %d(R1)", r, biasAt+4*i)
	}
	p("ADD $%d, R1", codeBytes)
	p("SUBS $1, R0")
	p("BGT block")
	p("RET")
}

// productInt8 emits the product of so many rows of int8 activations with eight
// columns of a panel of codes. Chains are v0 to v7, integer sums v8 to v15,
// codes of the rows v16 to v19, of the columns v20 and v21.
func productInt8(kind string, rows int) {
	text(fmt.Sprintf("product%sNEONx%d", kind, rows), "64")
	for i, name := range []string{"groups", "blocks", "a", "lda", "b", "c", "ldc", "mode"} {
		p("MOVD %s+%d(FP), R%d", name, 8*i, i)
	}
	p("LSL $2, R6, R6")
	label("group")
	p("CMP $1, R7")
	p("BEQ continued")
	for v := range 2 * rows {
		zero(v)
	}
	p("B begin")
	label("continued")
	p("MOVD R5, R23")
	for r := range rows {
		p("VLD1 (R23), [V%d.S4, V%d.S4]", 2*r, 2*r+1)
		p("ADD R6, R23")
	}
	label("begin")
	for r := range rows {
		if r == 0 {
			p("MOVD R2, %s", pointers[0])
		} else {
			p("ADD R3, %s, %s", pointers[r-1], pointers[r])
		}
	}
	p("ADD R3, %s, R2", pointers[rows-1])
	p("MOVD R4, R21")
	p("MOVD R1, R22")
	label("block")
	for h := range 2 {
		for r := range rows {
			p("VLD1.P 16(%s), [V%d.B16]", pointers[r], 16+r)
			if h == 0 || kind == "Halved" {
				zero(8 + 2*r)
				zero(8 + 2*r + 1)
			}
		}
		for i := range 4 {
			p("VLD1 (R21), [V20.B16, V21.B16]")
			p("ADD $%d, R21", panelBytes)
			for r := range rows {
				sdot(8+2*r, 20, 16+r, i)
				sdot(8+2*r+1, 21, 16+r, i)
			}
		}
		switch {
		case kind == "Halved":
			// Scales of the first half lie four words on, of the second one.
			p("ADD $%d, R21, R23", []int{4, 1}[h]*panelBytes)
			p("VLD1 (R23), [V22.S4, V23.S4]")
		case h == 0:
			continue
		default:
			p("VLD1 (R21), [V22.S4, V23.S4]")
			if kind == "Shifted" {
				p("ADD $%d, R21, R23", panelBytes)
				p("VLD1 (R23), [V27.S4, V28.S4]")
			}
		}
		for r := range rows {
			p("FMOVS %d(%s), F24", scaleAt-16*(h+1), pointers[r])
			for j := range 2 {
				scvtf(8+2*r+j, 8+2*r+j)
				fmulLane(25+j, 22+j, 24)
				fmla(2*r+j, 8+2*r+j, 25+j)
			}
			if kind == "Shifted" {
				p("FMOVS %d(%s), F24", scaledSumAt-16*(h+1), pointers[r])
				fmlaLane(2*r, 27, 24, 0)
				fmlaLane(2*r+1, 28, 24, 0)
			}
		}
	}
	for r := range rows {
		p("ADD $%d, %s", codeBytes-32, pointers[r])
	}
	p("ADD $%d, R21", 2*panelBytes)
	p("SUBS $1, R22")
	p("BGT block")
	store(rows, "R7", "R5", "R6")
	p("SUBS $1, R0")
	p("BGT group")
	p("RET")
}

// codes emits the unpacking of count blocks of a format of four rows into four columns of a panel.
func codes() {
	block := func(name string, blocks, bytes int, body func(u *unpack)) {
		u := &unpack{pinned: map[uint32]value{}, kind: "codes"}
		body(u)
		u.flush(name, 1, blocks*blockWords, bytes)
	}
	low := func(u *unpack, w value, shift int) value {
		if shift > 0 {
			w = u.right(w, shift)
		}
		return u.and(w, u.constant(0x0f0f0f0f))
	}
	less := func(u *unpack, w value, n uint32) value {
		if n == 0 {
			return w
		}
		return u.op("sub.16b", 0x6e208400, w, u.constant(n*0x01010101))
	}
	scale := func(u *unpack, block int, v value) { u.store(block*blockWords+8, v) }
	second := func(u *unpack, block int, v value) { u.store(block*blockWords+9, v) }
	four := func(u *unpack, columns []value, centre uint32) {
		for j, w := range columns {
			for h := range 2 {
				u.store(4*h+j, less(u, low(u, w, 4*h), centre))
			}
		}
	}
	block("Q4_0", 1, 18, func(u *unpack) {
		scale(u, 0, u.half(u.word32(0), 0))
		four(u, u.columns(2), 8)
	})
	block("Q4_1", 1, 20, func(u *unpack) {
		w := u.word32(0)
		scale(u, 0, u.half(w, 0))
		second(u, 0, u.half(w, 16))
		four(u, u.columns(4), 0)
	})
	// The fifth bits of four codes are four bits in a row; a product spreads them.
	five := func(u *unpack, high value, columns []value, centre uint32) {
		for j, w := range columns {
			for h := range 2 {
				bits := u.op("mul.4s", 0x4ea09c00, u.field(high, 16*h+4*j, 4), u.constant(0x00204081))
				bits = u.left(u.and(bits, u.constant(0x01010101)), 4)
				u.store(4*h+j, less(u, u.or(low(u, w, 4*h), bits), centre))
			}
		}
	}
	block("Q5_0", 1, 22, func(u *unpack) {
		scale(u, 0, u.half(u.word32(0), 0))
		five(u, u.word32(2), u.columns(6), 16)
	})
	block("Q5_1", 1, 24, func(u *unpack) {
		w := u.word32(0)
		scale(u, 0, u.half(w, 0))
		second(u, 0, u.half(w, 16))
		five(u, u.word32(4), u.columns(8), 0)
	})
	block("Q8_0", 1, 34, func(u *unpack) {
		scale(u, 0, u.half(u.word32(0), 0))
		for h := range 2 {
			for j, w := range u.columns(2 + 16*h) {
				u.store(4*h+j, w)
			}
		}
	})
	// moved gives bit from (and the n−1 after it) of each byte at bit to.
	moved := func(u *unpack, w value, from, to int, mask uint32) value {
		switch {
		case from > to:
			w = u.right(w, from-to)
		case from < to:
			w = u.left(w, to-from)
		}
		return u.and(w, u.constant(mask))
	}
	scalesAndMinima := func(u *unpack) {
		s := u.scales()
		for g := range 8 {
			d, m := s.pair(g)
			scale(u, g, d)
			// 0 − m has no negative zero.
			second(u, g, u.op("fadd.4s", 0x4e20d400, m, u.constant(0)))
		}
	}
	block("Q4_K", 8, 144, func(u *unpack) {
		scalesAndMinima(u)
		for g := range 4 {
			for h := range 2 {
				for j, w := range u.columns(16 + 32*g + 16*h) {
					u.store(2*g*blockWords+4*h+j, low(u, w, 0))
					u.store((2*g+1)*blockWords+4*h+j, low(u, w, 4))
				}
			}
		}
	})
	block("Q5_K", 8, 176, func(u *unpack) {
		scalesAndMinima(u)
		for h := range 2 {
			high := u.columns(16 + 16*h)
			for g := range 4 {
				for j, w := range u.columns(48 + 32*g + 16*h) {
					for n := range 2 {
						q := u.or(low(u, w, 4*n), moved(u, high[j], 2*g+n, 4, 0x10101010))
						u.store((2*g+n)*blockWords+4*h+j, q)
					}
				}
			}
		}
	})
	block("Q6_K", 8, 210, func(u *unpack) {
		d := u.half(u.word32(206), 16)
		for i, w := range u.columns(192) {
			for b := range 4 {
				k := 4*i + b // of 16 elements
				f := u.mul(u.signed(w, b), d)
				if k%2 == 0 {
					scale(u, k/2, f)
				} else {
					second(u, k/2, f)
				}
			}
		}
		for n := range 2 {
			for h := range 2 {
				high := u.columns(128 + 32*n + 16*h)
				for part := range 2 { // the low bits of runs part and part+2
					for j, w := range u.columns(64*n + 16*h + 32*part) {
						for m := range 2 {
							run := part + 2*m
							q := u.or(low(u, w, 4*m), moved(u, high[j], 2*run, 4, 0x30303030))
							u.store((4*n+run)*blockWords+4*h+j, less(u, q, 32))
						}
					}
				}
			}
		}
	})
}

func int8Kernels() {
	quantise()
	for _, kind := range []string{"Centred", "Shifted", "Halved"} {
		for rows := 1; rows <= int8Rows; rows++ {
			productInt8(kind, rows)
		}
	}
	codes()
}
