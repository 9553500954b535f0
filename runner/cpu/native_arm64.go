package cpu

//go:generate go run ./internal/neon kernels_arm64.s

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
	peak:      func(n int) (flops int) { peakNEON(n); return n * 24 * 4 * 2 },
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
