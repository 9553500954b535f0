package probe

import (
	"slices"
	"testing"
)

// By hand: in the middle of a shard a trial costs 2, as its first one 10, but
// for the one trial of 20.
func TestCut(t *testing.T) {
	prompts := []int{10, 10, 10, 10, 10, 10}
	even := []int{10, 2, 2, 2, 2, 2}
	dear := []int{10, 2, 2, 20, 2, 2}
	for _, c := range []struct {
		perTrial []int
		shards   int
		want     []int
	}{
		{even, 1, []int{0}},
		{even, 2, []int{0, 3}}, // 14 and 14
		{even, 3, []int{0, 2, 4}},
		{even, 6, []int{0, 1, 2, 3, 4, 5}},
		{dear, 2, []int{0, 3}}, // 14 and 14: the dear one is the first of a shard
		{dear, 3, []int{0, 3, 5}},
	} {
		got := Cut(c.perTrial, prompts, c.shards)
		if !slices.Equal(got, c.want) {
			t.Errorf("%v in %d: %v, want %v", c.perTrial, c.shards, got, c.want)
		}
	}
}
