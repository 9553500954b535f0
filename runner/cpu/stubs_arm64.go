package cpu

//go:noescape
func productNEONx1(blocks, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, alpha *float32, mode int)

//go:noescape
func productNEONx2(blocks, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, alpha *float32, mode int)

//go:noescape
func productNEONx3(blocks, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, alpha *float32, mode int)

//go:noescape
func productNEONx4(blocks, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, alpha *float32, mode int)

//go:noescape
func productNEONx5(blocks, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, alpha *float32, mode int)

//go:noescape
func productNEONx6(blocks, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, alpha *float32, mode int)

//go:noescape
func productNEONx7(blocks, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, alpha *float32, mode int)

//go:noescape
func productNEONx8(blocks, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, alpha *float32, mode int)

//go:noescape
func softmaxNEON(rows int, s, m, l, alpha *float32)

//go:noescape
func exp2RowNEON(n int, x *float32, m float32)

//go:noescape
func gateNEON(n int, dst, x, up *float32, c1, c3 float32)

//go:noescape
func squaresNEON(n int, x *float32) float32

//go:noescape
func scaledNEON(n int, dst, x, w *float32, s float32)

//go:noescape
func toHalfNEON(n int, dst *uint16, src *float32)

//go:noescape
func fromHalfNEON(n int, dst *float32, src *uint16)

func peakNEON(n int)

//go:noescape
func unpackF32NEON(dst *float32, src *byte, stride, count int)

//go:noescape
func unpackF16NEON(dst *float32, src *byte, stride, count int)

//go:noescape
func unpackBF16NEON(dst *float32, src *byte, stride, count int)

//go:noescape
func unpackQ4_0NEON(dst *float32, src *byte, stride, count int)

//go:noescape
func unpackQ4_1NEON(dst *float32, src *byte, stride, count int)

//go:noescape
func unpackQ5_0NEON(dst *float32, src *byte, stride, count int)

//go:noescape
func unpackQ5_1NEON(dst *float32, src *byte, stride, count int)

//go:noescape
func unpackQ8_0NEON(dst *float32, src *byte, stride, count int)

//go:noescape
func unpackQ4_KNEON(dst *float32, src *byte, stride, count int)

//go:noescape
func unpackQ5_KNEON(dst *float32, src *byte, stride, count int)

//go:noescape
func unpackQ6_KNEON(dst *float32, src *byte, stride, count int)

//go:noescape
func quantiseNEON(blocks int, dst *byte, src *float32)

//go:noescape
func productCentredNEONx1(groups, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int)

//go:noescape
func productCentredNEONx2(groups, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int)

//go:noescape
func productCentredNEONx3(groups, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int)

//go:noescape
func productCentredNEONx4(groups, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int)

//go:noescape
func productShiftedNEONx1(groups, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int)

//go:noescape
func productShiftedNEONx2(groups, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int)

//go:noescape
func productShiftedNEONx3(groups, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int)

//go:noescape
func productShiftedNEONx4(groups, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int)

//go:noescape
func productHalvedNEONx1(groups, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int)

//go:noescape
func productHalvedNEONx2(groups, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int)

//go:noescape
func productHalvedNEONx3(groups, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int)

//go:noescape
func productHalvedNEONx4(groups, blocks int, a *byte, lda int, b *byte, c *float32, ldc int, mode int)

//go:noescape
func codesQ4_0NEON(dst *byte, src *byte, stride, count int)

//go:noescape
func codesQ4_1NEON(dst *byte, src *byte, stride, count int)

//go:noescape
func codesQ5_0NEON(dst *byte, src *byte, stride, count int)

//go:noescape
func codesQ5_1NEON(dst *byte, src *byte, stride, count int)

//go:noescape
func codesQ8_0NEON(dst *byte, src *byte, stride, count int)

//go:noescape
func codesQ4_KNEON(dst *byte, src *byte, stride, count int)

//go:noescape
func codesQ5_KNEON(dst *byte, src *byte, stride, count int)

//go:noescape
func codesQ6_KNEON(dst *byte, src *byte, stride, count int)
