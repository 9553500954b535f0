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

// sortForReuse orders trials so that running them one after the other, each
// from where its prompt departs from the one before, computes every shared
// token once: a walk through the tree of prompts. Composed trials are sorted
// by what they are made of, the deepest needle first; given ones by their ids.
func sortForReuse(trials []*Trial) {
	slices.SortFunc(trials, func(a, b *Trial) int {
		if !a.composed || !b.composed {
			return cmp.Or(slices.Compare(a.prompt, b.prompt), cmp.Compare(a.Index, b.Index))
		}
		return cmp.Or(
			cmp.Compare(a.Haystack, b.Haystack),
			-cmp.Compare(a.SharedPrefix, b.SharedPrefix),
			cmp.Compare(a.Needle.Text, b.Needle.Text),
			-cmp.Compare(a.PromptTokens, b.PromptTokens),
			cmp.Compare(a.Index, b.Index),
		)
	})
}

// family is how many trials of one needle at one place are taken together.
// More would share more, and make a block less of a sample.
const family = 4

// families groups trials that have their needle and all before it in common:
// after the first of them the others cost only their ends. Each is at most
// family trials, near in length.
func families(trials []*Trial) [][]int {
	type place struct {
		haystack, needle string
		sharedPrefix     int
	}
	all := map[place][]int{}
	var order []place
	for i, t := range trials {
		p := place{t.Haystack, t.Needle.ID, t.SharedPrefix}
		if !t.composed {
			p.needle, p.sharedPrefix = t.ID, 0 // nothing is known of given trials
		}
		if all[p] == nil {
			order = append(order, p)
		}
		all[p] = append(all[p], i)
	}
	var out [][]int
	for _, p := range order {
		members := all[p]
		slices.SortStableFunc(members, func(a, b int) int { return cmp.Compare(trials[a].PromptTokens, trials[b].PromptTokens) })
		out = append(out, slices.Collect(slices.Chunk(members, family))...)
	}
	return out
}
