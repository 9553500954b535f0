package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"headprof/runner"
	"headprof/runner/cpu"
)

type benchFlags struct {
	modelFlags
	tokens          []int
	repeat, decoded int
	answers         int
	json            bool
}

// benchLine is one length's result; docs/formats.md describes the fields.
type benchLine struct {
	Model         string  `json:"model"`
	Tokens        int     `json:"tokens"`
	Threads       int     `json:"threads"`
	Kernels       string  `json:"kernels"`
	KVType        string  `json:"kv_type"`
	Prefill       float64 `json:"prefill_tok_s"` // best of the repeats
	PrefillMedian float64 `json:"prefill_tok_s_median"`
	Answers       int     `json:"answers,omitempty"` // decoded together; 1 is left out
	Decode        float64 `json:"decode_tok_s"`      // of all answers
	DecodeMedian  float64 `json:"decode_tok_s_median"`
	FirstToken    float64 `json:"first_token_s"` // from opening the file, first repeat only
	GFLOPs        float64 `json:"prefill_gflop_s"`
	PeakGFLOPs    float64 `json:"peak_gflop_s"` // of a pure multiply-add loop; 0: unknown
	PeakMB        float64 `json:"peak_mb"`      // resident, so far
	PredictedMB   float64 `json:"predicted_mb"`
}

func newBench() *cobra.Command {
	var f benchFlags
	c := &cobra.Command{
		Use:   "bench --model FILE --tokens 512,2048,4096",
		Short: "Measure prefill and decode speed and peak memory",
		Long: `Measure how fast a model reads a prompt (prefill) and answers (decode), and how
much memory it takes, at each length. Best of --repeat; --json has the median too.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	c.Flags().SortFlags = false
	f.register(c.Flags())
	c.Flags().IntSliceVar(&f.tokens, "tokens", []int{512, 2048, 4096}, "prompt lengths")
	c.Flags().IntVar(&f.repeat, "repeat", 3, "measurements of each length; best and median are given")
	c.Flags().IntVar(&f.decoded, "decode", 32, "tokens to decode one at a time after each prompt")
	c.Flags().IntVar(&f.answers, "answers", 1, "answers to decode together after each prompt, as eval does for its policies; decode speed is that of all")
	c.Flags().BoolVar(&f.json, "json", false, "print one JSON line per length")
	atLeast(c.Flags(), 1, "repeat", "decode", "answers")
	return c
}

func (f *benchFlags) run(cmd *cobra.Command) error {
	opened := time.Now()
	m, err := f.open()
	if err != nil {
		return err
	}
	defer m.Close()
	out, first, peak := cmd.OutOrStdout(), true, 0.0
	if !f.json {
		fmt.Fprintf(out, "%s, %d threads, %s\n%8s %14s %14s %12s %10s %10s\n", m.Name(), m.Options().Threads, m.Kernels(), "tokens", "prefill tok/s", "decode tok/s", "GFLOP/s", "of peak", "peak MB")
	}
	for i, n := range f.tokens {
		if i > 0 && n+f.decoded > m.Config().Context && !cmd.Flags().Changed("tokens") {
			break // the default lengths, as far as the model goes
		}
		l, start, err := f.measure(cmd.Context(), m, n)
		if err != nil {
			return err
		}
		if first { // measured last, so that it does not delay the first token
			first, l.FirstToken = false, math.Round(start.Sub(opened).Seconds()*1000)/1000
			if peak = m.PeakGFLOPS(); peak == 0 {
				peak = cpu.PeakGFLOPS(m.Options().Threads)
			}
		}
		l.PeakGFLOPs = math.Round(peak*10) / 10
		if f.json {
			if err := json.NewEncoder(out).Encode(l); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(out, "%8d %14.1f %14.1f %12.1f %9.0f%% %10.0f\n", n, l.Prefill, l.Decode, l.GFLOPs, 100*l.GFLOPs/max(1, peak), l.PeakMB)
	}
	return nil
}

// measure times one length; start is when the first token of all was known.
func (f *benchFlags) measure(ctx context.Context, m *runner.Model, n int) (benchLine, time.Time, error) {
	l := benchLine{Model: m.Name(), Tokens: n, Threads: m.Options().Threads, Kernels: m.Kernels(), KVType: f.kvType}
	var first time.Time
	if n < 1 || n+f.decoded > m.Config().Context {
		return l, first, fmt.Errorf("%d tokens and %d decoded ones do not fit %s, whose limit is %d; ask for fewer with --tokens", n, f.decoded, m.Name(), m.Config().Context)
	}
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32((i*7919)%max(1, m.Config().Vocab-300) + min(200, m.Config().Vocab/4))
	}
	if f.answers > 1 {
		l.Answers = f.answers
	}
	// Forks share the prompt's cache: each adds what it decodes.
	memory, err := m.MemoryOf(n+f.decoded*f.answers, n+f.decoded, 1)
	if err != nil {
		return l, first, err
	}
	holdGarbage(memory)
	var prefill, decode []float64
	for range f.repeat {
		s, err := m.NewSession(n + f.decoded)
		if err != nil {
			return l, first, err
		}
		t := time.Now()
		if _, err := s.Extend(ctx, ids, runner.Watch{Logits: []int{n - 1}}); err != nil {
			s.Close()
			return l, first, err
		}
		prefill = append(prefill, float64(n)/time.Since(t).Seconds())
		if first.IsZero() {
			first = time.Now()
		}
		rate, err := f.decode(ctx, s, ids)
		if err != nil {
			s.Close()
			return l, first, err
		}
		decode = append(decode, rate)
		s.Close()
	}
	l.Prefill, l.PrefillMedian = round1(slices.Max(prefill)), round1(median(prefill))
	l.Decode, l.DecodeMedian = round1(slices.Max(decode)), round1(median(decode))
	l.GFLOPs = round1(slices.Max(prefill) / float64(n) * m.Config().PrefillFLOPs(n) / 1e9)
	l.PeakMB = round1(float64(peakResident()) / 1e6)
	l.PredictedMB = round1(float64(memory.Total()) / 1e6)
	return l, first, nil
}

// decode gives the speed, in tokens/s of all answers, at which a prompt is continued.
func (f *benchFlags) decode(ctx context.Context, s *runner.Session, ids []int32) (float64, error) {
	all := []*runner.Session{s}
	for range f.answers - 1 {
		fork, err := s.Fork(s.Len())
		if err != nil {
			return 0, err
		}
		defer fork.Close()
		all = append(all, fork)
	}
	start := time.Now()
	for i := range f.decoded {
		var jobs []runner.Job
		for k, s := range all {
			at := (i + k) % len(ids)
			jobs = append(jobs, runner.Job{Session: s, Tokens: ids[at : at+1], Watch: runner.Watch{Logits: []int{s.Len()}}})
		}
		if _, err := runner.ExtendAll(ctx, jobs); err != nil {
			return 0, err
		}
	}
	return float64(f.decoded*f.answers) / time.Since(start).Seconds(), nil
}

func round1(x float64) float64 { return math.Round(10*x) / 10 }

func median(x []float64) float64 {
	s := slices.Sorted(slices.Values(x))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}
