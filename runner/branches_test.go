package runner_test

import (
	"slices"
	"testing"

	"headprof/fixtures"
	"headprof/runner"
	"headprof/runner/backend"
	"headprof/runner/backend/backendtest"
)

// A branch whose head keeps some entries has the logits of a session of its
// own whose cache was cut; one whose head's output is replaced by what the head
// computes anyway has the session's. Both to the byte, however many branches
// are computed at once.
func TestBranchesEqualSessions(t *testing.T) {
	tokens := make([]int32, 90)
	for i := range tokens {
		tokens[i] = int32(20 + i*7%60)
	}
	prompt, fed := tokens[:86], tokens[86:]
	keep := []int32{0, 1, 2, 70, 71, 80, 85}
	for _, chunk := range []int{8, 24, 512, 513, 514} {
		data, attending := fixtures.Tiny(), 0
		if chunk == 513 {
			data, attending = backendtest.Hybrid(), 1
		}
		if chunk == 514 {
			data = backendtest.Parallel()
		}
		m, err := runner.OpenBytes("model", data, runner.Options{Chunk: chunk, Threads: 1 + chunk%3})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		shape := m.Shape()
		s := session(t, m, prompt)
		var list []runner.Branch
		want := [][][]float32{logits(t, s, len(prompt), fed, nil)}
		for l := len(shape) - 1; l >= 0; l-- { // any order
			for h := range shape[l].KVHeads {
				list = append(list, runner.Branch{Layer: l, KVHead: h, Keep: keep})
				f, err := s.Fork(len(prompt))
				if err != nil {
					t.Fatal(err)
				}
				if err := f.Cache().Keep(l, h, keep); err != nil {
					t.Fatal(err)
				}
				want = append(want, logits(t, f, -1, fed, nil))
			}
		}
		cuts := len(list)
		own := make([][]float32, len(shape)) // the heads' outputs at the first fed token
		logits(t, s, len(prompt), fed, own)
		for l := range shape {
			d := shape[l].ValueDim
			for h := range shape[l].Heads {
				list = append(list, runner.Branch{Layer: l, Head: h, Output: own[l][h*d:][:d]})
				want = append(want, want[0])
			}
		}
		// A head that gives zero there and nowhere else differs.
		zero := runner.Branch{Layer: attending, Head: 0, Output: make([]float32, shape[attending].ValueDim)}
		list = append(list, zero)

		got := make([][][]float32, len(list)+1)
		if err := s.Branches(t.Context(), fed, list, func(b int, rows [][]float32) error {
			for _, r := range rows {
				got[b+1] = append(got[b+1], slices.Clone(r))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if s.Len() != len(prompt) {
			t.Fatalf("the session holds %d tokens afterwards, want %d", s.Len(), len(prompt))
		}
		for b := range want {
			if !slices.EqualFunc(got[b], want[b], slices.Equal[[]float32]) {
				t.Errorf("chunk %d: branch %d differs from its own session", chunk, b-1)
			}
		}
		for b := 1; b <= cuts; b++ {
			if slices.EqualFunc(got[b], want[0], slices.Equal[[]float32]) {
				t.Errorf("cut %d changes nothing", b-1)
			}
		}
		if last := got[len(list)]; slices.Equal(last[0], want[0][0]) {
			t.Error("a head without output changes nothing")
		}
	}
}

func session(t *testing.T, m *runner.Model, tokens []int32) *runner.Session {
	t.Helper()
	s, err := m.NewSession(2 * len(tokens))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if _, err := s.Extend(t.Context(), tokens, runner.Watch{}); err != nil {
		t.Fatal(err)
	}
	return s
}

// logits feeds tokens and gives all their logits; with outputs also the heads'
// outputs at the first of them. The session is cut back to length; −1: it is not.
func logits(t *testing.T, s *runner.Session, length int, tokens []int32, outputs [][]float32) [][]float32 {
	t.Helper()
	w := runner.Watch{}
	for i := range tokens {
		w.Logits = append(w.Logits, s.Len()+i)
	}
	if outputs != nil {
		first := s.Len()
		w.Outputs = func(o backend.Outputs) {
			if o.Positions[0] == first {
				outputs[o.Layer] = slices.Clone(o.Heads[:o.Attention.Heads*o.Attention.ValueDim])
			}
		}
	}
	rows, err := s.Extend(t.Context(), tokens, w)
	if err == nil && length >= 0 {
		err = s.Truncate(length)
	}
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
