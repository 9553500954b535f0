package cpu

import (
	"math"
	"math/rand/v2"
	"testing"

	"headprof/runner/backend/backendtest"
	"headprof/runner/shape"
	"headprof/runner/tensor"
)

// The way back through a Linear of every stored format is dy·w with the
// dequantised weight, in float64, and has the same bytes on any number of threads.
func TestLinearBackOfEveryFormat(t *testing.T) {
	for _, f := range formats {
		rng := rand.New(rand.NewPCG(5, uint64(f)))
		elements, _ := f.Block()
		const n, out = 5, 150
		cols := max(elements, 96)
		if elements < 256 {
			cols += elements
		}
		w := quantised(rng, f, out, cols)
		plain := make([]float32, out*cols)
		tensor.Dequantize(plain, w.Data, f)
		dy, dx := backendtest.Random(rng, n*out), backendtest.Random(rng, n*cols)
		var first []float32
		for _, threads := range []int{1, 3} {
			b := backendtest.Must(New(Options{Threads: threads}))
			layers := []shape.Layer{{Heads: 1, KVHeads: 1, KeyDim: 1, ValueDim: 1}}
			o := backendtest.Must(b.Begin(backendtest.Must(b.NewCache(layers, 0, n)), n, nil)).(*ops)
			to, from := o.Zeros(n, cols).(*value), o.Zeros(n, out).(*value)
			for i := range n {
				copy(to.row(i), dx[i*cols:])
				copy(from.row(i), dy[i*out:])
			}
			o.LinearBack(to, from, backendtest.Must(b.Weight(w)), 0.5)
			got := append([]float32(nil), o.Read(to)...)
			for i, x := range got {
				want, size := float64(dx[i]), 1.0
				for r := range out {
					y := 0.5 * float64(dy[i/cols*out+r]) * float64(plain[r*cols+i%cols])
					want += y
					size += math.Abs(y)
				}
				if !(math.Abs(float64(x)-want) <= 1e-6*size) {
					t.Fatalf("%v: element %d is %g, want %g", f, i, x, want)
				}
			}
			if first == nil {
				first = got
			} else {
				backendtest.SameBits(t, f.String()+": threads", got, first)
			}
			b.Close()
		}
	}
}
