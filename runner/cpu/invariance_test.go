package cpu

import (
	"fmt"
	"math"
	"sync"
	"testing"

	"headprof/runner/backend"
)

// watchInto records watched rows under "layer head position first".
func watchInto(m map[string][]float32, mu *sync.Mutex, rows ...int) *backend.Watch {
	if mu == nil {
		mu = new(sync.Mutex)
	}
	return &backend.Watch{Rows: rows, Deliver: func(r backend.Row) {
		mu.Lock()
		defer mu.Unlock()
		m[fmt.Sprint(r.Layer, r.Head, r.Position, r.First)] = append([]float32(nil), r.Weights...)
	}}
}

func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: element %d is %v (%08x), want %v (%08x)", what, i, got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
}

// However a sequence is cut into steps, on however many threads and with
// whichever kernels: the same bytes, watched rows included.
func TestResultsDoNotDependOnChunksThreadsOrKernels(t *testing.T) {
	const n = 150
	cuts := [][]int{{n}, {1, n - 1}, {64, 64, n - 128}, {63, 2, 40, 45}, nil} // nil: one by one
	for name, s := range shapes {
		for _, kv := range []backend.KVType{backend.KVF32, backend.KVF16} {
			ids := tokens(n)
			var want []float32
			var wantRows map[string][]float32
			for _, threads := range []int{1, 2, 3, 4, 33} {
				for kernels, b := range backends(t, threads) {
					cuts := cuts
					if kernels == "portable" { // slow: one way of cutting is enough to compare it
						if cuts = cuts[3:4]; threads != 2 {
							continue
						}
					}
					for _, cut := range cuts {
						if cut == nil {
							if threads != 2 {
								continue
							}
							for range n {
								cut = append(cut, 1)
							}
						}
						l := bindLayer(b, s)
						c := l.cache(kv)
						var got []float32
						rows := map[string][]float32{}
						for at, i := 0, 0; i < len(cut); i++ {
							var watched []int
							for _, w := range []int{0, 17, 70, n - 1} {
								if w >= at && w < at+cut[i] {
									watched = append(watched, w-at)
								}
							}
							got = append(got, l.step(c, ids[at:at+cut[i]], watchInto(rows, nil, watched...))...)
							at += cut[i]
						}
						if want == nil {
							want, wantRows = got, rows
							continue
						}
						what := fmt.Sprintf("%s, kv %d, %d threads, %s, cut %v", name, kv, threads, kernels, cut[:min(4, len(cut))])
						sameBits(t, what, got, want)
						if len(rows) != len(wantRows) {
							t.Fatalf("%s: %d watched rows, want %d", what, len(rows), len(wantRows))
						}
						for k, w := range wantRows {
							sameBits(t, what+", row "+k, rows[k], w)
						}
					}
				}
			}
		}
	}
}
