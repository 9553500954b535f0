package main

// Coefficients as in runner/cpu/exp.go.
var exp2C = []float32{1, 0.6931471824645996, 0.24022647738456726, 0.05550329387187958, 0.009618449956178665, 0.0013400169555097818, 0.0001535231713205576}

// Registers that exponent leaves to its constants and its own use.
const (
	coefficient = 16 // v16 to v22
	biasReg     = 23
	lowestReg   = 24
	nReg        = 25
	pReg        = 26
	tReg        = 27
)

func exponentConstants() {
	for i, c := range exp2C {
		constant(coefficient+i, c)
	}
	bits(biasReg, 127)
	constant(lowestReg, -126)
}

// exponent is x = 2^x for x in [−126, 127]; with cut, 0 below.
func exponent(x int, cut bool) {
	if cut {
		fcmgt(28, lowestReg, x)
	}
	frintn(nReg, x)
	fsub(x, x, nReg)
	from, to := pReg, tReg
	mov(from, coefficient+6)
	for i := 5; i >= 0; i-- {
		mov(to, coefficient+i)
		fmla(to, from, x)
		from, to = to, from
	}
	fcvtns(nReg, nReg)
	add(nReg, nReg, biasReg)
	shl(nReg, nReg, 23)
	fmul(x, from, nReg)
	if cut {
		bic(x, x, 28)
	}
}

// fold reduces the 16 lanes of four registers from v on to lane 0 of v, by halves.
func fold(v int, op func(d, n, m int)) {
	op(v, v, v+2)
	op(v+1, v+1, v+3)
	op(v, v, v+1)
	upper(v+1, v)
	op(v, v, v+1)
	dup(v+1, v, 1)
	op(v, v, v+1)
}

func load4(reg string, v int) {
	p("VLD1.P 64(%s), [V%d.S4, V%d.S4, V%d.S4, V%d.S4]", reg, v, v+1, v+2, v+3)
}

func store4(reg string, v int) {
	p("VST1.P [V%d.S4, V%d.S4, V%d.S4, V%d.S4], 64(%s)", v, v+1, v+2, v+3, reg)
}

func softmax() {
	text("softmaxNEON", "40")
	for i, name := range []string{"rows", "s", "m", "l", "alpha"} {
		p("MOVD %s+%d(FP), R%d", name, 8*i, i)
	}
	exponentConstants()
	label("row")
	p("MOVD R1, R10")
	load4("R10", 0)
	for range 3 {
		load4("R10", 4)
		for i := range 4 {
			fmax(i, i, 4+i)
		}
	}
	fold(0, fmax)
	p("FMOVS (R2), F30")
	fmax(0, 0, 30)
	dup(29, 0, 0)
	p("FMOVS F29, (R2)")
	fsub(30, 30, 29)
	exponent(30, true)
	p("FMOVS F30, (R4)")
	// Sums: v0 to v3 of the first two groups of 16, v4 to v7 of the last two.
	p("MOVD R1, R10")
	for g := range 4 {
		load4("R10", 8)
		for i := 8; i < 12; i++ {
			fsub(i, i, 29)
			exponent(i, true)
		}
		store4("R1", 8)
		sums := 4 * (g / 2)
		for i := range 4 {
			if g%2 == 0 {
				mov(sums+i, 8+i)
			} else {
				fadd(sums+i, sums+i, 8+i)
			}
		}
	}
	for i := range 4 {
		fadd(i, i, 4+i)
	}
	fold(0, fadd)
	p("FMOVS (R3), F1")
	fmla(0, 1, 30)
	p("FMOVS F0, (R3)")
	for _, r := range []string{"R2", "R3", "R4"} {
		p("ADD $4, %s", r)
	}
	p("SUBS $1, R0")
	p("BGT row")
	p("RET")
}

func exp2Row() {
	text("exp2RowNEON", "20")
	p("MOVD n+0(FP), R0")
	p("MOVD x+8(FP), R1")
	p("FMOVS m+16(FP), F29")
	dup(29, 29, 0)
	exponentConstants()
	p("MOVD R1, R2")
	label("again")
	load4("R1", 0)
	for i := range 4 {
		fsub(i, i, 29)
		exponent(i, true)
	}
	store4("R2", 0)
	p("SUBS $16, R0")
	p("BGT again")
	p("RET")
}

func gate() {
	text("gateNEON", "40")
	for i, name := range []string{"n", "dst", "x", "up"} {
		p("MOVD %s+%d(FP), R%d", name, 8*i, i)
	}
	exponentConstants()
	p("FMOVS c1+32(FP), F12")
	p("FMOVS c3+36(FP), F13")
	dup(12, 12, 0)
	dup(13, 13, 0)
	bits(14, 0xbfb8aa3b) // −log₂e
	constant(15, 127)
	label("again")
	load4("R2", 0)
	for x := range 4 {
		fmul(8, x, x)
		mov(9, 12)
		fmla(9, 13, 8)
		fmul(8, x, 9)
		fmul(8, 8, 14)
		fmax(8, 8, lowestReg)
		fmin(8, 8, 15)
		exponent(8, false)
		fadd(8, 8, coefficient)
		fdiv(x, x, 8)
	}
	p("CBZ R3, alone")
	load4("R3", 4)
	for i := range 4 {
		fmul(i, i, 4+i)
	}
	label("alone")
	store4("R1", 0)
	p("SUBS $16, R0")
	p("BGT again")
	p("RET")
}

func squares() {
	text("squaresNEON", "20")
	p("MOVD n+0(FP), R0")
	p("MOVD x+8(FP), R1")
	for i := range 4 {
		zero(i)
	}
	label("again")
	load4("R1", 4)
	for i := range 4 {
		fmla(i, 4+i, 4+i)
	}
	p("SUBS $16, R0")
	p("BGT again")
	fold(0, fadd)
	p("FMOVS F0, ret+16(FP)")
	p("RET")
}

func scaled() {
	text("scaledNEON", "36")
	for i, name := range []string{"n", "dst", "x", "w"} {
		p("MOVD %s+%d(FP), R%d", name, 8*i, i)
	}
	p("FMOVS s+32(FP), F12")
	dup(12, 12, 0)
	label("again")
	load4("R2", 0)
	load4("R3", 4)
	for i := range 4 {
		fmul(i, i, 12)
		fmul(i, i, 4+i)
	}
	store4("R1", 0)
	p("SUBS $16, R0")
	p("BGT again")
	p("RET")
}

func halves() {
	text("toHalfNEON", "24")
	p("MOVD n+0(FP), R0")
	p("MOVD dst+8(FP), R1")
	p("MOVD src+16(FP), R2")
	constant(12, 65504)
	constant(13, -65504)
	label("again")
	load4("R2", 0)
	for i := range 4 {
		fmin(i, i, 12)
		fmax(i, i, 13)
	}
	fcvtn(4, 0)
	fcvtn2(4, 1)
	fcvtn(5, 2)
	fcvtn2(5, 3)
	p("VST1.P [V4.H8, V5.H8], 32(R1)")
	p("SUBS $16, R0")
	p("BGT again")
	p("RET")

	text("fromHalfNEON", "24")
	p("MOVD n+0(FP), R0")
	p("MOVD dst+8(FP), R1")
	p("MOVD src+16(FP), R2")
	label("again")
	p("VLD1.P 32(R2), [V4.H8, V5.H8]")
	fcvtl(0, 4)
	fcvtl2(1, 4)
	fcvtl(2, 5)
	fcvtl2(3, 5)
	store4("R1", 0)
	p("SUBS $16, R0")
	p("BGT again")
	p("RET")
}

// peak is a loop of 24 independent fused multiply-adds.
func peak() {
	text("peakNEON", "8")
	p("MOVD n+0(FP), R0")
	for v := range 26 {
		zero(v)
	}
	label("again")
	for v := range 24 {
		fmla(v, 24, 25)
	}
	p("SUBS $1, R0")
	p("BGT again")
	p("RET")
}
