package gpu_test

import (
	"context"
	"encoding/json"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"headprof/fixtures"
	"headprof/fixtures/reference"
	"headprof/runner"
	"headprof/runner/arch"
	"headprof/runner/backend"
	"headprof/runner/gguf"
	"headprof/runner/gpu"
)

// A model of each kind of block computes what transformers computes
// (runner/arch/testdata, made by its generate.py), with the CPU's tolerances.
func TestFamiliesEqualTransformers(t *testing.T) { gpu.OnEach(t, testFamiliesEqualTransformers) }

func testFamiliesEqualTransformers(t *testing.T) {
	b, err := gpu.New(gpu.Options{Device: gpu.DeviceOf(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	found, err := filepath.Glob("../arch/testdata/*/golden.json.gz")
	if err != nil || len(found) < 30 {
		t.Fatalf("%d golden models (%v)", len(found), err)
	}
	for _, path := range found {
		dir := filepath.Dir(path)
		var want struct {
			Weights   string
			Tokens    []int32
			Positions []int
			Logits    [][]float32     // [position][token]
			Rows      [][][][]float32 // [position][layer][head][key]
		}
		if err := json.Unmarshal(reference.Unzip(t, path), &want); err != nil {
			t.Fatal(err)
		}
		if want.Weights != "" { // another case's weights under other settings: nothing new for a GPU
			continue
		}
		t.Run(filepath.Base(dir), func(t *testing.T) {
			f, err := gguf.OpenBytes(dir, reference.Unzip(t, dir, "model.gguf.gz"))
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Set("headprof.context", len(want.Tokens)); err != nil {
				t.Fatal(err)
			}
			m, err := arch.Load(f, b)
			if err != nil {
				t.Fatal(err)
			}
			c := m.Config()
			cache, err := b.NewCache(c.Shape(), backend.KVF32, len(want.Tokens))
			if c.Shape().State() > 0 { // recurrent layers are not computed; runner refuses them before
				if err == nil || !strings.Contains(err.Error(), "--device cpu") {
					t.Errorf("a cache of recurrent layers: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer cache.Close()
			var lock sync.Mutex
			var rows float64
			at := map[int]int{}
			for i, p := range want.Positions {
				at[p] = i
			}
			o, err := b.Begin(cache, len(want.Tokens), &backend.Watch{Rows: want.Positions, Deliver: func(r backend.Row) {
				lock.Lock()
				defer lock.Unlock()
				for i, x := range want.Rows[at[r.Position]][r.Layer][r.Head] {
					got := float32(0)
					if i >= r.First {
						got = r.Weights[i-r.First]
					}
					rows = worse(rows, got, x)
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			x := o.Keep(m.Embed(o, want.Tokens))
			for l := range c.Layers {
				var live []int
				if l == len(c.Layers)-1 {
					live = want.Positions
				}
				x = o.Keep(m.Layer(o, l, x, live))
				o.EndLayer()
			}
			got := o.Read(m.Logits(o, x))
			var logits float64
			for i := range want.Positions {
				for j, y := range want.Logits[i] {
					logits = worse(logits, got[i*c.Vocab+j], y)
				}
			}
			if err := o.Flush(); c.Family == "gemma3n" || c.Family == "deepseek2" {
				if err == nil || !strings.Contains(err.Error(), "--device cpu") {
					t.Errorf("what the GPU does not compute: %v", err)
				}
				return
			} else if err != nil {
				t.Fatal(err)
			}
			if !(logits < 1e-4) || !(rows < 1e-5) {
				t.Errorf("logits differ by up to %.2g, attention rows by up to %.2g", logits, rows)
			}
		})
	}
}

// worse is the larger of most and |got − want|; NaN counts as largest.
func worse(most float64, got, want float32) float64 {
	if d := math.Abs(float64(got) - float64(want)); !(d <= most) {
		return d
	}
	return most
}

// The built-in model's golden trials (PyTorch, float32; fixtures/golden).
func TestTinyModelsTrials(t *testing.T) { gpu.OnEach(t, testTinyModelsTrials) }

func testTinyModelsTrials(t *testing.T) {
	var file struct{ Trials []trial }
	if err := json.Unmarshal(reference.Unzip(t, "../../fixtures/golden/tiny-trials.json.gz"), &file); err != nil {
		t.Fatal(err)
	}
	m, err := runner.OpenBytes("tiny", fixtures.Tiny(), runner.Options{Device: gpu.DeviceOf(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if api := strings.ToLower(t.Name()[strings.LastIndex(t.Name(), "/")+1:]); !strings.HasPrefix(m.Kernels(), api+" f32 on ") {
		t.Errorf("kernels are %q", m.Kernels())
	}
	for _, tr := range file.Trials {
		if len(tr.Prompt) <= 260 {
			compare(t, m, tr, 5e-4, 2e-2)
		}
	}
}

// Reuse of a prefix and drafts change no byte.
func TestSessionsReuseAndDraft(t *testing.T) { gpu.OnEach(t, testSessionsReuseAndDraft) }

func testSessionsReuseAndDraft(t *testing.T) {
	m, err := runner.OpenBytes("tiny", fixtures.Tiny(), runner.Options{Device: gpu.DeviceOf(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ids := make([]int32, 60)
	for i := range ids {
		ids[i] = int32(20 + i*7%200)
	}
	run := func(prepare func(s *runner.Session) *runner.Session) []float32 {
		s, err := m.NewSession(10)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { s.Close() }()
		s = prepare(s)
		out, err := s.Extend(context.Background(), ids[s.Len():], runner.Watch{Logits: []int{59}})
		if err != nil {
			t.Fatal(err)
		}
		return out[0]
	}
	extend := func(s *runner.Session, ids []int32) {
		if _, err := s.Extend(context.Background(), ids, runner.Watch{}); err != nil {
			t.Fatal(err)
		}
	}
	want := run(func(s *runner.Session) *runner.Session { return s })
	// Two sessions side by side, layer by layer.
	var jobs []runner.Job
	for range 2 {
		s, err := m.NewSession(60)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		jobs = append(jobs, runner.Job{Session: s, Tokens: ids, Watch: runner.Watch{Logits: []int{59}}})
	}
	jobs[1].Tokens = append(append([]int32(nil), ids[1:]...), ids[0])
	both, err := runner.ExtendAll(context.Background(), jobs)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if both[0][0][i] != want[i] {
			t.Fatalf("side by side: logit %d is %v, want %v", i, both[0][0][i], want[i])
		}
	}
	for name, prepare := range map[string]func(s *runner.Session) *runner.Session{
		"reuse": func(s *runner.Session) *runner.Session {
			extend(s, append(append([]int32(nil), ids[:40]...), 5, 6, 7, 8))
			if err := s.Truncate(40); err != nil {
				t.Fatal(err)
			}
			return s
		},
		"fork": func(s *runner.Session) *runner.Session {
			extend(s, ids[:50])
			f, err := s.Fork(33)
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			return f
		},
		"cancelled": func(s *runner.Session) *runner.Session {
			extend(s, ids[:20])
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if _, err := s.Extend(ctx, ids[20:], runner.Watch{}); err == nil {
				t.Error("a cancelled step succeeded")
			}
			if s.Len() != 20 {
				t.Errorf("a cancelled step left %d tokens", s.Len())
			}
			return s
		},
	} {
		got := run(prepare)
		for i := range want {
			if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
				t.Errorf("%s: logit %d is %v, want %v", name, i, got[i], want[i])
				break
			}
		}
	}
}
