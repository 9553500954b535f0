package runner_test

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"headprof/runner"
	"headprof/runner/backend/backendtest"
)

// hybrids are models whose layers have attention or a state, and both.
var hybrids = map[string]func() []byte{"apart": backendtest.Hybrid, "parallel": backendtest.Parallel}

func hybrid(t *testing.T, kind string, o runner.Options) *runner.Model {
	t.Helper()
	m, err := runner.OpenBytes("hybrid", hybrids[kind](), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// next computes tokens and gives the logits of the last one.
func next(t *testing.T, s *runner.Session, tokens ...int32) []float32 {
	t.Helper()
	out, err := s.Extend(context.Background(), tokens, runner.Watch{Logits: []int{s.Len() + len(tokens) - 1}})
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

// Sequences of a model with recurrent layers that were cut back or forked at any
// position go on as if they had only ever held their tokens, to the byte,
// whatever the chunks and threads: prefixes may be shared and drafts rejected.
func TestRecurrentStatesGoBack(t *testing.T) {
	for kind := range hybrids {
		t.Run(kind, func(t *testing.T) { recurrentStatesGoBack(t, kind) })
	}
}

func recurrentStatesGoBack(t *testing.T, kind string) {
	tokens := make([]int32, 700)
	for i := range tokens {
		tokens[i] = int32(20 + i*7%60)
	}
	fresh := hybrid(t, kind, runner.Options{Threads: 2})
	want := map[int][]float32{}
	wanted := func(n int) []float32 {
		if want[n] == nil {
			s, err := fresh.NewSession(n)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			next(t, s, tokens[:n]...)
			want[n] = next(t, s, 33, 21)
		}
		return want[n]
	}
	for _, chunk := range []int{7, 512} {
		m := hybrid(t, kind, runner.Options{Chunk: chunk, Threads: 1 + chunk%3})
		s, err := m.NewSession(len(tokens))
		if err != nil {
			t.Fatal(err)
		}
		next(t, s, tokens...)
		for _, n := range []int{699, 690, 513, 511, 300, 3} {
			f, err := s.Fork(n)
			if err != nil {
				t.Fatal(err)
			}
			if got := next(t, f, 33, 21); !reflect.DeepEqual(got, wanted(n)) {
				t.Errorf("chunks of %d: a fork at %d goes on differently", chunk, n)
			}
			if err := f.Truncate(n); err != nil { // a rejected draft
				t.Fatal(err)
			}
			if got := next(t, f, 33, 21); !reflect.DeepEqual(got, wanted(n)) {
				t.Errorf("chunks of %d: after a draft at %d it goes on differently", chunk, n)
			}
			f.Close()
			if err := s.Truncate(n); err != nil {
				t.Fatal(err)
			}
			if got := next(t, s, 33, 21); !reflect.DeepEqual(got, wanted(n)) {
				t.Errorf("chunks of %d: cut back to %d it goes on differently", chunk, n)
			}
			if err := s.Truncate(n); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Truncate(0); err != nil || s.Len() != 0 {
			t.Fatalf("cut to nothing: %v, length %d", err, s.Len())
		}
	}
}

// A cache whose entries were dropped goes back to any position since, with its
// entries as they are.
func TestRecurrentStatesOfCutCaches(t *testing.T) {
	for kind := range hybrids {
		t.Run(kind, func(t *testing.T) { recurrentStatesOfCutCaches(t, kind) })
	}
}

func recurrentStatesOfCutCaches(t *testing.T, kind string) {
	tokens := make([]int32, 60)
	for i := range tokens {
		tokens[i] = int32(20 + i*7%60)
	}
	m := hybrid(t, kind, runner.Options{Threads: 2})
	run := func(draft ...int32) []float32 {
		s, err := m.NewSession(len(tokens))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { s.Close() }()
		next(t, s, tokens...)
		if err := s.Cache().Keep(1, 0, []int32{0, 5, 40, 59}); err != nil {
			t.Fatal(err)
		}
		next(t, s, 30)
		if len(draft) > 0 {
			next(t, s, append([]int32{41, 42}, draft...)...)
			f, err := s.Fork(len(tokens) + 3)
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			s = f
		} else {
			next(t, s, 41, 42)
		}
		if _, err := s.Fork(len(tokens) - 1); err == nil {
			t.Error("a cut cache went back to before it was cut")
		}
		return next(t, s, 50)
	}
	if got, want := run(23, 24, 25), run(); !reflect.DeepEqual(got, want) {
		t.Error("a rejected draft changes what follows")
	}
}

// Masks hold for the tokens that were computed under them, also when those are
// computed again.
func TestRecurrentStatesUnderMasks(t *testing.T) {
	for kind := range hybrids {
		t.Run(kind, func(t *testing.T) { recurrentStatesUnderMasks(t, kind) })
	}
}

func recurrentStatesUnderMasks(t *testing.T, kind string) {
	m := hybrid(t, kind, runner.Options{Threads: 2})
	masked := make([][]bool, len(m.Shape()))
	for l, a := range m.Shape() {
		masked[l] = make([]bool, a.Heads)
		for h := range masked[l] {
			masked[l][h] = true
		}
	}
	run := func(more ...int32) []float32 {
		s, err := m.NewSession(60)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		next(t, s, 20, 21, 22, 23, 24)
		s.Mask(masked)
		next(t, s, append([]int32{25, 26}, more...)...)
		s.Mask(nil)
		if err := s.Truncate(7); err != nil {
			t.Fatal(err)
		}
		return next(t, s, 27)
	}
	if got, want := run(40, 41), run(); !reflect.DeepEqual(got, want) {
		t.Error("what was masked is not when it is computed again")
	}
}

// What recurrent layers do not have is refused by name.
func TestRecurrentLayersAreRefused(t *testing.T) {
	for kind, family := range map[string]string{"apart": "qwen35", "parallel": "falcon-h1"} {
		m := hybrid(t, kind, runner.Options{})
		err := m.Backward(context.Background(), []int32{20, 21}, runner.Gradient{})
		if err == nil || !strings.Contains(err.Error(), `family "`+family+`": it has recurrent layers`) {
			t.Errorf("gradients: %v", err)
		}
	}
}
