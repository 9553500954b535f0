package cases

import (
	"math"
	"slices"
	"testing"

	"headprof/fixtures"
	"headprof/probe"
	"headprof/runner"
	"headprof/scoring"
)

// Attribution patching is the slope of patching: what a fiftieth of the way
// from the corrupted to the clean output changes, and back, by central
// difference. The small steps are exact patching, forward only.
func TestAtPIsTheSlopeOfPatching(t *testing.T) {
	m, err := runner.OpenBytes("tiny", fixtures.Tiny(), runner.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	e, err := probe.ModelOf(m)
	if err != nil {
		t.Fatal(err)
	}
	c := &swap{ID: "a", Answer: []int32{31, 44}}
	for i := range 40 {
		c.Clean = append(c.Clean, int32(20+i*7%60))
	}
	c.Corrupted = slices.Clone(c.Clean)
	copy(c.Corrupted[10:], []int32{70, 71, 25, 39})
	got, err := Run(t.Context(), e, c, scoring.MethodsOf(scoring.Swaps))
	if err != nil {
		t.Fatal(err)
	}

	last := len(c.Clean) - 1
	outputs := func(ids []int32) [][][]float32 {
		s, err := e.NewSession(len(ids))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		out, err := (&pass{model: e, session: s, layers: e.Shape()}).outputs(t.Context(), ids, last)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	clean, corrupted := outputs(c.Clean), outputs(c.Corrupted)
	const step = 0.02
	var steps []runner.Branch
	for l := range clean {
		for h := range clean[l] {
			for _, by := range []float32{step, -step} {
				z := slices.Clone(corrupted[l][h])
				for j := range z {
					z[j] += by * (clean[l][h][j] - z[j])
				}
				steps = append(steps, runner.Branch{Layer: l, Head: h, Output: z})
			}
		}
	}
	s, err := m.NewSession(len(c.Clean) + 2)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Extend(t.Context(), c.Corrupted[:last], runner.Watch{}); err != nil {
		t.Fatal(err)
	}
	logP := make([]float64, len(steps))
	if err := s.Branches(t.Context(), fed(c.Corrupted, c.Answer), steps, func(b int, logits [][]float32) error {
		if b >= 0 {
			logP[b] = logProbability(logits, c.Answer)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	largest := 0.0
	for _, row := range got["atp"] {
		for _, v := range row {
			largest = max(largest, math.Abs(v))
		}
	}
	if largest < 1e-2 {
		t.Fatalf("the largest effect is %g: the case tests nothing", largest)
	}
	for b := 0; b < len(steps); b += 2 {
		l, h := steps[b].Layer, steps[b].Head
		want := (logP[b] - logP[b+1]) / (2 * step)
		// log P has float32's noise of 5e-6, divided by the step's 0.04.
		if v := got["atp"][l][h]; !(math.Abs(v-want) <= 1e-2*math.Abs(want)+2.5e-4) {
			t.Errorf("L%d.H%d: %g, want %g (the largest is %g)", l, h, v, want, largest)
		}
	}
}
