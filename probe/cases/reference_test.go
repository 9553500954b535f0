package cases

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"headprof/fixtures/reference"
	"headprof/probe"
	"headprof/runner"
	"headprof/scoring"
)

// referenceCase is what a line of fixtures/reference/scores.json.gz says of its value.
type referenceCase struct {
	ID, Model, Score string
	Value            [][]float64
	ValueAnswer      [][]float64 `json:"value_answer"` // taylor
	Temperature      float64
	Fragile          [][3]float64 // layer, head, size
}

// tolerance is the suggestion of fixtures/reference/scores.md.
func (c referenceCase) tolerance() float64 {
	switch c.Score {
	case "core":
		return map[float64]float64{0.001: 2e-4, 0.01: 2e-5, 0.1: 5e-6}[c.Temperature]
	case "kvzip":
		return 2e-5
	case "duo-on-the-fly":
		return 2e-6
	case "icl", "tracker":
		return 1e-5
	case "cache-cut", "patch":
		return 1e-4
	case "taylor":
		return 3e-3
	}
	return 3e-6
}

// Every head's value in both real models, as float64 programs written by hand
// give them (fixtures/reference/scores.md), heads marked fragile excepted; of
// icl and tracker as transformers does (lastrow.py).
func TestScoresEqualTheReference(t *testing.T) {
	for _, model := range reference.Models {
		t.Run(model.Name, func(t *testing.T) {
			m, err := runner.Open(reference.Model(t, model.File), runner.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			e, err := probe.ModelOf(m)
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range bytes.Split(append(reference.Bytes(t, "scores.json"), bytes.TrimSpace(reference.Bytes(t, "lastrow.json"))...), []byte("\n")) {
				var want referenceCase
				if err := json.Unmarshal(line, &want); err != nil {
					t.Fatal(err)
				}
				d, err := scoring.Lookup(want.Score)
				if want.Model != model.Name || err != nil || made[d.Probe] == nil {
					continue
				}
				t.Run(want.ID, func(t *testing.T) {
					list, err := Read(want.ID, bytes.NewReader(line), d.Probe)
					if err != nil {
						t.Fatal(err)
					}
					if err := Check(e, list[0]); err != nil {
						t.Fatal(err)
					}
					got, err := Run(t.Context(), e, list[0], scoring.MethodsOf(d.Probe))
					if err != nil {
						t.Fatal(err)
					}
					compare(t, want, got[want.Score])
					if want.Score == "taylor" {
						want.ID, want.Value = want.ID+", the answer's positions", want.ValueAnswer
						compare(t, want, got[scoring.TaylorAnswer])
					}
				})
			}
		})
	}
}

func compare(t *testing.T, want referenceCase, got Values) {
	t.Helper()
	fragile := map[[2]int]float64{}
	for _, f := range want.Fragile {
		fragile[[2]int{int(f[0]), int(f[1])}] = f[2]
	}
	if len(got) != len(want.Value) {
		t.Errorf("%s: %d layers, want %d", want.ID, len(got), len(want.Value))
		return
	}
	worst, where := 0.0, ""
	for l := range want.Value {
		if len(got[l]) != len(want.Value[l]) {
			t.Errorf("%s: layer %d has %d values, want %d", want.ID, l, len(got[l]), len(want.Value[l]))
			return
		}
		for h, v := range want.Value[l] {
			if _, ok := fragile[[2]int{l, h}]; ok {
				continue
			}
			if d := math.Abs(got[l][h] - v); !(d <= worst) {
				worst, where = d, fmt.Sprintf("L%d.H%d", l, h)
			}
		}
	}
	t.Logf("%s: within %.1e", want.ID, worst)
	if worst > want.tolerance() {
		t.Errorf("%s: off by %.1e at %s, more than %.0e", want.ID, worst, where, want.tolerance())
	}
}
