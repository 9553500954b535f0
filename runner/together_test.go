package runner_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"headprof/fixtures"
	"headprof/runner"
	"headprof/runner/backend/backendtest"
)

// Answers of different lengths that are decoded side by side, from forks of one
// prompt and with caches cut differently, are those decoded alone, to the byte.
func TestTogetherIsExact(t *testing.T) {
	for name, data := range map[string][]byte{"tiny": fixtures.Tiny(), "hybrid": backendtest.Hybrid(), "parallel": backendtest.Parallel()} {
		t.Run(name, func(t *testing.T) {
			m, err := runner.OpenBytes(name, data, runner.Options{Threads: 2, Chunk: 40})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			togetherIsExact(t, m)
		})
	}
}

func togetherIsExact(t *testing.T, m *runner.Model) {
	prompt := prompts(1)[0][:60]
	run := func(together bool) [][][]float32 {
		base := session(t, m, prompt)
		out := make([][][]float32, 5)
		answer := func(ctx context.Context, i int, extend runner.ExtendFunc) error {
			s, err := base.Fork(len(prompt) - i)
			if err != nil {
				return err
			}
			defer s.Close()
			if i == 2 { // a cut cache
				if err := s.Cache().Keep(1, 0, []int32{0, 3, 40, 50}); err != nil {
					return err
				}
			}
			for step := range 3 + 2*i {
				tokens := prompt[step : step+1+i%3] // now one token, now several
				logits, _, err := extend(ctx, s, tokens, runner.Watch{Logits: []int{s.Len() + len(tokens) - 1}})
				if err != nil {
					return err
				}
				out[i] = append(out[i], logits...)
			}
			return nil
		}
		if together {
			if err := runner.Together(context.Background(), len(out), answer); err != nil {
				t.Fatal(err)
			}
			return out
		}
		for i := range out {
			if err := answer(context.Background(), i, runner.ExtendAlone); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	if got, want := run(true), run(false); !reflect.DeepEqual(got, want) {
		t.Error("results differ")
	}
}

// The error that ended all is the one reported, and nobody waits for ever.
func TestTogetherReportsWhatFailed(t *testing.T) {
	m, err := runner.OpenBytes("tiny", fixtures.Tiny(), runner.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	wrong := errors.New("wrong")
	step := func(ctx context.Context, extend runner.ExtendFunc) error {
		s, err := m.NewSession(4)
		if err != nil {
			return err
		}
		defer s.Close()
		for range 3 {
			if _, _, err := extend(ctx, s, []int32{20}, runner.Watch{}); err != nil {
				return err
			}
		}
		return nil
	}
	err = runner.Together(context.Background(), 3, func(ctx context.Context, i int, extend runner.ExtendFunc) error {
		if i == 2 {
			return wrong
		}
		return step(ctx, extend)
	})
	if err != wrong {
		t.Errorf("%v, want the error of the one that failed", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err = runner.Together(ctx, 2, func(ctx context.Context, _ int, extend runner.ExtendFunc) error { return step(ctx, extend) })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want a cancellation", err)
	}
}
