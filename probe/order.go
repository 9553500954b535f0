package probe

import (
	"cmp"
	"slices"
)

// random is SplitMix64 (Steele, Lea, Flood 2014): small, seeded, and the same
// in every version of Go, so that a plan's order never changes.
type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below gives a number in [0, n). The bias of the remainder is under n/2⁶⁴.
func (r *random) below(n int) int { return int(r.next() % uint64(n)) }

// sampled is how many of the remaining points compete for the next place of a
// balanced order.
const sampled = 512

// maxPairs bounds the table of two factors' levels. Above it nearly every pair
// occurs once, and there is nothing to balance.
const maxPairs = 1 << 20

// balanced gives the indexes of points in a seeded order in which every level
// of every factor, and every pair of levels of two factors, occurs about
// equally often in any beginning. Each place goes to the point that has been
// served least so far among those drawn for it.
func balanced(points [][4]int32, seed uint64) func() (int, bool) {
	rng := random(seed)
	left := make([]int, len(points))
	var size [4]int
	for i := range left {
		left[i] = i
		for f, l := range points[i] {
			size[f] = max(size[f], int(l)+1)
		}
	}
	for i := len(left) - 1; i > 0; i-- {
		j := rng.below(i + 1)
		left[i], left[j] = left[j], left[i]
	}
	var single [4][]int
	var pairs [4][4][]int
	for f := range single {
		single[f] = make([]int, size[f])
		for g := f + 1; g < len(size); g++ {
			if n := size[f] * size[g]; size[f] > 1 && size[g] > 1 && n <= maxPairs {
				pairs[f][g] = make([]int, n)
			}
		}
	}
	served := func(p [4]int32) (n int) {
		for f := range p {
			// A factor's counts are weighed by its size, so that few depths
			// and many needles are kept equally even.
			n += 16 * single[f][p[f]] * size[f]
			for g := f + 1; g < len(p); g++ {
				if counts := pairs[f][g]; counts != nil {
					n += counts[int(p[f])*size[g]+int(p[g])] * len(counts)
				}
			}
		}
		return n
	}
	return func() (int, bool) {
		if len(left) == 0 {
			return 0, false
		}
		draw := min(sampled, len(left))
		if draw < len(left) {
			for i := range draw {
				j := i + rng.below(len(left)-i)
				left[i], left[j] = left[j], left[i]
			}
		}
		best, least := 0, served(points[left[0]])
		for i := 1; i < draw; i++ {
			if n := served(points[left[i]]); n < least {
				best, least = i, n
			}
		}
		chosen := left[best]
		left[best] = left[len(left)-1]
		left = left[:len(left)-1]
		p := points[chosen]
		for f := range p {
			single[f][p[f]]++
			for g := f + 1; g < len(p); g++ {
				if counts := pairs[f][g]; counts != nil {
					counts[int(p[f])*size[g]+int(p[g])]++
				}
			}
		}
		return chosen, true
	}
}

// sortForReuse orders trials so that running them one after the other, each
// from where its prompt departs from the one before, computes every shared
// token once: a walk through the tree of prompts. Composed trials are sorted
// by what they are made of, the deepest needle first; given ones by their ids.
func sortForReuse(trials []*Trial) {
	slices.SortFunc(trials, func(a, b *Trial) int {
		if a.compose == nil || b.compose == nil {
			return cmp.Or(slices.Compare(a.prompt, b.prompt), cmp.Compare(a.Index, b.Index))
		}
		return cmp.Or(
			cmp.Compare(a.Haystack, b.Haystack),
			-cmp.Compare(a.Spine, b.Spine),
			cmp.Compare(a.Needle.Text, b.Needle.Text),
			-cmp.Compare(a.PromptTokens, b.PromptTokens),
			cmp.Compare(a.Index, b.Index),
		)
	})
}
