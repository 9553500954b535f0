package stats

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"
)

// Means equal NumPy's to the last bit, whatever the number of values; standard
// errors and quantiles to rounding (testdata/mean.py).
func TestMeansAndQuantilesAreNumPys(t *testing.T) {
	var want struct {
		Means []struct {
			First, N int
			Mean     string
			StdErr   *float64
		}
		Quantiles []struct {
			First, N int
			P, Q     []float64
		}
	}
	data, err := os.ReadFile("testdata/mean.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	frac := func(x float64) float64 { return x - math.Floor(x) }
	vector := func(first, n int) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = float64(frac(float64(float64(first+i)*math.Sqrt(2))) * frac(float64(float64(first+i)*math.Sqrt(3))))
		}
		return v
	}
	for _, w := range want.Means {
		mean, stdErr := MeanStdErr(vector(w.First, w.N))
		if m, err := strconv.ParseFloat(w.Mean, 64); err != nil || mean != m || Mean(vector(w.First, w.N)) != m {
			t.Errorf("mean of %d values %x, NumPy gives %s", w.N, mean, w.Mean)
		}
		if w.StdErr == nil {
			if !math.IsNaN(stdErr) {
				t.Errorf("standard error of %d values %v", w.N, stdErr)
			}
		} else if math.Abs(stdErr-*w.StdErr) > 1e-15 {
			t.Errorf("standard error of %d values %v, NumPy gives %v", w.N, stdErr, *w.StdErr)
		}
	}
	for _, w := range want.Quantiles {
		v := vector(w.First, w.N)
		slices.Sort(v)
		for i, p := range w.P {
			if q := Quantile(v, p); math.Abs(q-w.Q[i]) > 1e-15 {
				t.Errorf("%v-quantile of %d values %v, NumPy gives %v", p, w.N, q, w.Q[i])
			}
		}
	}
	if !math.IsNaN(Mean(nil)) {
		t.Errorf("mean of nothing %v", Mean(nil))
	}
}
