package cpu

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"headprof/runner/backend"
	"headprof/runner/backend/backendtest"
	"headprof/runner/tensor"
)

// coded are the formats that --int8 multiplies as codes.
var coded = []tensor.Type{tensor.Q4_0, tensor.Q4_1, tensor.Q5_0, tensor.Q5_1, tensor.Q8_0, tensor.Q4_K, tensor.Q5_K, tensor.Q6_K}

func alignedBytes(n int) []byte {
	f := aligned(n/4 + 1)
	return unsafe.Slice((*byte)(unsafe.Pointer(&f[0])), n)
}

func FuzzInt8KernelsEqualTheirTwins(f *testing.F) {
	for i := range uint64(60) {
		f.Add(i)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 2))
		for _, k := range native() {
			if k.int8 != nil {
				compareInt8(t, k, rng)
			}
		}
	})
}

func compareInt8(t *testing.T, k *kernels, rng *rand.Rand) {
	m, blocks := 1+rng.IntN(20), 8*(1+rng.IntN(2))
	x := wild(rng, m*blocks*codeBlock)
	for i := range m * blocks {
		switch b := x[i*codeBlock:][:codeBlock]; rng.IntN(12) {
		case 0:
			clear(b)
		case 1: // halfway between two codes
			for j := range b {
				b[j] = float32(rng.IntN(255)-127) + 0.5
			}
			b[3] = 127
		case 2:
			b[rng.IntN(len(b))] = float32(math.Inf(1 - 2*rng.IntN(2)))
		}
	}
	ld := blocks*codeBytes + 4*rng.IntN(3)
	got, want := alignedBytes(m*ld), alignedBytes(m*ld)
	for r := range m {
		k.int8.quantise(blocks, &got[r*ld], &x[r*blocks*codeBlock])
		quantiseGo(blocks, &want[r*ld], &x[r*blocks*codeBlock])
	}
	if !bytes.Equal(got, want) {
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("%s: quantise: byte %d of block %d of row %d is %d, want %d", k.name, i%ld%codeBytes, i%ld/codeBytes, i/ld, got[i], want[i])
			}
		}
	}

	format := coded[rng.IntN(len(coded))]
	elements, _ := format.Block()
	w := quantised(rng, format, panelWidth, blocks*codeBlock)
	panel, twin := alignedBytes(blocks*panelBytes), alignedBytes(blocks*panelBytes)
	for i := range panel {
		panel[i], twin[i] = 0, 0
	}
	for i := range panelWidth {
		codesGo(twin[4*i:], w.Row(i), format, k.int8.form)
	}
	if f := k.int8.codes[format]; f != nil {
		for i := 0; i < panelWidth; i += k.int8.lanes {
			f(&panel[4*i], &w.Data[i*w.RowBytes()], w.RowBytes(), blocks*codeBlock/elements)
		}
		for i := range panel {
			if panel[i] != twin[i] {
				t.Fatalf("%s: codes of %v: byte %d of block %d is %d, want %d", k.name, format, i%panelBytes, i/panelBytes, panel[i], twin[i])
			}
		}
	}

	copy(panel, twin)
	for i := range panelWidth {
		codesGo(twin[4*i:], w.Row(i), format, offset128)
	}
	for i := range m * blocks { // infinities are for quantise alone
		if s := want[i/blocks*ld+i%blocks*codeBytes:][32:36]; s[3]&0x7f == 0x7f && s[2]&0x80 != 0 {
			copy(s, []byte{0, 0, 0x80, 0x3f})
			copy(want[i/blocks*ld+i%blocks*codeBytes:][36:40], []byte{0, 0, 0x80, 0x3f})
		}
	}
	ldc := panelWidth + rng.IntN(9)
	c := wild(rng, m*ldc+panelWidth)
	for mode := fromZero; mode <= addToC; mode++ {
		y, z := clone(c), clone(c)
		k.int8.product[format](m, blocks, &want[0], ld, &panel[0], &y[0], ldc, mode)
		portableInt8.product[format](m, blocks, &want[0], ld, &twin[0], &z[0], ldc, mode)
		backendtest.SameBits(t, fmt.Sprintf("%s: product of %v, %d rows, %d blocks, mode %d", k.name, format, m, blocks, mode), y, z)
	}
}

// A panel's codes, scales and minima are the weights that tensor.Dequantize
// gives, which is tested against the gguf package.
func TestCodesAreTheWeights(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 6))
	for _, f := range coded {
		const cols = 512
		w := quantised(rng, f, 1, cols)
		panel, want := make([]byte, cols/codeBlock*panelBytes), make([]float32, cols)
		codesGo(panel[4*5:], w.Data, f, offset128)
		tensor.Dequantize(want, w.Data, f)
		float := func(block, at int) float32 {
			p := panel[4*5+block*panelBytes+at:]
			return math.Float32frombits(uint32(p[0]) | uint32(p[1])<<8 | uint32(p[2])<<16 | uint32(p[3])<<24)
		}
		got := make([]float32, cols)
		for k := range got {
			b := k / codeBlock
			code := float32(panel[4*5+b*panelBytes+k%codeBlock/4*4*panelWidth+k%4])
			switch codings[f] {
			case centred:
				got[k] = float(b, scalesAt) * (code - 128)
			case shifted:
				got[k] = float32(float(b, scalesAt)*code) + float(b, secondsAt)
			case halved:
				got[k] = float(b, scalesAt+k%codeBlock/16*(secondsAt-scalesAt)) * (code - 128)
			}
		}
		for k := range got {
			if got[k] != want[k] {
				t.Fatalf("%v: element %d is %v, want %v", f, k, got[k], want[k])
			}
		}
	}
}

// Linear with int8 activations stays within what quantisation theory allows
// of a float64 product: each activation is off by at most half its block's
// scale, max|x| / 254. For random data the error is that of independent
// uniform roundings, whose variance is scale²/12, within six deviations.
func TestFastLinearIsWithinTheQuantisationBound(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	for _, f := range append([]tensor.Type{tensor.F16, tensor.IQ4_NL}, coded...) {
		const n, rows, cols = 30, 83, 512
		q := quantised(rng, f, rows, cols)
		w := make([]float32, rows*cols)
		tensor.Dequantize(w, q.Data, f)
		x := backendtest.Random(rng, n*cols)
		var first []float32
		for kernels, b := range fastBackends(t, 2) {
			m := backendtest.Must(b.Weight(q))
			o, in := stepOf(b, n, x)
			got := append([]float32(nil), o.Read(o.Linear(in, m, nil))...)
			for i := range n {
				for j := range rows {
					var sum, size, most, variance float64
					for k0 := 0; k0 < cols; k0 += 32 {
						var top float64
						for k := k0; k < k0+32; k++ {
							top = max(top, math.Abs(float64(x[i*cols+k])))
						}
						for k := k0; k < k0+32; k++ {
							v := float64(w[j*cols+k])
							p := float64(x[i*cols+k]) * v
							sum, size = sum+p, size+math.Abs(p)
							most += math.Abs(v) * top / 254
							variance += v * v * (top / 127) * (top / 127) / 12
						}
					}
					if f == tensor.F16 || f == tensor.IQ4_NL { // has no codes: exact
						most, variance = 0, 0
					}
					d := math.Abs(float64(got[i*rows+j]) - sum)
					if d > most+1e-5*size || d > 6*math.Sqrt(variance)+1e-5*size {
						t.Fatalf("%v, %s: row %d, column %d is %v, want %v within %v", f, kernels, i, j, got[i*rows+j], sum, most)
					}
				}
			}
			if first == nil {
				first = got
			}
			backendtest.SameBits(t, fmt.Sprintf("%v, %s", f, kernels), got, first)
			backendtest.SameBits(t, fmt.Sprintf("%v, %s, a row alone", f, kernels), o.Read(o.Linear(o.Gather(in, []int{17}), m, nil)), first[17*rows:18*rows])
		}
	}
}

// fastBackends are those of all kernel sets that have int8 products.
func fastBackends(t testing.TB, threads int) map[string]*Backend {
	all := map[string]*Backend{}
	for _, k := range append(native(), &portable) {
		if k.int8 == nil {
			continue
		}
		b := backendtest.Must(New(Options{Threads: threads, Kernels: k.name, Fast: true}))
		t.Cleanup(b.Close)
		all[k.name] = b
	}
	return all
}

// A product deeper than a panel, with bias, scale and a part of a panel at the
// end, adds the same chains as one over the whole depth.
func TestDeepFastLinear(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 9))
	const n, rows, cols = 9, 40, 4608
	for _, f := range []tensor.Type{tensor.Q5_0, tensor.Q4_K, tensor.Q6_K} {
		q := quantised(rng, f, rows, cols)
		bias := backendtest.F32Tensor("b", backendtest.Random(rng, rows), rows)
		in, before := backendtest.Random(rng, n*cols), backendtest.Random(rng, n*rows)
		const blocks = cols / codeBlock
		a, panel := alignedBytes(n*blocks*codeBytes), alignedBytes(blocks*panelBytes)
		for r := range n {
			quantiseGo(blocks, &a[r*blocks*codeBytes], &in[r*cols])
		}
		want := make([]float32, n*rows)
		for from := 0; from < rows; from += panelWidth {
			clear(panel)
			for j := range min(panelWidth, rows-from) {
				codesGo(panel[4*j:], q.Row(from+j), f, offset128)
			}
			c := aligned(n * panelWidth)
			productInt8Go(codings[f], n, blocks, &a[0], blocks*codeBytes, &panel[0], &c[0], panelWidth, fromZero)
			for r := range n {
				for j := range min(panelWidth, rows-from) {
					want[r*rows+from+j] = before[r*rows+from+j] + float32((c[r*panelWidth+j]+bias.F32()[from+j])*0.5)
				}
			}
		}
		for kernels, b := range fastBackends(t, 2) {
			o := backendtest.Must(b.Begin(backendtest.Must(b.NewCache(nil, backend.KVF32, 0)), n, nil)).(*ops)
			x, y := o.arena.value(n, cols), o.arena.value(n, rows)
			for i := range n {
				copy(x.row(i), in[i*cols:])
				copy(y.row(i), before[i*rows:])
			}
			o.AddLinear(y, x, backendtest.Must(b.Weight(q)), backendtest.Must(b.Weight(bias)), 0.5)
			backendtest.SameBits(t, fmt.Sprintf("%v, %s", f, kernels), o.Read(y), want)
		}
	}
}
