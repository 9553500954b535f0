package cpu

import (
	"math"
	"unsafe"

	"headprof/runner/kvcache"
	"headprof/runner/tensor"
)

// portable computes what the assembly computes, operation by operation.
var portable = kernels{
	name:      "portable",
	product:   productGo,
	softmax:   softmaxGo,
	exp2Row:   exp2RowGo,
	gate:      gateGo,
	squares:   squaresGo,
	scaled:    scaledGo,
	toHalf:    toHalfGo,
	fromHalf:  fromHalfGo,
	storeKeys: storeKeysGo,
	int8:      &portableInt8,
}

func floats(p *float32, n int) []float32 { return unsafe.Slice(p, n) }

func productGo(m, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, alpha *float32, mode int) {
	if m == 0 {
		return
	}
	cs := floats(c, (m-1)*ldc+panelWidth)
	var as, bs []float32
	if k > 0 {
		as, bs = floats(a, (m-1)*lda+k), floats(b, (k-1)*ldb+panelWidth)
	}
	var alphas []float32
	if alpha != nil {
		alphas = floats(alpha, m)
	}
	var acc [panelWidth]float32
	for r := range m {
		row := cs[r*ldc:][:panelWidth]
		switch {
		case mode != fromC:
			clear(acc[:])
		case alphas == nil:
			copy(acc[:], row)
		default:
			for j := range acc {
				acc[j] = row[j] * alphas[r]
			}
		}
		for i := range k {
			x := as[r*lda+i]
			w := (*[panelWidth]float32)(bs[i*ldb:])
			for j := range acc {
				acc[j] = fma32(x, w[j], acc[j])
			}
		}
		if mode == addToC {
			for j := range acc {
				row[j] += acc[j]
			}
		} else {
			copy(row, acc[:])
		}
	}
}

// sum16 adds 16 lanes by halves.
func sum16(v *[16]float32) float32 {
	for n := 8; n > 0; n /= 2 {
		for i := range n {
			v[i] += v[i+n]
		}
	}
	return v[0]
}

func softmaxGo(rows int, s, m, l, alpha *float32) {
	ss := floats(s, rows*kvcache.Tile)
	ms, ls, alphas := floats(m, rows), floats(l, rows), floats(alpha, rows)
	for r := range rows {
		x := (*[kvcache.Tile]float32)(ss[r*kvcache.Tile:])
		top := ms[r]
		for _, v := range x {
			if v > top {
				top = v
			}
		}
		a := exp2(ms[r] - top)
		var lanes [16]float32
		for i := range x {
			x[i] = exp2(x[i] - top)
		}
		for i := range lanes {
			lanes[i] = (x[i] + x[i+16]) + (x[i+32] + x[i+48])
		}
		ms[r], alphas[r] = top, a
		ls[r] = fma32(ls[r], a, sum16(&lanes))
	}
}

func exp2RowGo(n int, x *float32, m float32) {
	for i, v := range floats(x, n) {
		floats(x, n)[i] = exp2(v - m)
	}
}

func gateGo(n int, dst, g, up *float32, c1, c3 float32) {
	d, gs := floats(dst, n), floats(g, n)
	for i, x := range gs {
		d[i] = sigmoidGate(x, c1, c3)
	}
	if up != nil {
		for i, u := range floats(up, n) {
			d[i] *= u
		}
	}
}

func squaresGo(n int, x *float32) float32 {
	var lanes [16]float32
	for i, v := range floats(x, n) {
		lanes[i%16] = fma32(v, v, lanes[i%16])
	}
	return sum16(&lanes)
}

func scaledGo(n int, dst, x, w *float32, s float32) {
	d, xs, ws := floats(dst, n), floats(x, n), floats(w, n)
	for i, v := range xs {
		d[i] = float32(v*s) * ws[i]
	}
}

// halfSaturating rounds to binary16, the largest finite one for what is larger.
func halfSaturating(f float32) uint16 {
	if f > 65504 {
		f = 65504
	}
	if f < -65504 {
		f = -65504
	}
	return tensor.F32ToF16(f)
}

func toHalfGo(n int, dst *uint16, src *float32) {
	d := unsafe.Slice(dst, n)
	for i, v := range floats(src, n) {
		d[i] = halfSaturating(v)
	}
}

func fromHalfGo(n int, dst *float32, src *uint16) {
	d := floats(dst, n)
	for i, h := range unsafe.Slice(src, n) {
		d[i] = tensor.F16ToF32(h)
	}
}

func storeKeysGo(rows, dim int, dst *uint16, width int, src *float32, ld int) {
	d := unsafe.Slice(dst, (dim-1)*width+rows)
	s := floats(src, (rows-1)*ld+dim)
	for i := range rows {
		for j := range dim {
			d[j*width+i] = halfSaturating(s[i*ld+j])
		}
	}
}

// sqrt32 is the correctly rounded square root: float64's, rounded once more,
// is exact for float32 arguments.
func sqrt32(x float32) float32 { return float32(math.Sqrt(float64(x))) }
