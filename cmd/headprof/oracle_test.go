package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"headprof/fixtures/reference"
	"headprof/probe"
)

// oracle holds reference values of an independent float32 implementation; see
// the README beside them.
type oracle struct {
	Trials []oracleTrial `json:"trials"`
}

type oracleTrial struct {
	ID        string            `json:"id"`
	Haystack  string            `json:"haystack"`
	Length    int               `json:"length"`
	Depth     float64           `json:"depth"`
	PromptIDs []int32           `json:"prompt_ids"`
	Span      [2]int            `json:"span"`
	AnswerIDs []int32           `json:"answer_ids"`
	Needle    map[string]string `json:"needle"`
	Top       [][2]float64      `json:"top5"`
	Forced    oracleScores      `json:"forced"`
	Greedy    oracleScores      `json:"greedy"`

	mass *oracleMass
}

// oracleMass are the values of a further program, for some of the trials:
// method → [layer][head].
type oracleMass struct {
	ID             string `json:"id"`
	Forced, Greedy map[string][][]float64
}

type oracleScores struct {
	IDs       []int32     `json:"ids"`
	F1        float64     `json:"f1"`
	LogProb   float64     `json:"answer_logprob"`
	HeadKVR2  [][]float64 `json:"headkv_r2"`
	Retrieval [][]float64 `json:"retrieval"`
}

func readOracle(t *testing.T, name string) oracle {
	t.Helper()
	o := oracle{reference.Trials[oracleTrial](t, name)}
	var mass struct{ Trials []*oracleMass }
	reference.Read(t, "mass.json", &mass)
	known := 0
	for i := range o.Trials {
		for _, m := range mass.Trials {
			if m.ID == o.Trials[i].ID {
				o.Trials[i].mass = m
				known++
			}
		}
	}
	if known < 3 {
		t.Fatalf("mass.json knows %d trials of %s", known, name)
	}
	return o
}

// checkMass holds semantic and r2-mass to their values.
func checkMass(t *testing.T, r *probe.Record, want map[string][][]float64) {
	t.Helper()
	for _, method := range []string{"semantic", "r2-mass"} {
		if len(want[method]) == 0 {
			t.Fatalf("%s: mass.json has no %s", r.ID, method)
		}
		if d, at := worst(r.Scores[method], want[method]); d > scoreTolerance {
			t.Errorf("%s: %s differs by %.1e at %s", r.ID, method, d, at)
		}
	}
}

// Tolerances of the specification.
const (
	scoreTolerance = 5e-4
	logitTolerance = 2e-2
)

// runTrials runs the oracle's prompts through 'headprof score --trials'.
func runTrials(t *testing.T, o oracle, args ...string) map[string]*probe.Record {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "trials.jsonl")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	e := json.NewEncoder(f)
	for _, x := range o.Trials {
		if err := e.Encode(map[string]any{"id": x.ID, "prompt_ids": x.PromptIDs, "span": x.Span, "answer_ids": x.AnswerIDs}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	root := newRoot()
	root.SetArgs(append([]string{"score", "--quiet", "--trials", file, "--out", out}, args...))
	// A run in which no trial passes ends with exit code 3, its journal complete.
	var x *exit
	if err := root.Execute(); err != nil && !(asExit(err, &x) && x.code == exitNoScore) {
		t.Fatal(err)
	}
	return readJournal(t, filepath.Join(out, "trials.jsonl"))
}

func asExit(err error, x **exit) bool {
	e, ok := err.(*exit)
	*x = e
	return ok
}

func readJournal(t *testing.T, path string) map[string]*probe.Record {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records := map[string]*probe.Record{}
	s := bufio.NewScanner(f)
	s.Buffer(nil, 64<<20)
	for s.Scan() {
		var r probe.Record
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		records[r.ID] = &r
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return records
}

func worst(got [][]probe.Score, want [][]float64) (worst float64, where string) {
	for l := range want {
		for h := range want[l] {
			if d := math.Abs(float64(got[l][h]) - want[l][h]); !(d <= worst) {
				worst, where = d, fmt.Sprintf("L%d.H%d: %v, want %v", l, h, got[l][h], want[l][h])
			}
		}
	}
	return worst, where
}

// Fed the expected answers, every head of both real models scores as in the
// independent implementation, in every method of needle trials.
func TestForcedScoresEqualTheOracle(t *testing.T) {
	for _, m := range reference.Models {
		t.Run(m.Name, func(t *testing.T) {
			o := readOracle(t, m.Name)
			records := runTrials(t, o, "--model", reference.Model(t, m.File), "--decode", "forced")
			for _, x := range o.Trials {
				r := records[x.ID]
				if r == nil {
					t.Fatalf("trial %s is not in the journal", x.ID)
				}
				if d, at := worst(r.Scores["headkv-r2"], x.Forced.HeadKVR2); d > scoreTolerance {
					t.Errorf("%s: headkv-r2 differs by %.1e at %s", x.ID, d, at)
				}
				if d, at := worst(r.Scores["retrieval"], x.Forced.Retrieval); d > scoreTolerance {
					t.Errorf("%s: retrieval differs by %.1e at %s", x.ID, d, at)
				}
				if x.mass != nil {
					checkMass(t, r, x.mass.Forced)
				}
				if r.LogProb == nil || math.Abs(*r.LogProb-x.Forced.LogProb) > 5*logitTolerance {
					t.Errorf("%s: answer log-probability %v, want %v", x.ID, r.LogProb, x.Forced.LogProb)
				}
			}
		})
	}
}

// Left to themselves under the published rule, both models say what they say
// in the independent implementation, token for token.
func TestGreedyAnswersEqualTheOracle(t *testing.T) {
	for _, m := range reference.Models {
		t.Run(m.Name, func(t *testing.T) {
			o := readOracle(t, m.Name)
			records := runTrials(t, o, "--model", reference.Model(t, m.File), "--decode", "greedy", "--judge", "f1")
			for _, x := range o.Trials {
				r := records[x.ID]
				if r == nil {
					t.Fatalf("trial %s is not in the journal", x.ID)
				}
				for i, top := range x.Top {
					if int32(top[0]) != r.Top[i].ID || math.Abs(top[1]-float64(r.Top[i].Logit)) > logitTolerance {
						t.Errorf("%s: candidate %d is %v, want %v", x.ID, i, r.Top[i], top)
					}
				}
				if x.Top[0][1]-x.Top[1][1] < logitTolerance && !slices.Equal(r.IDs, x.Greedy.IDs) {
					t.Logf("%s: the first two candidates are closer than the tolerance; answers may differ", x.ID)
					continue
				}
				if !slices.Equal(r.IDs, x.Greedy.IDs) {
					t.Errorf("%s: answer %v, want %v", x.ID, r.IDs, x.Greedy.IDs)
					continue
				}
				if d, at := worst(r.Scores["headkv-r2"], x.Greedy.HeadKVR2); d > scoreTolerance {
					t.Errorf("%s: headkv-r2 differs by %.1e at %s", x.ID, d, at)
				}
				if d, at := worst(r.Scores["retrieval"], x.Greedy.Retrieval); d > scoreTolerance {
					t.Errorf("%s: retrieval differs by %.1e at %s", x.ID, d, at)
				}
				if x.mass != nil {
					checkMass(t, r, x.mass.Greedy)
				}
			}
		})
	}
}
