package cpu

import (
	"fmt"
	"unsafe"

	"headprof/runner/tensor"
)

// With Options.Fast, Linears whose weights are stored as integer codes multiply
// int8 activations. A row's activations are quantised in blocks of 32: scale
// s = max|x| / 127, code a = x / s rounded half to even. With a weight's own
// codes c, scale d and minimum m (w = d·c + m), a block adds
//
//	Σ x·w ≈ s·d·Σ a·c + m·s·Σ a
//
// to its output: integer sums, which are exact, then per scale one float32
// fused multiply-add, blocks ascending. So results depend on no batch, thread
// or instruction set here either, and only the weight decides whether codes
// are used: its format, and that it makes no logits.

// A block of quantised activations: 32 codes, then scale and s·Σa as float32,
// and −128·Σa of the block, of its first and of its second half as int32.
const (
	codeBlock = 32
	codeBytes = 52
)

// A block of a panel of codes: [8][panelWidth][4] bytes, the codes of 32
// columns k in groups of four, then panelWidth scales, then as many minima or
// scales of the blocks' second halves.
const (
	panelBytes = panelWidth * (codeBlock + 4 + 4)
	scalesAt   = panelWidth * codeBlock
	secondsAt  = scalesAt + 4*panelWidth
)

// depthInt8 bounds the columns of a panel of codes, in blocks: 2048 columns are 80 KiB.
const depthInt8 = 64

// coding is how a format's codes become weights.
type coding int

const (
	notCoded coding = iota
	centred         // d·(c − 128)
	shifted         // d·c + m
	halved          // d·(c − 128), where each half of a block has a d of its own
)

// centres are the codes of symmetric formats that stand for zero.
var centres = [32]byte{tensor.Q4_0: 8, tensor.Q5_0: 16, tensor.Q8_0: 128, tensor.Q6_K: 32}

// productInt8Func is int8Kernels.product of one format.
type productInt8Func = func(m, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int)

// byCoding makes products of all formats from those of all codings.
func byCoding(of [halved + 1]productInt8Func) (all [32]productInt8Func) {
	for f, how := range codings {
		all[f] = of[how]
	}
	return all
}

// inColumns makes a product of a panel from products of so many columns.
func inColumns(columns int, of ...productInt8Func) productInt8Func {
	some := inGroups(of...)
	return func(m, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int) {
		for j := 0; j < panelWidth; j += columns {
			some(m, blocks, a, lda, byteAfter(b, 4*j), after(c, j), ldc, mode)
		}
	}
}

// inGroups makes a product of any number of rows from those of 1, 2, … rows.
func inGroups(of ...productInt8Func) productInt8Func {
	return func(m, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int) {
		largest := len(of)
		if groups := m / largest; groups > 0 {
			of[largest-1](groups, blocks, a, lda, b, c, ldc, mode)
		}
		if rest := m % largest; rest > 0 {
			done := m - rest
			of[rest-1](1, blocks, byteAfter(a, done*lda), lda, b, after(c, done*ldc), ldc, mode)
		}
	}
}

// codings of the formats that lend themselves.
var codings = [32]coding{
	tensor.Q4_0: centred, tensor.Q5_0: centred, tensor.Q8_0: centred,
	tensor.Q4_1: shifted, tensor.Q5_1: shifted, tensor.Q4_K: shifted, tensor.Q5_K: shifted,
	tensor.Q6_K: halved,
}

// codeForm is how a panel holds the codes of symmetric formats.
type codeForm byte

const (
	signed    codeForm = 0 // less the centre
	offset128 codeForm = 128
	stored    codeForm = 1 // as in the file
)

// int8Kernels is one implementation of products with int8 activations. All give the same bytes.
type int8Kernels struct {
	// quantise writes blocks of codes of 32 floats each.
	quantise func(blocks int, dst *byte, src *float32)
	// codes, per format, unpacks count of the format's blocks of lanes weight
	// rows, stride bytes apart, into columns of a panel; dst is the first
	// column's first code. nil: row by row.
	codes [32]func(dst *byte, src *byte, stride, count int)
	lanes int
	form  codeForm
	// product, per format, is c[r][j] = the sum over so many blocks for m rows of
	// codes lda bytes apart and a panel's columns; modes as in kernels.product.
	product [32]productInt8Func
}

// codingOf says whether and how products with w use codes.
func (o *ops) codingOf(w *weight) coding {
	if !o.b.fast || w.exact {
		return notCoded
	}
	return codingOf(w.format)
}

func codingOf(f tensor.Type) coding {
	if int(f) >= len(codings) {
		return notCoded
	}
	return codings[f]
}

// makesLogits says whether a weight of this name gives logits, which --int8
// leaves exact: they are computed for few rows, and they decide answers.
func makesLogits(name string) bool { return name == "output.weight" || name == "token_embd.weight" }

// linearInt8 is linear with int8 activations.
func (o *ops) linearInt8(l linear) {
	rows, blocks := l.x.rows, l.w.cols/codeBlock
	ld := blocks * codeBytes
	buf := o.arena.take(rows * ld / 4)
	a := unsafe.Slice((*byte)(unsafe.Pointer(&buf[0])), rows*ld)
	k := o.k.int8
	o.perRow(rows, l.w.cols, func(_ *scratch, lo, hi int) {
		for r := lo; r < hi; r++ {
			k.quantise(blocks, &a[r*ld], l.x.at(r, 0))
		}
	})
	o.panels(&l, func(s *scratch, column, r0, r1 int) { o.panelInt8(s, &l, a, ld, column, r0, r1) })
	o.arena.free = append(o.arena.free, buf)
}

// panelInt8 computes one panel's columns of the rows [r0, r1) of codes.
func (o *ops) panelInt8(s *scratch, l *linear, a []byte, ld, column, r0, r1 int) {
	blocks := l.w.cols / codeBlock
	width := min(panelWidth, l.out-column)
	direct := width == panelWidth && l.bias == nil && l.scale == 1
	if direct && blocks <= depthInt8 {
		b := o.unpackCodes(s, l.w, l.from+column, width, 0, blocks)
		o.prefetch(l, column+panelWidth*o.pool.threads, 0, l.w.cols)
		mode := fromZero
		if l.add {
			mode = addToC
		}
		o.k.int8.product[l.w.format](r1-r0, blocks, &a[r0*ld], ld, &b[0], l.dst.at(r0, column), l.dst.stride, mode)
		return
	}
	for ; r0 < r1; r0 += waiting {
		rows := min(waiting, r1-r0)
		c := grown(&s.product, rows*panelWidth)
		mode := fromZero
		for b0 := 0; b0 < blocks; b0 += depthInt8 {
			n := min(depthInt8, blocks-b0)
			b := o.unpackCodes(s, l.w, l.from+column, width, b0, n)
			o.k.int8.product[l.w.format](rows, n, &a[r0*ld+b0*codeBytes], ld, &b[0], &c[0], panelWidth, mode)
			mode = fromC
		}
		for i := range rows {
			l.epilogue(l.dst.row(r0 + i)[column:column+width], c[i*panelWidth:][:width], column)
		}
	}
}

// unpackCodes makes a panel of blocks [b0, b0+n) of width rows of w from row on; missing rows are zero.
func (o *ops) unpackCodes(s *scratch, w *weight, row, width, b0, n int) []byte {
	buf := grown(&s.panel, n*panelBytes/4)
	panel := unsafe.Slice((*byte)(unsafe.Pointer(&buf[0])), n*panelBytes)
	elements, bytes := w.format.Block()
	at, count := b0*codeBlock/elements*bytes, n*codeBlock/elements
	if width < panelWidth {
		clear(buf)
	}
	i, k := 0, o.k.int8
	if f := k.codes[w.format]; f != nil {
		for ; i+k.lanes <= width; i += k.lanes {
			f(&panel[4*i], &w.data[(row+i)*w.rowBytes+at], w.rowBytes, count)
		}
	}
	for ; i < width; i++ {
		codesGo(panel[4*i:], w.row(row + i)[at:][:count*bytes], w.format, k.form)
	}
	return panel
}

// fastKernels says why a set cannot run with Options.Fast.
func fastKernels(k *kernels) error {
	if k.int8 != nil {
		return nil
	}
	return fmt.Errorf("cpu: int8 activations (--int8) need AVX-512 VNNI, AVX2 or NEON's dot products, and the %s kernels have no products for them; leave out --int8, or see its results at a slow pace with --kernels portable", k.name)
}
