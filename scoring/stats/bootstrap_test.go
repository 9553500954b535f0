package stats

import (
	"math"
	"testing"
)

// By hand: three groups' means are 1, 0 and 0.5; the mean over items is 2/4.
func TestMeanEstimateResamplesGroups(t *testing.T) {
	values := []float64{1, 0, 0, 1}
	groups := Groups(4, func(i int) string { return []string{"a", "b", "c", "c"}[i] })
	if len(groups) != 3 || len(groups[2]) != 2 {
		t.Fatalf("groups %v", groups)
	}
	v := Default(1).MeanEstimate(values, groups)
	if v.Value != 0.5 || v.Low < 0 || v.Low > 0.3 || v.High > 1 || v.High < 0.7 {
		t.Errorf("%+v", v)
	}
	if again := Default(1).MeanEstimate(values, groups); again != v {
		t.Errorf("the same seed gives %+v and %+v", v, again)
	}
	one := Default(1).MeanEstimate(values, [][]int{{0, 1, 2, 3}})
	if one.Value != 0.5 || !math.IsNaN(one.Low) {
		t.Errorf("a single group has the interval %+v", one)
	}
}
