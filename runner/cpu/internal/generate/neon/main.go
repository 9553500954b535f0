// Command neon writes the arm64 kernels of package cpu to the file named by
// its argument:
//
//	go generate ./runner/cpu
//
// Go's assembler lacks most float instructions on vectors, so they are
// written as words, encoded here after the Arm Architecture Reference Manual,
// section C7.2. The operations on each element, and their order, are those of
// the Go twins in runner/cpu/portable.go.
package main

import (
	"bytes"
	"fmt"
	"log"
	"math"
	"os"

	"headprof/runner/cpu/internal/generate/purpose"
)

var out bytes.Buffer

func p(format string, a ...any) { fmt.Fprintf(&out, "\t"+format+"\n", a...) }
func label(name string)         { fmt.Fprintf(&out, "%s:\n", name) }

func text(name, frame string) {
	fmt.Fprintf(&out, "\n// %s\nTEXT ·%s(SB), NOSPLIT, $0-%s\n", purpose.Of(name), name, frame)
}

func word(enc uint32, format string, a ...any) {
	fmt.Fprintf(&out, "\tWORD $0x%08x // %s\n", enc, fmt.Sprintf(format, a...))
}

// Three-register instructions on four float32 (or 128 bits).
func three(name string, enc uint32) func(d, n, m int) {
	return func(d, n, m int) {
		word(enc|uint32(m)<<16|uint32(n)<<5|uint32(d), "%s v%d, v%d, v%d", name, d, n, m)
	}
}

func two(name string, enc uint32) func(d, n int) {
	return func(d, n int) { word(enc|uint32(n)<<5|uint32(d), "%s v%d, v%d", name, d, n) }
}

var (
	fadd   = three("fadd.4s", 0x4e20d400)
	fsub   = three("fsub.4s", 0x4ea0d400)
	fmul   = three("fmul.4s", 0x6e20dc00)
	fdiv   = three("fdiv.4s", 0x6e20fc00)
	fmla   = three("fmla.4s", 0x4e20cc00) // d += n·m, rounded once
	fmax   = three("fmax.4s", 0x4e20f400)
	fmin   = three("fmin.4s", 0x4ea0f400)
	fcmgt  = three("fcmgt.4s", 0x6ea0e400) // d = n > m
	add    = three("add.4s", 0x4ea08400)
	bic    = three("bic.16b", 0x4e601c00) // d = n &^ m
	orr    = three("orr.16b", 0x4ea01c00)
	frintn = two("frintn.4s", 0x4e218800)
	fcvtns = two("fcvtns.4s", 0x4e21a800)
	fcvtl  = two("fcvtl.4s.4h", 0x0e217800)
	fcvtl2 = two("fcvtl2.4s.8h", 0x4e217800)
	fcvtn  = two("fcvtn.4h.4s", 0x0e216800)
	fcvtn2 = two("fcvtn2.8h.4s", 0x4e216800)
)

func mov(d, n int) { orr(d, n, n) }

func zero(d int) { word(0x4f000400|uint32(d), "movi.4s v%d, 0", d) }

func shl(d, n, by int) {
	word(0x4f005400|uint32(32+by)<<16|uint32(n)<<5|uint32(d), "shl.4s v%d, v%d, %d", d, n, by)
}

// dup puts lane i of n into all lanes of d.
func dup(d, n, i int) {
	word(0x4e040400|uint32(i)<<19|uint32(n)<<5|uint32(d), "dup.4s v%d, v%d[%d]", d, n, i)
}

// upper puts the upper half of n into the lower half of d.
func upper(d, n int) {
	word(0x6e004000|uint32(n)<<16|uint32(n)<<5|uint32(d), "ext.16b v%d, v%d, v%d, 8", d, n, n)
}

// fmlaLane is d += n·m[i].
func fmlaLane(d, n, m, i int) {
	word(0x4f801000|uint32(i&1)<<21|uint32(m)<<16|uint32(i>>1)<<11|uint32(n)<<5|uint32(d), "fmla.4s v%d, v%d, v%d[%d]", d, n, m, i)
}

// constant puts f into all lanes of d, by way of R26.
func constant(d int, f float32) { bits(d, math.Float32bits(f)) }

func bits(d int, b uint32) {
	p("MOVD $0x%08x, R26", b)
	p("VDUP R26, V%d.S4", d)
}

func main() {
	out.WriteString(purpose.Header("neon") + "\n#include \"textflag.h\"\n")
	for rows := 1; rows <= 8; rows++ {
		product(rows)
	}
	softmax()
	exp2Row()
	gate()
	squares()
	scaled()
	halves()
	unpackers()
	int8Kernels()
	peak()
	if err := os.WriteFile(os.Args[1], out.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}

var pointers = []string{"R10", "R11", "R12", "R13", "R14", "R15", "R19", "R20"}

// store emits a product's end: rows of two sums from V0 on go to c, ld bytes
// apart, added to what is there in mode addToC. All three are names of registers.
func store(rows int, mode, c, ld string) {
	p("CMP $2, %s", mode)
	p("BNE store")
	p("MOVD %s, R23", c)
	for r := range rows {
		p("VLD1 (R23), [V24.S4, V25.S4]")
		p("ADD %s, R23", ld)
		fadd(2*r, 24, 2*r)
		fadd(2*r+1, 25, 2*r+1)
	}
	label("store")
	for r := range rows {
		p("VST1 [V%d.S4, V%d.S4], (%s)", 2*r, 2*r+1, c)
		p("ADD %s, %s", ld, c)
	}
}

// product emits so many rows by eight columns. Accumulators are v0 to v15,
// four elements of each row of a v16 to v23, a row of b v24 and v25.
func product(rows int) {
	text(fmt.Sprintf("productNEONx%d", rows), "80")
	for i, name := range []string{"blocks", "k", "a", "lda", "b", "ldb", "c", "ldc", "alpha", "mode"} {
		p("MOVD %s+%d(FP), R%d", name, 8*i, i)
	}
	for _, r := range []int{3, 5, 7} {
		p("LSL $2, R%d, R%d", r, r)
	}
	label("block")
	p("MOVD R6, R23")
	p("CMP $1, R9")
	p("BEQ continued")
	for v := range 2 * rows {
		zero(v)
	}
	p("B begin")
	label("continued")
	for r := range rows {
		p("VLD1 (R23), [V%d.S4, V%d.S4]", 2*r, 2*r+1)
		p("ADD R7, R23")
	}
	p("CBZ R8, begin")
	for r := range rows {
		p("FMOVS.P 4(R8), F28")
		dup(28, 28, 0)
		fmul(2*r, 2*r, 28)
		fmul(2*r+1, 2*r+1, 28)
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
	p("SUBS $4, R1, R22")
	p("BLT rest")
	label("four")
	for r := range rows {
		p("VLD1.P 16(%s), [V%d.S4]", pointers[r], 16+r)
	}
	for i := range 4 {
		b := 24 + 2*(i%2)
		p("VLD1 (R21), [V%d.S4, V%d.S4]", b, b+1)
		p("ADD R5, R21")
		for r := range rows {
			fmlaLane(2*r, b, 16+r, i)
			fmlaLane(2*r+1, b+1, 16+r, i)
		}
	}
	p("SUBS $4, R22")
	p("BGE four")
	label("rest")
	p("ADDS $4, R22")
	p("BEQ finish")
	label("one")
	p("VLD1 (R21), [V24.S4, V25.S4]")
	p("ADD R5, R21")
	for r := range rows {
		p("FMOVS.P 4(%s), F%d", pointers[r], 16+r)
		fmlaLane(2*r, 24, 16+r, 0)
		fmlaLane(2*r+1, 25, 16+r, 0)
	}
	p("SUBS $1, R22")
	p("BGT one")
	label("finish")
	store(rows, "R9", "R6", "R7")
	p("SUBS $1, R0")
	p("BGT block")
	p("RET")
}
