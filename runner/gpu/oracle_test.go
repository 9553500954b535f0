package gpu_test

import (
	"context"
	"math"
	"os"
	"sort"
	"sync"
	"testing"

	"headprof/fixtures/reference"
	"headprof/runner"
	"headprof/runner/backend"
	"headprof/runner/gpu"
)

// trial is one reference trial; see fixtures/reference/README.md.
type trial struct {
	ID     string      `json:"id"`
	Prompt []int32     `json:"prompt_ids"`
	Answer []int32     `json:"answer_ids"`
	Span   [2]int      `json:"span"`
	Top5   [][]float64 `json:"top5"`
	Forced struct {
		R2        [][]float64 `json:"headkv_r2"`
		Retrieval [][]float64 `json:"retrieval"`
		LogProb   float64     `json:"answer_logprob"`
	} `json:"forced"`
}

// Scores and logits of the reference (transformers, float32): on a software
// device the same tolerances as the CPU's with float32, looser ones where
// products or the cache round to binary16.
func TestOracleTrials(t *testing.T) { gpu.OnEach(t, testOracleTrials) }

func testOracleTrials(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real models")
	}
	for _, c := range []struct {
		model, file    string
		longest, count int // prompt tokens; trials, of all without HEADPROF_ALL_TRIALS
		options        runner.Options
		score, logit   float64
	}{
		{"smollm2", "smollm2.gguf", 512, 1, runner.Options{}, 5e-4, 2e-2},
		{"smollm2", "smollm2.gguf", 256, 0, runner.Options{GPUMath: "f16", KV: backend.KVF16}, 5e-3, 2e-1},
		{"gemma3", "gemma3-270m.gguf", 512, 1, runner.Options{}, 5e-4, 2e-2},
	} {
		name := c.model + "-f32"
		if c.options.GPUMath == "f16" {
			name = c.model + "-f16"
		}
		if os.Getenv("HEADPROF_ALL_TRIALS") == "1" { // minutes on a software device
			c.count = 100
		}
		if c.count == 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			c.options.Device = gpu.DeviceOf(t)
			m, err := runner.Open(reference.Model(t, c.file), c.options)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			for _, tr := range reference.Trials[trial](t, c.model) {
				if len(tr.Prompt) > c.longest || c.count == 0 {
					continue
				}
				c.count--
				compare(t, m, tr, c.score, c.logit)
			}
		})
	}
}

// compare runs a trial's forced decoding in one step and compares it.
func compare(t *testing.T, m *runner.Model, tr trial, scoreLimit, logitLimit float64) {
	t.Helper()
	s, err := m.NewSession(len(tr.Prompt) + len(tr.Answer))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tokens := append(append([]int32(nil), tr.Prompt...), tr.Answer[:len(tr.Answer)-1]...)
	var at []int
	for i := range tr.Answer {
		at = append(at, len(tr.Prompt)-1+i)
	}
	var lock sync.Mutex
	layers, heads := len(tr.Forced.R2), len(tr.Forced.R2[0])
	r2, retrieval := make([]float64, layers*heads), make([]float64, layers*heads)
	rows := 0
	watch := runner.Watch{Attention: at, Logits: at, Top: tr.Span[1] - tr.Span[0], Rows: func(r backend.Row) {
		a, b := scores(r, tr)
		lock.Lock()
		defer lock.Unlock()
		rows++
		r2[r.Layer*heads+r.Head] += a
		retrieval[r.Layer*heads+r.Head] += b
	}}
	logits, err := s.Extend(context.Background(), tokens, watch)
	if err != nil {
		t.Fatal(err)
	}
	if want := layers * heads * len(at); rows != want {
		t.Fatalf("%s: %d rows were delivered, want %d", tr.ID, rows, want)
	}
	var worst, worstLogit, logProb float64
	for l := range layers {
		for h := range heads {
			worst = max(worst, math.Abs(r2[l*heads+h]-tr.Forced.R2[l][h]))
			if d := math.Abs(retrieval[l*heads+h] - tr.Forced.Retrieval[l][h]); d > scoreLimit && scoreLimit < 1e-3 {
				t.Errorf("%s: layer %d head %d: retrieval %v, want %v", tr.ID, l, h, retrieval[l*heads+h], tr.Forced.Retrieval[l][h])
			}
		}
	}
	for _, c := range tr.Top5 {
		worstLogit = max(worstLogit, math.Abs(float64(logits[0][int(c[0])])-c[1]))
	}
	for i, id := range tr.Answer {
		logProb += logProbability(logits[i], id)
	}
	t.Logf("%s, %d tokens: scores within %.2g, logits within %.2g, answer log probability %.4f (reference %.4f)", tr.ID, len(tokens), worst, worstLogit, logProb, tr.Forced.LogProb)
	if worst > scoreLimit {
		t.Errorf("%s: a score is %.2g off", tr.ID, worst)
	}
	if worstLogit > logitLimit {
		t.Errorf("%s: a logit is %.2g off", tr.ID, worstLogit)
	}
	if d := math.Abs(logProb - tr.Forced.LogProb); d > logitLimit*math.Max(1, math.Abs(tr.Forced.LogProb)) {
		t.Errorf("%s: answer log probability %v, want %v", tr.ID, logProb, tr.Forced.LogProb)
	}
}

func logProbability(logits []float32, id int32) float64 {
	top, sum := math.Inf(-1), 0.0
	for _, x := range logits {
		top = max(top, float64(x))
	}
	for _, x := range logits {
		sum += math.Exp(float64(x) - top)
	}
	return float64(logits[id]) - top - math.Log(sum)
}

// scores are one step's, as the README of the reference defines them.
func scores(r backend.Row, tr trial) (r2, retrieval float64) {
	k := tr.Span[1] - tr.Span[0]
	order := make([]int, len(r.Weights))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return r.Weights[order[i]] > r.Weights[order[j]] })
	inside := func(i int) bool { return r.First+i >= tr.Span[0] && r.First+i < tr.Span[1] }
	for _, i := range order[:min(k, len(order))] {
		if inside(i) {
			r2 += float64(r.Weights[i]) / float64(k)
		}
	}
	step := r.Position - (len(tr.Prompt) - 1)
	if inside(order[0]) && tr.Prompt[r.First+order[0]] == tr.Answer[step] {
		retrieval = 1 / float64(len(tr.Answer))
	}
	return r2, retrieval
}
