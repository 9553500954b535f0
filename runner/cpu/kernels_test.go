package cpu

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"headprof/runner/backend/backendtest"
	"headprof/runner/tensor"
)

// fma32 is the exact sum rounded once, here by math/big with 24 bits.
func TestFMARoundsOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	check := func(a, b, c float32) {
		t.Helper()
		exact := new(big.Float).SetPrec(2000).SetFloat64(float64(a))
		exact.Mul(exact, big.NewFloat(float64(b)))
		exact.Add(exact, big.NewFloat(float64(c)))
		want, _ := exact.Float32()
		if got := fma32(a, b, c); got != want {
			t.Fatalf("fma(%v, %v, %v) = %v (%08x), want %v (%08x)", a, b, c, got, math.Float32bits(got), want, math.Float32bits(want))
		}
	}
	// A tie in float32 that the last bit of the product decides: float64 alone rounds it the wrong way.
	check(1+0x1p-23, 1+0x1p-23, 0x1p24)
	check(0x1p-12+0x1p-35, 0x1p-12, 1)
	check(0x1p-30+0x1p-53, 0x1p-30, 1+0x1p-23)
	check(-(0x1p-12 + 0x1p-35), 0x1p-12, 1)
	check(0x1p-75, 0x1p-75, 0x1p-126)
	for range 300000 {
		a := float32(rng.NormFloat64())
		b := float32(rng.NormFloat64())
		c := float32(rng.NormFloat64() * math.Pow(2, float64(rng.IntN(60)-30)))
		check(a, b, c)
		// Short mantissas make ties common.
		a = math.Float32frombits(math.Float32bits(a) &^ 0xfff)
		b = math.Float32frombits(math.Float32bits(b) &^ 0x7ff)
		check(a, b, c)
		check(a*0x1p-70, b*0x1p-60, c*0x1p-120)
	}
}

// exp2 and the gates against float64.
func TestExponentials(t *testing.T) {
	for x := -126.0; x <= 127; x += 0.01037 {
		x := float32(x)
		if got, want := float64(exp2(x)), math.Exp2(float64(x)); math.Abs(got/want-1) > 2e-7 {
			t.Fatalf("2^%v = %v, want %v", x, got, want)
		}
	}
	if exp2(minusInf) != 0 || exp2(-127) != 0 || exp2(0) != 1 {
		t.Error("2^-∞, 2^-127 and 2^0 should be 0, 0 and 1")
	}
	if x := exp2(float32(math.NaN())); x == x {
		t.Errorf("2^NaN = %v", x)
	}
	for x := -20.0; x < 20; x += 0.0037 {
		silu := x / (1 + math.Exp(-x))
		gelu := 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
		c := float32(2 * math.Sqrt(2/math.Pi))
		if got := float64(sigmoidGate(float32(x), 1, 0)); math.Abs(got-silu) > 1e-6*(math.Abs(silu)+0.01) {
			t.Fatalf("silu(%v) = %v, want %v", x, got, silu)
		}
		if got := float64(sigmoidGate(float32(x), c, c*0.044715)); math.Abs(got-gelu) > 1e-6*(math.Abs(gelu)+1) {
			t.Fatalf("gelu(%v) = %v, want %v", x, got, gelu)
		}
		if got := float64(tanh32(float32(x))); math.Abs(got-math.Tanh(x)) > 3e-7 {
			t.Fatalf("tanh(%v) = %v, want %v", x, got, math.Tanh(x))
		}
	}
}

// wild gives numbers of all magnitudes, zeros and infinities of the kinds named included.
func wild(rng *rand.Rand, n int) []float32 {
	x := aligned(n)
	for i := range x {
		switch rng.IntN(24) {
		case 0:
			x[i] = 0
		case 1:
			x[i] = float32(math.Copysign(0, -1))
		case 2:
			x[i] = float32(rng.NormFloat64()) * float32(math.Pow(2, float64(rng.IntN(200)-100)))
		default:
			x[i] = float32(rng.NormFloat64())
		}
	}
	return x
}

func clone(x []float32) []float32 {
	y := aligned(len(x))
	copy(y, x)
	return y
}

func FuzzKernelsEqualTheirTwins(f *testing.F) {
	for i := range uint64(60) {
		f.Add(i)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 1))
		for _, k := range native() {
			compareProduct(t, k, rng)
			compareVectors(t, k, rng)
		}
	})
}

func compareProduct(t *testing.T, k *kernels, rng *rand.Rand) {
	m, n := 1+rng.IntN(40), rng.IntN(70)
	lda, ldb, ldc := n+rng.IntN(9), panelWidth*(1+rng.IntN(2)), panelWidth+rng.IntN(9)
	a, b := wild(rng, m*lda+1), wild(rng, n*ldb+panelWidth)
	c, alpha := wild(rng, m*ldc+panelWidth), wild(rng, m)
	for mode := fromZero; mode <= addToC; mode++ {
		got, want := clone(c), clone(c)
		by := &alpha[0]
		if rng.IntN(2) == 0 || mode != fromC {
			by = nil
		}
		k.product(m, n, &a[0], lda, &b[0], ldb, &got[0], ldc, by, mode)
		productGo(m, n, &a[0], lda, &b[0], ldb, &want[0], ldc, by, mode)
		backendtest.SameBits(t, fmt.Sprintf("%s: product of %d rows, %d deep, mode %d", k.name, m, n, mode), got, want)
	}
}

func compareVectors(t *testing.T, k *kernels, rng *rand.Rand) {
	rows := 1 + rng.IntN(9)
	s, m, l, al := wild(rng, rows*tile), wild(rng, rows), wild(rng, rows), wild(rng, rows)
	for i := range s {
		s[i] *= 30
		if rng.IntN(9) == 0 && i%tile > 0 {
			s[i] = minusInf
		}
	}
	for i := range m {
		if rng.IntN(3) == 0 {
			m[i], l[i] = minusInf, 0
		}
	}
	s2, m2, l2, al2 := clone(s), clone(m), clone(l), clone(al)
	k.softmax(rows, &s[0], &m[0], &l[0], &al[0])
	softmaxGo(rows, &s2[0], &m2[0], &l2[0], &al2[0])
	backendtest.SameBits(t, k.name+": softmax's weights", s, s2)
	backendtest.SameBits(t, k.name+": softmax's sums", l, l2)
	backendtest.SameBits(t, k.name+": softmax's rescalings", al, al2)

	n := 16 * (1 + rng.IntN(9))
	x, w, got, want := wild(rng, n), wild(rng, n), aligned(n), aligned(n)
	g1, g2 := clone(x), clone(x)
	top := minusInf
	for _, v := range x {
		top = max(top, v)
	}
	k.exp2Row(n, &g1[0], top)
	exp2RowGo(n, &g2[0], top)
	backendtest.SameBits(t, k.name+": exp2Row", g1, g2)
	for _, up := range []*float32{nil, &w[0]} {
		k.gate(n, &got[0], &x[0], up, 1.5, 0.07)
		gateGo(n, &want[0], &x[0], up, 1.5, 0.07)
		backendtest.SameBits(t, k.name+": gate", got, want)
	}
	backendtest.SameBits(t, k.name+": squares", []float32{k.squares(n, &x[0])}, []float32{squaresGo(n, &x[0])})
	k.scaled(n, &got[0], &x[0], &w[0], 1.7)
	scaledGo(n, &want[0], &x[0], &w[0], 1.7)
	backendtest.SameBits(t, k.name+": scaled", got, want)

	h1, h2 := make([]uint16, n), make([]uint16, n)
	k.toHalf(n, &h1[0], &x[0])
	toHalfGo(n, &h2[0], &x[0])
	if fmt.Sprint(h1) != fmt.Sprint(h2) {
		t.Fatalf("%s: toHalf %x, want %x", k.name, h1, h2)
	}
	for i := range h1 {
		if h1[i] = uint16(rng.Uint32()); h1[i]&0x7c00 == 0x7c00 {
			h1[i] &^= 0x3ff // infinity instead of NaN
		}
	}
	k.fromHalf(n, &got[0], &h1[0])
	fromHalfGo(n, &want[0], &h1[0])
	backendtest.SameBits(t, k.name+": fromHalf", got, want)

	dim := 4 * (1 + rng.IntN(20))
	src := wild(rng, 16*(dim+3))
	for _, rows := range []int{16, 1 + rng.IntN(16)} {
		width := []int{32, 48, tile}[rng.IntN(3)]
		k1, k2 := make([]uint16, dim*tile), make([]uint16, dim*tile)
		k.storeKeys(rows, dim, &k1[16], width, &src[0], dim+3)
		storeKeysGo(rows, dim, &k2[16], width, &src[0], dim+3)
		if fmt.Sprint(k1) != fmt.Sprint(k2) {
			t.Fatalf("%s: storeKeys of %d rows of %d", k.name, rows, dim)
		}
	}
}

var formats = tensor.Formats()

// quantised makes a tensor of random bytes, with halves that are finite.
func quantised(rng *rand.Rand, f tensor.Type, rows, cols int) tensor.Tensor {
	t := tensor.Tensor{Name: f.String(), Type: f, Shape: []int{rows, cols}}
	t.Data = make([]byte, rows*t.RowBytes())
	elements, bytes := f.Block()
	for i := range t.Data {
		t.Data[i] = byte(rng.Uint32())
	}
	half := func(at int) {
		t.Data[at], t.Data[at+1] = byte(rng.Uint32()), byte(0x18+rng.IntN(16))|byte(rng.IntN(2))<<7
	}
	for b := range len(t.Data) / bytes {
		at := b * bytes
		switch f {
		case tensor.F32:
			t.Data[at+3] = 0x3f
		case tensor.F16:
			half(at)
		case tensor.BF16:
			t.Data[at+1] = 0x3f
		case tensor.F8E4M3x128:
			t.Data[at+3] = 0x3c
			for i := range 128 {
				t.Data[at+4+i] &= 0xf7
			}
		case tensor.F8E4M3:
			t.Data[at] &= 0xf7
		case tensor.Q6_K:
			half(at + 208)
		case tensor.IQ1_M: // its half lies in the high nibbles of four numbers
			t.Data[at+55] = t.Data[at+55]&0x0f | 0x20
		case tensor.TQ1_0:
			half(at + 52)
		case tensor.TQ2_0:
			half(at + 64)
		case tensor.MXFP4:
			t.Data[at] = 118 + t.Data[at]&3
		case tensor.Q3_K:
			half(at + 108)
		case tensor.Q2_K:
			half(at + 80)
			half(at + 82)
		case tensor.Q4_0, tensor.Q5_0, tensor.Q8_0, tensor.IQ4_NL, tensor.IQ4_XS, tensor.IQ2_XXS, tensor.IQ2_XS, tensor.IQ2_S, tensor.IQ3_XXS, tensor.IQ3_S, tensor.IQ1_S:
			half(at)
		default:
			half(at)
			half(at + 2)
		}
	}
	_ = elements
	return t
}

// Every format's panels hold what tensor.Dequantize gives, which is tested
// against the gguf package.
func TestPanelsEqualDequantize(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, f := range formats {
		for name, b := range backends(t, 1) {
			const rows, cols = 83, 768
			q := quantised(rng, f, rows, cols)
			w := backendtest.Must(b.Weight(q)).(*weight)
			o := &ops{b: b, k: b.k, pool: b.pool}
			for _, c := range []struct{ row, width, k0, n int }{{0, 32, 0, 768}, {3, 32, 256, 512}, {64, 19, 0, 256}, {82, 1, 512, 256}} {
				panel := o.unpack(&b.scratch[0], w, c.row, c.width, c.k0, c.n)
				want, got := make([]float32, cols), make([]float32, c.n)
				for i := range panelWidth {
					clear(want)
					if i < c.width {
						tensor.Dequantize(want, q.Row(c.row+i), f)
					}
					for k := range got {
						got[k] = panel[k*panelWidth+i]
					}
					backendtest.SameBits(t, fmt.Sprintf("%v, %s, %v, row %d", f, name, c, i), got, want[c.k0:c.k0+c.n])
				}
			}
		}
	}
}
