package cases

import (
	"math"
	"slices"
	"testing"

	"headprof/fixtures"
	"headprof/probe"
	"headprof/runner"
	"headprof/runner/backend"
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

// docs/method.md: nothing but a head's output at the corrupted prompt's last
// token is replaced, by the clean prompt's. Prompts of a swap may differ
// anywhere; where they do not, no head has an effect.
func TestPatchByDefinition(t *testing.T) {
	m, _ := engine(t)
	reply := []int32{31, 44}
	at := func(position int, ids ...int32) []int32 {
		c := words(40)
		copy(c[position:], ids)
		return c
	}
	for name, c := range map[string]struct{ clean, corrupted []int32 }{
		"in the middle":        {words(40), at(10, 70, 71, 25, 39)},
		"from the first token": {words(40), at(0, 88)},
		"at the last token":    {words(40), at(39, 70)},
		"of one token":         {[]int32{31}, []int32{44}},
		"nowhere":              {words(40), words(40)},
	} {
		last := len(c.clean) - 1
		outputs := make([][]float32, len(m.Shape())) // the clean prompt's, [8 heads × 32]
		s := cached(t, c.clean[:last])
		if _, err := s.Extend(t.Context(), c.clean[last:], runner.Watch{Logits: []int{last}, Outputs: func(o backend.Outputs) {
			outputs[o.Layer] = slices.Clone(o.Heads)
		}}); err != nil {
			t.Fatal(err)
		}
		var list []runner.Branch
		for l := range outputs {
			for h := range 8 {
				list = append(list, runner.Branch{Layer: l, Head: h, Output: outputs[l][32*h:][:32]})
			}
		}
		patched := make([]float64, len(list))
		if err := cached(t, c.corrupted[:last]).Branches(t.Context(), []int32{c.corrupted[last], 31}, list, func(b int, logits [][]float32) error {
			if b >= 0 {
				first, _ := lossOf(logits[0], 31)
				second, _ := lossOf(logits[1], 44)
				patched[b] = -first - second
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		unpatched := spoken(t, cached(t, c.corrupted[:last]), c.corrupted, reply)
		got := only(t, &swap{ID: "s", Clean: c.clean, Corrupted: c.corrupted, Answer: reply}, new(scoring.Patch))["patch"]
		if len(got) != 4 || len(got[0]) != 8 {
			t.Fatalf("%s: %d layers", name, len(got))
		}
		largest := 0.
		for b, br := range list {
			v, want := got[br.Layer][br.Head], patched[b]-unpatched
			if !(math.Abs(v-want) <= 2e-5) {
				t.Errorf("%s: layer %d, head %d: %v, want %v", name, br.Layer, br.Head, v, want)
			}
			largest = max(largest, math.Abs(v))
		}
		if name == "nowhere" && largest > 2e-5 || name != "nowhere" && largest < 1e-3 {
			t.Errorf("%s: the largest effect is %g", name, largest)
		}
	}
}
