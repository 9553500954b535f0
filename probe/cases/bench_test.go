package cases

import (
	"testing"
	"time"

	"headprof/fixtures/reference"
	"headprof/probe"
	"headprof/runner"
	"headprof/scoring"
)

var (
	started = time.Now()
	clock   = func() time.Duration { return time.Since(started) }
	peak    = func() float64 { return 0 } // memory that the process held at most, in MB
)

// What causal scores cost, in forward passes over the prompt:
//
//	HEADPROF_MODELS=… go test -run - -bench Cause -benchtime 3x ./probe/cases
func BenchmarkCause(b *testing.B) {
	for _, model := range reference.Models {
		m, err := runner.Open(reference.Model(b, model.File), runner.Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer m.Close()
		e, err := probe.ModelOf(m)
		if err != nil {
			b.Fatal(err)
		}
		prompt := make([]int32, 2048)
		for i := range prompt {
			prompt[i] = int32(1000 + i*7919%20000)
		}
		five := []int32{5, 900, 17, 2000, 33}
		for _, c := range []struct {
			name   string
			prompt Case
			method scoring.Named
		}{
			{"cache-cut", &answer{ID: "a", Prompt: prompt, Answer: five}, &scoring.CacheCut{Sink: 4, Recent: 32}},
			{"curve", &answer{ID: "a", Prompt: prompt, Answer: five}, &scoring.CacheCut{Sink: 4, Recent: 32, Curve: "8,16,32,64,128,256,512,1024,2048", By: "snapkv"}},
			{"taylor", &answer{ID: "a", Prompt: prompt, Answer: five}, &scoring.Taylor{}},
			{"patch", &swap{ID: "s", Clean: prompt, Corrupted: prompt, Answer: five}, &scoring.Patch{}},
		} {
			b.Run(model.Name+"/"+c.name, func(b *testing.B) {
				var forward, whole time.Duration
				var before float64
				for range b.N {
					s, err := e.NewSession(len(prompt))
					if err != nil {
						b.Fatal(err)
					}
					start := clock()
					if _, err := s.Extend(b.Context(), prompt, probe.Watch{}); err != nil {
						b.Fatal(err)
					}
					forward += clock() - start
					if before == 0 {
						before = peak()
					}
					s.Close()
					start = clock()
					if _, err := Run(b.Context(), e, c.prompt, []scoring.Named{c.method}); err != nil {
						b.Fatal(err)
					}
					whole += clock() - start
				}
				b.ReportMetric(whole.Seconds()/forward.Seconds(), "prefills")
				b.ReportMetric(forward.Seconds()/float64(b.N), "CPU-s/prefill")
				b.ReportMetric(before, "MB-prefill")
				b.ReportMetric(peak(), "MB")
			})
		}
	}
}
