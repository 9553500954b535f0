package stats

import (
	"math"
	"slices"
	"testing"
)

// Three needles of 1, 2 and 3 trials.
var needles = [][]int{{0}, {1, 2}, {3, 4, 5}}

// A resample draws three needles, and of each as many trials as it has: its
// mean is that of the trials it drew.
func TestClustersDrawWholeNeedles(t *testing.T) {
	d := Bootstrap{Resamples: 500, Seed: 7}.Clusters(needles, false)
	scores := [][]float64{{1, 6}, {2, 5}, {4, 4}, {8, 3}, {16, 2}, {32, 1}}
	means := d.Means(scores)
	sizes := map[int]int{}
	for r, counts := range d.counts {
		var drawn [2][]float64
		perNeedle, total := make([]int, 3), 0
		for trial, n := range counts {
			for range int(n) {
				drawn[0], drawn[1] = append(drawn[0], scores[trial][0]), append(drawn[1], scores[trial][1])
			}
			total += int(n)
		}
		sizes[total]++
		for n, trials := range needles {
			for _, trial := range trials {
				perNeedle[n] += int(counts[trial])
			}
			if perNeedle[n]%len(trials) != 0 {
				t.Fatalf("resample %d drew %d trials of a needle of %d", r, perNeedle[n], len(trials))
			}
		}
		if perNeedle[0]+perNeedle[1]/2+perNeedle[2]/3 != 3 {
			t.Fatalf("resample %d drew trials %v per needle", r, perNeedle)
		}
		for h := range drawn {
			if want := Mean(drawn[h]); math.Abs(means[r][h]-want) > 1e-12 {
				t.Fatalf("resample %d: mean %v, its trials have %v", r, means[r][h], want)
			}
		}
		if of := d.MeanOf(r, scores); math.Abs(of[0]-means[r][0]) > 1e-12 || math.Abs(of[1]-means[r][1]) > 1e-12 {
			t.Fatalf("resample %d: MeanOf gives %v, Means %v", r, of, means[r])
		}
	}
	// Of 27 equally likely draws of three needles, one has the sum 3, one 9.
	if len(d.counts) != 500 || sizes[3] < 8 || sizes[3] > 34 || sizes[9] < 8 || sizes[9] > 34 {
		t.Errorf("sizes of resamples %v", sizes)
	}
}

// With the needles fixed each gives its own number of trials.
func TestFixedClustersKeepTheirNeedles(t *testing.T) {
	d := Bootstrap{Resamples: 50, Seed: 7}.Clusters(needles, true)
	for _, c := range d.counts {
		if c[0] != 1 || c[1]+c[2] != 2 || c[3]+c[4]+c[5] != 3 {
			t.Fatalf("drawn %v", c)
		}
	}
}

// A method that did not score all trials has the mean of those it scored, and
// none where none of them was drawn.
func TestMeanOfLeavesOutTrialsWithoutScores(t *testing.T) {
	d := Bootstrap{Resamples: 200, Seed: 1}.Clusters(needles, false)
	scores := [][]float64{{1}, {2}, nil, nil, nil, nil}
	none := 0
	for r, c := range d.counts {
		got := d.MeanOf(r, scores)
		if n := c[0] + c[1]; n == 0 {
			none++
			if got != nil {
				t.Fatalf("no trial drawn: %v", got)
			}
		} else if want := (c[0] + 2*c[1]) / n; got[0] != want {
			t.Fatalf("mean %v, want %v", got[0], want)
		}
	}
	if none == 0 {
		t.Error("every resample drew a trial of two")
	}
}

// For n equal values of 0 and 1 the number drawn is binomial: of two things,
// means 0, ½ and 1 come with ¼, ½, ¼.
func TestEachPickDrawsWithReplacement(t *testing.T) {
	var sums [3]int
	b := Bootstrap{Resamples: 4000, Seed: 3}
	b.EachPick(2, func(p []int) { sums[p[0]+p[1]]++ })
	for i, want := range []int{1000, 2000, 1000} {
		if d := sums[i] - want; d < -150 || d > 150 {
			t.Errorf("%d of 4,000 resamples sum to %d, expected about %d", sums[i], i, want)
		}
	}
}

func TestIntervalTakesBothTails(t *testing.T) {
	v := make([]float64, 101)
	for i := range v {
		v[i] = float64(100 - i)
	}
	if low, high := (Bootstrap{Tail: .05}).Interval(v); math.Abs(low-5) > 1e-12 || math.Abs(high-95) > 1e-12 {
		t.Errorf("5 and 95 %% of 0 … 100: %v and %v", low, high)
	}
}

// Two sets are drawn independently of each other; a value that is unknown in
// some resamples has the interval of the others.
func TestEstimatesOfTwoSets(t *testing.T) {
	got := Default(5).Estimates([]int{2, 3}, func(p [][]int) []float64 {
		defined := float64(p[0][0] + p[0][1])
		if slices.Equal(p[0], []int{1, 1}) {
			defined = math.NaN()
		}
		return []float64{float64(p[1][0] + p[1][1] + p[1][2]), defined, math.NaN()}
	})
	// Three draws of 0, 1, 2 sum to 0 or 6 in 1 of 27 resamples each: 3.7 %, more than the tail.
	if got[0] != (Estimate{3, 0, 6}) || got[1] != (Estimate{1, 0, 1}) {
		t.Errorf("%+v", got)
	}
	if !math.IsNaN(got[2].Value) || !math.IsNaN(got[2].Low) || !math.IsNaN(got[2].High) {
		t.Errorf("unknown in all: %+v", got[2])
	}
	one := Default(5).Estimates([]int{1, 3}, func([][]int) []float64 { return []float64{4} })[0]
	if one.Value != 4 || !math.IsNaN(one.Low) || !math.IsNaN(one.High) {
		t.Errorf("one thing: %+v", one)
	}
}
