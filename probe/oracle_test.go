package probe

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"headprof/needle"
	"headprof/runner"
)

// shared opens a file of the reference data beside the repository.
func shared(t *testing.T, path string, absent bool) {
	t.Helper()
	if !absent {
		return
	}
	if os.Getenv("HEADPROF_REQUIRE_SHARED") == "1" {
		t.Fatalf("%s is needed (HEADPROF_REQUIRE_SHARED=1)", path)
	}
	t.Skipf("%s is not there", path)
}

type oracleTrial struct {
	ID        string      `json:"id"`
	PromptIDs []int32     `json:"prompt_ids"`
	Top5      [][]float64 `json:"top5"`
	Greedy    oracleMode  `json:"greedy"`
	Forced    oracleMode  `json:"forced"`
}

type oracleMode struct {
	IDs       []int32     `json:"ids"`
	F1        float64     `json:"f1"`
	R2        [][]float64 `json:"headkv_r2"`
	Retrieval [][]float64 `json:"retrieval"`
	LogProb   float64     `json:"answer_logprob"`
}

// The reference trials (transformers, float32; see ../shared/oracle/README.md)
// through the run that users get: reuse, drafts and journal included.
func TestOracleTrials(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real models")
	}
	for model, file := range map[string]string{"smollm2": "smollm2.gguf", "gemma3": "gemma3-270m.gguf"} {
		t.Run(model, func(t *testing.T) {
			path := filepath.Join("..", "..", "shared", "oracle", model+"-trials.json.gz")
			f, err := os.Open(path)
			shared(t, path, err != nil)
			defer f.Close()
			z, err := gzip.NewReader(f)
			if err != nil {
				t.Fatal(err)
			}
			var oracle struct {
				Trials []json.RawMessage `json:"trials"`
			}
			if err := json.NewDecoder(z).Decode(&oracle); err != nil {
				t.Fatal(err)
			}
			weights := filepath.Join(os.Getenv("HEADPROF_MODELS"), file)
			_, err = os.Stat(weights)
			shared(t, weights+" (folder named by HEADPROF_MODELS)", os.Getenv("HEADPROF_MODELS") == "" || err != nil)
			engine, err := runner.Open(weights, runner.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer engine.Close()
			m, err := ModelOf(engine)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]oracleTrial{}
			var lines strings.Builder
			for _, raw := range oracle.Trials {
				var o oracleTrial
				if err := json.Unmarshal(raw, &o); err != nil {
					t.Fatal(err)
				}
				want[o.ID] = o
				lines.Write(raw)
				lines.WriteByte('\n')
			}
			given, err := ReadTrials(path, strings.NewReader(lines.String()))
			if err != nil {
				t.Fatal(err)
			}
			for _, rules := range []Rules{greedyRules(), {Decode: Forced}} {
				p, err := NewPlan(m, given, PlanOptions{Rules: rules})
				if err != nil {
					t.Fatal(err)
				}
				r, err := Run(context.Background(), m, p, Options{Dir: t.TempDir()})
				if err != nil {
					t.Fatal(err)
				}
				if len(r.Records) != len(want) {
					t.Fatalf("%d records of %d trials", len(r.Records), len(want))
				}
				for _, rec := range r.Records {
					compareToOracle(t, rules, rec, want[rec.ID])
				}
			}
		})
	}
}

func compareToOracle(t *testing.T, rules Rules, rec *Record, o oracleTrial) {
	for i, c := range rec.Top {
		if d := math.Abs(float64(c.Logit) - o.Top5[i][1]); d > 2e-2 || int32(o.Top5[i][0]) != c.ID && nextGap(o.Top5, i) > 2e-2 {
			t.Errorf("%s: candidate %d is %d with %v, want %v", rec.ID, i, c.ID, c.Logit, o.Top5[i])
		}
	}
	mode := o.Greedy
	if rules.Decode == Forced {
		mode = o.Forced
		if d := math.Abs(*rec.LogProb - mode.LogProb); d > 1e-2*math.Max(1, math.Abs(mode.LogProb)) {
			t.Errorf("%s: answer log probability %v, want %v", rec.ID, *rec.LogProb, mode.LogProb)
		}
	} else {
		if nextGap(o.Top5, 0) < 4e-2 && len(mode.IDs) > 0 && (len(rec.IDs) == 0 || rec.IDs[0] != mode.IDs[0]) {
			t.Logf("%s: the first token is a near-tie and went the other way", rec.ID)
			return
		}
		if !slices.Equal(rec.IDs, mode.IDs) {
			t.Errorf("%s: generated %v, want %v", rec.ID, rec.IDs, mode.IDs)
		}
		if math.Abs(rec.F1-mode.F1) > 1e-5 {
			t.Errorf("%s: F1 %v, want %v", rec.ID, rec.F1, mode.F1)
		}
	}
	worst := 0.0
	for method, table := range map[string][][]float64{"headkv-r2": mode.R2, "retrieval": mode.Retrieval} {
		for l, row := range table {
			for h, v := range row {
				worst = math.Max(worst, math.Abs(float64(rec.Scores[method][l][h])-v))
			}
		}
	}
	if worst > 5e-4 {
		t.Errorf("%s, %s: a head's score is %.2g off", rec.ID, rules.Decode, worst)
	}
}

// nextGap is how far candidate i's logit lies from its nearest neighbour.
func nextGap(top [][]float64, i int) float64 {
	gap := math.Inf(1)
	if i > 0 {
		gap = top[i-1][1] - top[i][1]
	}
	if i+1 < len(top) {
		gap = math.Min(gap, top[i][1]-top[i+1][1])
	}
	return gap
}

// With a real engine too: reuse, drafts, chunks and threads change no byte of
// a run's folder.
func TestRealRunsAreIdentical(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real models")
	}
	path := filepath.Join(os.Getenv("HEADPROF_MODELS"), "smollm2.gguf")
	_, err := os.Stat(path)
	shared(t, path+" (folder named by HEADPROF_MODELS)", os.Getenv("HEADPROF_MODELS") == "" || err != nil)
	set, err := needle.EmbeddedSet(needle.Retrieval)
	if err != nil {
		t.Fatal(err)
	}
	g := Grid{
		Haystacks: []*needle.Haystack{needle.EmbeddedHaystack()}, Needles: set.Needles[:1],
		Lengths: []int{160, 224}, Depths: []float64{0, 50, 100}, KeepBefore: 8, Seed: 1,
	}
	var want string
	for i, c := range []struct {
		threads, chunk int
		o              Options
	}{
		{2, 512, Options{}},
		{1, 64, Options{Chunk: 64, NoReuse: true, NoDraft: true}},
	} {
		engine, err := runner.Open(path, runner.Options{Threads: c.threads, Chunk: c.chunk})
		if err != nil {
			t.Fatal(err)
		}
		m, err := ModelOf(engine)
		if err != nil {
			t.Fatal(err)
		}
		trials, err := g.Trials(m)
		if err != nil {
			t.Fatal(err)
		}
		p, err := NewPlan(m, trials, PlanOptions{Rules: Rules{Decode: Greedy, Judge: needle.Window{}}, Block: 4})
		if err != nil {
			t.Fatal(err)
		}
		c.o.Dir = t.TempDir()
		if _, err := Run(context.Background(), m, p, c.o); err != nil {
			t.Fatal(err)
		}
		got := outputs(t, c.o.Dir)
		if i == 0 {
			want = got
		} else if got != want {
			t.Errorf("%+v changes the output:\n%s", c, firstDifference(want, got))
		}
		engine.Close()
	}
}
