package main

import (
	"io"
	"math"
	"testing"
)

// What the steps of the answers add to a head's score is, over all counted
// trials, its score: the page's series and the table come by different ways.
func TestReportStepsAddUpToScores(t *testing.T) {
	t.Chdir(t.TempDir())
	command(t, "score", "--quiet", "--per-step", "--count", "10", "--lengths", "128,200", "--out", "profile")
	var f reportFlags
	f.profile.notes = io.Discard
	r, _, err := f.profileRun("profile")
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Trials.StepCount) < 3 || r.Trials.StepCount[0] != r.Trials.Counted {
		t.Fatalf("steps are of %v trials, %d count", r.Trials.StepCount, r.Trials.Counted)
	}
	for _, m := range r.Methods {
		if len(m.ByStep) != len(r.Trials.StepCount) {
			t.Errorf("%s has %d steps, want %d", m.Name, len(m.ByStep), len(r.Trials.StepCount))
		}
		for h, want := range m.Mean {
			sum := 0.
			for s, mean := range m.ByStep {
				sum += mean[h] * float64(r.Trials.StepCount[s])
			}
			if got := sum / float64(r.Trials.Counted); math.Abs(got-want) > 1e-6*max(1, math.Abs(want)) {
				t.Errorf("%s, head %d: steps add up to %v, the score is %v", m.Name, h, got, want)
			}
		}
	}
}
