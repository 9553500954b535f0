package probe

import "slices"

// Cut divides trials, in the order in which one run takes them, into shards of
// about equal cost: neighbours share prefixes, so each shard computes again only
// the beginning of its first prompt. A shard is the trials from its start up to
// the next one's. None is empty where there are as many trials as shards.
//
// What a trial costs in the middle of a shard is what it costs in one run
// (prefill tokens of it, given what was computed before); as the first of a
// shard it costs its whole prompt. The largest shard is as small as it can be.
func Cut(perTrial, prompts []int, shards int) []int {
	n := len(perTrial)
	starts := func(most int) []int {
		s := []int{0}
		sum := prompts[0]
		for i := 1; i < n; i++ {
			left := shards - len(s) // shards that are still to begin
			if left > 0 && (sum+perTrial[i] > most || n-i == left) {
				s, sum = append(s, i), prompts[i]
				continue
			}
			sum += perTrial[i]
		}
		return s
	}
	largest := func(s []int) (most int) {
		for k, start := range s {
			end := n
			if k+1 < len(s) {
				end = s[k+1]
			}
			sum := prompts[start]
			for _, c := range perTrial[start+1 : end] {
				sum += c
			}
			most = max(most, sum)
		}
		return most
	}
	low, high := slices.Max(prompts), largest([]int{0})
	for low < high {
		middle := low + (high-low)/2
		if largest(starts(middle)) <= middle {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return starts(low)
}
