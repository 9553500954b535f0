package stats

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// Expected values: testdata/logistic.py, PyTorch's L-BFGS.
func TestLogisticEqualsPyTorch(t *testing.T) {
	data, err := os.ReadFile("testdata/logistic.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		X         [][]float32
		Label     []bool
		L2        float64
		Weights   []float64
		Intercept float64
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		m, err := FitLogistic(c.X, c.Label, c.L2)
		if err != nil {
			t.Fatal(err)
		}
		for j, w := range append(c.Weights, c.Intercept) {
			got := m.Intercept
			if j < len(m.Weights) {
				got = m.Weights[j]
			}
			if !(math.Abs(got-w) <= 1e-5*(math.Abs(w)+1e-3)) {
				t.Errorf("case %d, weight %d: %.9g, want %.9g", i, j, got, w)
			}
		}
		want := c.Intercept
		for j, w := range c.Weights {
			want += w * float64(c.X[0][j])
		}
		if got := m.Decision(c.X[0]); math.Abs(got-want) > 1e-5 {
			t.Errorf("case %d: the first sample gives %v, want %v", i, got, want)
		}
	}
}

// By hand: where the features say nothing, weights are 0 and the intercept is
// the logarithm of the labels' odds.
func TestLogisticOfConstantFeatures(t *testing.T) {
	m, err := FitLogistic([][]float32{{0, 0}, {0, 0}, {0, 0}, {0, 0}}, []bool{true, true, true, false}, 1)
	if err != nil || m.Weights[0] != 0 || m.Weights[1] != 0 || math.Abs(m.Intercept-math.Log(3)) > 1e-9 {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := FitLogistic([][]float32{{1}, {2}}, []bool{true, true}, 1); err == nil {
		t.Error("one label alone is fitted")
	}
	// Features that are far out do not make the step overshoot.
	m, err = FitLogistic([][]float32{{1e4}, {2e4}, {-1e4}, {-3e4}}, []bool{true, true, false, false}, 1)
	if err != nil || !(m.Decision([]float32{1e4}) > 0) || !(m.Decision([]float32{-1e4}) < 0) {
		t.Errorf("%+v, %v", m, err)
	}
}
