package cpu

import "headprof/runner/tensor"

// native gives the vector kernels this machine can run: all arm64 have NEON.
func native() []*kernels { return []*kernels{&setNEON} }

var setNEON = kernels{
	name:      "neon",
	product:   productNEON,
	softmax:   softmaxNEON,
	exp2Row:   exp2RowNEON,
	gate:      gateNEON,
	squares:   squaresNEON,
	scaled:    scaledNEON,
	toHalf:    toHalfNEON,
	fromHalf:  fromHalfNEON,
	storeKeys: storeKeysGo,
	lanes:     4,
	unpack: [32]func(dst *float32, src *byte, stride, count int){
		tensor.F32: unpackF32NEON, tensor.F16: unpackF16NEON, tensor.BF16: unpackBF16NEON, tensor.Q4_0: unpackQ4_0NEON, tensor.Q4_1: unpackQ4_1NEON, tensor.Q5_0: unpackQ5_0NEON, tensor.Q5_1: unpackQ5_1NEON, tensor.Q8_0: unpackQ8_0NEON, tensor.Q4_K: unpackQ4_KNEON, tensor.Q5_K: unpackQ5_KNEON, tensor.Q6_K: unpackQ6_KNEON,
	},
	int8: dotProdIfHere(),
	peak: func(n int) (flops int) { peakNEON(n); return n * 24 * 4 * 2 },
}

var productsNEON = [...]func(blocks, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, alpha *float32, mode int){
	1: productNEONx1, 2: productNEONx2, 3: productNEONx3, 4: productNEONx4, 5: productNEONx5, 6: productNEONx6, 7: productNEONx7, 8: productNEONx8,
}

func productNEON(m, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, alpha *float32, mode int) {
	const rows = 8
	for column := 0; column < panelWidth; column += 8 {
		if blocks := m / rows; blocks > 0 {
			productNEONx8(blocks, k, a, lda, after(b, column), ldb, after(c, column), ldc, alpha, mode)
		}
		if rest := m % rows; rest > 0 {
			done := m - rest
			productsNEON[rest](1, k, after(a, done*lda), lda, after(b, column), ldb, after(c, done*ldc+column), ldc, afterIf(alpha, done), mode)
		}
	}
}
