package gpu

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"headprof/fixtures/reference"
	"headprof/runner/backend"
	"headprof/runner/backend/backendtest"
	"headprof/runner/plain"
	"headprof/runner/shape"
	"headprof/runner/tensor"
)

// stored are blocks of every format with the values that the `gguf` Python
// package gives them (runner/tensor/testdata).
type stored struct {
	Type         string
	Data, Values []byte
}

func readStored(t *testing.T) []stored {
	t.Helper()
	var g struct{ Cases []stored }
	if err := json.Unmarshal(reference.Unzip(t, "../tensor/testdata/dequantize.json.gz"), &g); err != nil {
		t.Fatal(err)
	}
	return g.Cases
}

var formats = tensor.Formats()

// oneLayer is the least that a step needs.
func oneLayer(b backend.Backend) backend.Cache {
	return backendtest.Must(b.NewCache([]shape.Layer{{KVHeads: 1, KeyDim: 4, ValueDim: 4}}, backend.KVF32, 8))
}

// A format that the shaders do not read is computed as F32: it gives the
// reference's values, too.
func TestFormatWithoutShader(t *testing.T) {
	defer func(all []tensor.Type) { inShaders = all }(inShaders)
	inShaders = []tensor.Type{tensor.F32}
	OnEach(t, testUnpackingEqualsGGUFPackage)
}

// Shaders unpack every format to the reference's values, to the bit.
func TestUnpackingEqualsGGUFPackage(t *testing.T) { OnEach(t, testUnpackingEqualsGGUFPackage) }

func testUnpackingEqualsGGUFPackage(t *testing.T) {
	b := onDevice(t, Options{})
	seen := map[tensor.Type]bool{}
	for _, s := range readStored(t) {
		for _, f := range formats {
			if f.String() != s.Type {
				continue
			}
			e, n := f.Block()
			blocks := min(len(s.Data)/n, max(4, 1024/e)) // llvmpipe is slow
			cols := max(e, 32)
			rows := blocks * e / cols
			if rows == 0 {
				continue
			}
			data := s.Data[:rows*cols/e*n]
			want := make([]float32, rows*cols)
			tensor.Dequantize(want, s.Values[:4*len(want)], tensor.F32)
			finite := true
			for _, x := range want {
				finite = finite && !math.IsNaN(float64(x)) && !math.IsInf(float64(x), 0)
			}
			if !finite { // a model with such weights is refused before it runs
				continue
			}
			seen[f] = true
			w := backendtest.Must(b.Weight(tensor.Tensor{Name: s.Type, Type: f, Shape: []int{rows, cols}, Data: data}))
			c := oneLayer(b)
			o := backendtest.Must(b.Begin(c, rows, nil))
			ids := make([]int32, rows)
			for i := range ids {
				ids[i] = int32(i)
			}
			got := o.Read(o.Embed(w, ids, 1))
			for i := range want {
				if got[i] != want[i] { // == : a zero may have either sign
					t.Errorf("%s element %d: got %g, want %g", s.Type, i, got[i], want[i])
					break
				}
			}
			c.Close()
		}
	}
	for _, f := range formats {
		if !seen[f] && f != tensor.F32 && f != tensor.F16 && f != tensor.BF16 && f != tensor.F8E4M3 {
			t.Errorf("no reference values for %v were used", f)
		}
	}
}

// blocksOf gives finite data of a format: random codes under small scales.
func blocksOf(rng *rand.Rand, f tensor.Type, elements int) []byte {
	e, n := f.Block()
	data := make([]byte, elements/e*n)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	half := func(at int) { // a half between 2⁻⁷ and 2⁻⁶
		data[at+1] = 0x20 | data[at+1]&3
	}
	for b := 0; b < len(data); b += n {
		switch f {
		case tensor.F32:
			data[b+3], data[b+2] = 0x3c|data[b+3]&0x80, data[b+2]&0x7f
		case tensor.F16, tensor.BF16:
			data[b+1] = 0x2c | data[b+1]&0x83
		case tensor.F8E4M3x128:
			data[b+3] = 0x3c
			for i := range 128 {
				data[b+4+i] &= 0xb7
			}
		case tensor.F8E4M3:
			data[b] &= 0xb7
		case tensor.Q4_1, tensor.Q5_1, tensor.Q4_K, tensor.Q5_K:
			half(b)
			half(b + 2)
		case tensor.Q2_K:
			half(b + 80)
			half(b + 82)
		case tensor.Q3_K:
			half(b + 108)
		case tensor.Q6_K:
			half(b + 208)
		case tensor.IQ1_M: // its half lies in the high nibbles of four numbers
			data[b+55] = data[b+55]&0x0f | 0x20
		case tensor.TQ1_0:
			half(b + 52)
		case tensor.TQ2_0:
			half(b + 64)
		case tensor.MXFP4:
			data[b] = 120 + data[b]&3
		default:
			half(b)
		}
	}
	return data
}

// Products with every format agree with the plain backend, for few and many
// rows, bias, scale and sum included; and the same row gives the same bits
// whichever tile computes it.
func TestLinear(t *testing.T) { OnEach(t, testLinear) }

func testLinear(t *testing.T) {
	b, p := onDevice(t, Options{}), plain.New()
	rng := rand.New(rand.NewPCG(3, 4))
	for _, f := range formats {
		cols, outs := 256, 70
		w := tensor.Tensor{Name: f.String(), Type: f, Shape: []int{outs, cols}, Data: blocksOf(rng, f, outs*cols)}
		bias := backendtest.F32Tensor("bias", backendtest.Random(rng, outs), outs)
		x := backendtest.F32Tensor("x", backendtest.Random(rng, 70*cols), 70, cols)
		y := backendtest.F32Tensor("y", backendtest.Random(rng, 70*outs), 70, outs)
		counts := []int{1, 20}
		if f == tensor.F32 || f == tensor.Q4_K {
			counts = []int{1, 5, 20, 70}
		}
		var first []float32
		for _, n := range counts {
			run := func(b backend.Backend) []float32 {
				c := oneLayer(b)
				defer c.Close()
				ids := make([]int32, n)
				for i := range ids {
					ids[i] = int32(i)
				}
				o := backendtest.Must(b.Begin(c, n, nil))
				in, out := o.Embed(backendtest.Must(b.Weight(x)), ids, 1), o.Embed(backendtest.Must(b.Weight(y)), ids, 1)
				m, v := backendtest.Must(b.Weight(w)), backendtest.Must(b.Weight(bias))
				o.AddLinear(out, in, m, v, 0.5)
				o.Add(out, o.Linear(in, m, nil))
				return append([]float32(nil), o.Read(out)...)
			}
			got := run(b)
			backendtest.Near(t, f.String(), got, run(p), 2e-4)
			if first == nil {
				first = got
			}
			backendtest.SameBits(t, f.String()+": row 0", got[:outs], first)
		}
	}
}
