package cpu

import (
	"golang.org/x/sys/cpu"

	"headprof/runner/tensor"
)

// native gives the vector kernels this machine can run, best first.
func native() []*kernels {
	var k []*kernels
	x := &cpu.X86
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL {
		k = append(k, &setAVX512)
	}
	if x.HasAVX2 && x.HasFMA && x.HasAVX { // F16C came with all processors that have AVX2
		k = append(k, &setAVX2)
	}
	return k
}

type unpackFunc = func(dst *float32, src *byte, stride, count int)

var setAVX512 = kernels{
	name:      "avx512",
	product:   productAVX512,
	softmax:   softmaxAVX512,
	exp2Row:   exp2RowAVX512,
	gate:      gateAVX512,
	squares:   squaresAVX512,
	scaled:    scaledAVX512,
	toHalf:    toHalfAVX512,
	fromHalf:  fromHalfAVX512,
	storeKeys: storeKeysBy(storeKeysAVX512),
	lanes:     16,
	unpack: [32]unpackFunc{
		tensor.F32: unpackF32AVX512, tensor.F16: unpackF16AVX512, tensor.BF16: unpackBF16AVX512,
		tensor.Q4_0: unpackQ4_0AVX512, tensor.Q4_1: unpackQ4_1AVX512, tensor.Q5_0: unpackQ5_0AVX512, tensor.Q5_1: unpackQ5_1AVX512, tensor.Q8_0: unpackQ8_0AVX512,
		tensor.IQ4_NL: unpackIQ4_NLAVX512, tensor.IQ4_XS: unpackIQ4_XSAVX512, tensor.Q2_K: unpackQ2_KAVX512, tensor.Q3_K: unpackQ3_KAVX512,
		tensor.Q4_K: unpackQ4_KAVX512, tensor.Q5_K: unpackQ5_KAVX512, tensor.Q6_K: unpackQ6_KAVX512,
	},
	dot: [32]dotFunc{
		tensor.F32: dotF32AVX512, tensor.F16: dotF16AVX512, tensor.BF16: dotBF16AVX512, tensor.Q4_0: dotQ4_0AVX512, tensor.Q4_1: dotQ4_1AVX512, tensor.Q5_0: dotQ5_0AVX512, tensor.Q5_1: dotQ5_1AVX512, tensor.Q8_0: dotQ8_0AVX512, tensor.IQ4_NL: dotIQ4_NLAVX512, tensor.Q4_K: dotQ4_KAVX512, tensor.Q5_K: dotQ5_KAVX512, tensor.Q6_K: dotQ6_KAVX512,
	},
	int8:     vnniIfHere(),
	prefetch: prefetchLines,
	peak:     func(n int) (flops int) { peakAVX512(n); return n * 24 * 16 * 2 },
}

var setAVX2 = kernels{
	name:      "avx2",
	product:   productAVX2,
	softmax:   softmaxAVX2,
	exp2Row:   exp2RowAVX2,
	gate:      gateAVX2,
	squares:   squaresAVX2,
	scaled:    scaledAVX2,
	toHalf:    toHalfAVX2,
	fromHalf:  fromHalfAVX2,
	storeKeys: storeKeysBy(storeKeysAVX2),
	lanes:     8,
	unpack: [32]unpackFunc{
		tensor.F32: unpackF32AVX2, tensor.F16: unpackF16AVX2, tensor.BF16: unpackBF16AVX2,
		tensor.Q4_0: unpackQ4_0AVX2, tensor.Q4_1: unpackQ4_1AVX2, tensor.Q5_0: unpackQ5_0AVX2, tensor.Q5_1: unpackQ5_1AVX2, tensor.Q8_0: unpackQ8_0AVX2,
		tensor.IQ4_NL: unpackIQ4_NLAVX2, tensor.IQ4_XS: unpackIQ4_XSAVX2, tensor.Q2_K: unpackQ2_KAVX2, tensor.Q3_K: unpackQ3_KAVX2,
		tensor.Q4_K: unpackQ4_KAVX2, tensor.Q5_K: unpackQ5_KAVX2, tensor.Q6_K: unpackQ6_KAVX2,
	},
	int8:     &pairs,
	prefetch: prefetchLines,
	peak:     func(n int) (flops int) { peakAVX2(n); return n * 12 * 8 * 2 },
}

// storeKeysBy uses a transposition of 16 rows where there are as many in a
// full tile, and dimensions a multiple of 4: it writes 16 entries.
func storeKeysBy(sixteen func(dim int, dst *uint16, src *float32, ld int)) func(rows, dim int, dst *uint16, width int, src *float32, ld int) {
	return func(rows, dim int, dst *uint16, width int, src *float32, ld int) {
		if rows == 16 && dim%4 == 0 && width == tile {
			sixteen(dim, dst, src, ld)
			return
		}
		storeKeysGo(rows, dim, dst, width, src, ld)
	}
}

type productFunc = func(blocks, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, alpha *float32, mode int)

var productsAVX512 = [...]productFunc{
	1: productAVX512x1, 2: productAVX512x2, 3: productAVX512x3, 4: productAVX512x4, 5: productAVX512x5, 6: productAVX512x6,
	7: productAVX512x7, 8: productAVX512x8, 9: productAVX512x9, 10: productAVX512x10, 11: productAVX512x11, 12: productAVX512x12,
}

func productAVX512(m, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, alpha *float32, mode int) {
	const rows = 12
	if blocks := m / rows; blocks > 0 {
		productAVX512x12(blocks, k, a, lda, b, ldb, c, ldc, alpha, mode)
	}
	if rest := m % rows; rest > 0 {
		done := m - rest
		productsAVX512[rest](1, k, after(a, done*lda), lda, b, ldb, after(c, done*ldc), ldc, afterIf(alpha, done), mode)
	}
}

var productsAVX2 = [...]productFunc{
	1: productAVX2x1, 2: productAVX2x2, 3: productAVX2x3, 4: productAVX2x4, 5: productAVX2x5, 6: productAVX2x6,
}

func productAVX2(m, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, alpha *float32, mode int) {
	const rows = 6
	for column := 0; column < panelWidth; column += 16 {
		if blocks := m / rows; blocks > 0 {
			productAVX2x6(blocks, k, a, lda, after(b, column), ldb, after(c, column), ldc, alpha, mode)
		}
		if rest := m % rows; rest > 0 {
			done := m - rest
			productsAVX2[rest](1, k, after(a, done*lda), lda, after(b, column), ldb, after(c, done*ldc+column), ldc, afterIf(alpha, done), mode)
		}
	}
}
