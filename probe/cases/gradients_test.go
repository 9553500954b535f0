package cases

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// fromPyTorch is testdata/gradients.json; gradients.py says how it came to be.
type fromPyTorch struct {
	Answer answer
	Swap   swap
	KVGrad [][]float64 `json:"kvgrad"`
	Query  [][]float64 `json:"atp-query"`
	Key    [][]float64 `json:"atp-key"`
	Drop   [][]float64 `json:"atp-drop"`
}

func pyTorch(t *testing.T) *fromPyTorch {
	t.Helper()
	data, err := os.ReadFile("testdata/gradients.json")
	if err != nil {
		t.Fatal(err)
	}
	p := new(fromPyTorch)
	if err := json.Unmarshal(data, p); err != nil {
		t.Fatal(err)
	}
	return p
}

// near compares with values of PyTorch in float64; the engine computes in
// float32 and keeps keys and values in 16 bits.
func near(t *testing.T, name string, got Values, want [][]float64) {
	t.Helper()
	largest := 0.
	for _, row := range want {
		for _, v := range row {
			largest = max(largest, math.Abs(v))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d layers", name, len(got))
	}
	for l, row := range want {
		for h, v := range row {
			if off := math.Abs(got[l][h] - v); !(off <= 2e-3*math.Abs(v)+1e-4*largest) {
				t.Errorf("%s, L%d.H%d: %g, want %g (the largest is %g)", name, l, h, got[l][h], v, largest)
			}
		}
	}
}

func TestKVGradEqualsPyTorch(t *testing.T) {
	p := pyTorch(t)
	got := run(t, &p.Answer)
	near(t, "kvgrad", got["kvgrad"], p.KVGrad)
	// The embedded model has two query heads on each KV head.
	for l, row := range got["kvgrad-kv"] {
		if len(row) != 4 {
			t.Fatalf("%d KV heads", len(row))
		}
		for kv, v := range row {
			if want := got["kvgrad"][l][2*kv] + got["kvgrad"][l][2*kv+1]; v != want {
				t.Errorf("L%d, KV head %d: %g, want %g", l, kv, v, want)
			}
		}
	}
}

func TestAtPStarEqualsPyTorch(t *testing.T) {
	p := pyTorch(t)
	got := run(t, &p.Swap)
	near(t, "atp-query", got["atp-query"], p.Query)
	near(t, "atp-key", got["atp-key"], p.Key)
	near(t, "atp-drop", got["atp-drop"], p.Drop)
}
