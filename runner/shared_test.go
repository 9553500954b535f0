package runner_test

import (
	"slices"
	"strings"
	"testing"

	"headprof/runner"
)

// Gemma 4's last layers read the caches of earlier ones. Cutting such a cache in
// a branch is what cutting it in a session of its own is, layers without a cache
// cannot be cut, and what is reused or forked changes no byte.
func TestSharedCaches(t *testing.T) {
	dir := golden(t, "gemma4")
	write(t, dir, "tokenizer.json", letters())
	m, err := runner.Open(dir, runner.Options{Chunk: 24})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	shape := m.Shape()
	if shape[4].Shares != 1 || shape[5].Shares != 3 || shape.KVHeads() != 8 {
		t.Fatalf("layers are %+v", shape)
	}
	tokens := make([]int32, 50)
	for i := range tokens {
		tokens[i] = int32(3 + i*7%60)
	}
	prompt, fed := tokens[:46], tokens[46:]
	keep := []int32{0, 1, 2, 30, 31, 40, 45}
	s := session(t, m, prompt)
	var list []runner.Branch
	want := [][][]float32{logits(t, s, len(prompt), fed, nil)}
	for l := range shape {
		for h := 0; h < shape[l].KVHeads && shape[l].Stores(); h++ {
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
	own := make([][]float32, len(shape))
	logits(t, s, len(prompt), fed, own)
	for l := range shape {
		d := shape[l].ValueDim
		list = append(list, runner.Branch{Layer: l, Head: 1, Output: own[l][d:][:d]})
		want = append(want, want[0])
	}
	got := make([][][]float32, len(want))
	if err := s.Branches(t.Context(), fed, list, func(b int, rows [][]float32) error {
		for _, r := range rows {
			got[b+1] = append(got[b+1], slices.Clone(r))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for b := range want {
		if !slices.EqualFunc(got[b], want[b], slices.Equal[[]float32]) {
			t.Errorf("branch %d differs from its own session", b-1)
		}
	}
	err = s.Branches(t.Context(), fed, []runner.Branch{{Layer: 5, Keep: keep}}, func(int, [][]float32) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "layer 5") {
		t.Errorf("cutting a cache that is not there: %v", err)
	}
	if err := m.Backward(t.Context(), tokens, runner.Gradient{}); err == nil || !strings.Contains(err.Error(), "gemma4") {
		t.Errorf("gradients: %v", err)
	}
}
