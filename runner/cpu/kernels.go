package cpu

import (
	"unsafe"

	"headprof/runner/tensor"
)

//go:generate go -C internal/generate run ./asm ../..
//go:generate go -C internal/generate run ./neon ../../kernels_arm64.s

// panelWidth is the number of output columns (weight rows) per panel, the same
// for every kernel set. A panel is [k][panelWidth].
const panelWidth = 32

// What a product does with its destination c.
const (
	fromZero = 0 // c = chain of fused multiply-adds from 0
	fromC    = 1 // the chain begins at c, or at c·alpha[row] when alpha is given
	addToC   = 2 // c = c + chain from 0
)

// kernels is one implementation of all inner loops. Every set computes the
// same float32 operations in the same order, so their results are equal to
// the bit; the portable set is the twin that the others are tested against.
type kernels struct {
	name string

	// product computes c[r][j] = Σ_k a[r][k]·b[k][j] for m rows and panelWidth
	// columns, k ascending. lda, ldb and ldc are row strides in floats.
	product func(m, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, alpha *float32, mode int)

	// unpack, per format, dequantises count blocks of lanes weight rows that lie
	// stride bytes apart and writes them transposed: element k of row i goes to
	// dst[k·panelWidth + i]. nil: dequantise row by row and transpose.
	unpack [32]func(dst *float32, src *byte, stride, count int)
	lanes  int // weight rows that unpack takes

	// dot, per format, is y[i] = Σ_k x[k]·w[i][k] for the weight rows of a panel
	// in the registers alone, count blocks deep (of 32 elements an even number,
	// of one a multiple of 8); it prefetches as much from next on. frame is dotFrame floats to work in. nil: by unpack and product.
	dot [32]dotFunc

	// int8 is what --int8 needs; nil: the set cannot.
	int8 *int8Kernels

	// softmax takes one tile of scores s [rows][64] in units of log 2, replaces
	// them by 2^(s−m) for the new running maximum m, and updates the running sum
	// l = l·alpha + Σ, where alpha = 2^(m_old − m).
	softmax func(rows int, s, m, l, alpha *float32)
	// exp2Row is x[i] = 2^(x[i] − m) for x[i] ≤ m, n a multiple of 16.
	exp2Row func(n int, x *float32, m float32)
	// gate is dst = sigmoidGate(g, c1, c3)·up (up nil: not multiplied), n a multiple of 16.
	gate func(n int, dst, g, up *float32, c1, c3 float32)
	// squares is Σ x² in 16 interleaved chains, n a multiple of 16.
	squares func(n int, x *float32) float32
	// scaled is dst = (x·s)·w, n a multiple of 16.
	scaled func(n int, dst, x, w *float32, s float32)
	// toHalf and fromHalf convert n elements, a multiple of 16.
	toHalf   func(n int, dst *uint16, src *float32)
	fromHalf func(n int, dst *float32, src *uint16)
	// storeKeys transposes up to 16 rows of keys into a tile of that width: dst[d·width + i] = half(src[i·ld + d]).
	storeKeys func(rows, dim int, dst *uint16, width int, src *float32, ld int)
	// prefetch asks for so many cache lines from p on; nil: nothing does.
	prefetch func(p *byte, lines int)
	// peak runs n rounds of independent fused multiply-adds and says how many operations they were.
	peak func(n int) (flops int)
}

// unpackOf gives the set's fast unpacking of a format, or nil.
func (k *kernels) unpackOf(t tensor.Type) func(dst *float32, src *byte, stride, count int) {
	if int(t) < len(k.unpack) {
		return k.unpack[t]
	}
	return nil
}

// dotFrame is 64 vectors of 16.
const dotFrame = 64 * 16

type dotFunc = func(y *float32, src *byte, stride, count int, x *float32, next uintptr, frame *float32)

// dotOf gives the set's product of one row with rows of so many columns of a format, or nil.
func (k *kernels) dotOf(t tensor.Type, columns int) dotFunc {
	if int(t) >= len(k.dot) || columns%8 != 0 {
		return nil
	}
	if elements, _ := t.Block(); elements == 32 && columns%64 != 0 {
		return nil
	}
	return k.dot[t]
}

// after is the element n floats on. p must stay within its array.
func after(p *float32, n int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*n))
}

func byteAfter(p *byte, n int) *byte { return (*byte)(unsafe.Add(unsafe.Pointer(p), n)) }

func afterIf(p *float32, n int) *float32 {
	if p == nil {
		return nil
	}
	return after(p, n)
}
