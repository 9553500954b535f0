package backendtest

import (
	"fmt"
	"math"
	"sync"
	"testing"

	"headprof/runner/backend"
)

// Near fails a test where numbers differ by more than tolerance·(1+|want|).
func Near(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	for i := range got {
		if d := math.Abs(float64(got[i] - want[i])); !(d <= tolerance*(1+math.Abs(float64(want[i])))) {
			t.Fatalf("%s: element %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// WatchInto watches rows of a step and records them under "layer head position
// first". mu guards the map; nil: nobody else writes it.
func WatchInto(m map[string][]float32, mu *sync.Mutex, rows ...int) *backend.Watch {
	if mu == nil {
		mu = new(sync.Mutex)
	}
	return &backend.Watch{Rows: rows, Deliver: func(r backend.Row) {
		mu.Lock()
		defer mu.Unlock()
		m[fmt.Sprint(r.Layer, r.Head, r.Position, r.First)] = append([]float32(nil), r.Weights...)
	}}
}

// SameBits fails a test where numbers differ in any bit.
func SameBits(t *testing.T, what string, got, want []float32) {
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
