package scoring

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// Permuted gives one method's rows with the scores of each layer's heads
// shuffled: a control for a profile, which keeps what layers are worth and
// forgets which of their heads is which. With groups the query heads of a KV
// head stay together, so that a budget of KV heads keeps each layer's numbers.
// The result depends on the rows and the seed alone.
func Permuted(rows []Head, groups bool, seed uint64) []Head {
	out := slices.Clone(rows)
	slices.SortFunc(out, func(a, b Head) int { return cmp.Or(cmp.Compare(a.Layer, b.Layer), cmp.Compare(a.Head, b.Head)) })
	from := slices.Clone(out)
	rng := rand.New(rand.NewPCG(seed, permutedStream))
	for start := 0; start < len(out); {
		end := start
		var units [][2]int // spans of rows that stay together
		for ; end < len(out) && out[end].Layer == out[start].Layer; end++ {
			if n := len(units); groups && n > 0 && out[end].KVHead != Unknown && out[end].KVHead == out[end-1].KVHead {
				units[n-1][1]++
			} else {
				units = append(units, [2]int{end, end + 1})
			}
		}
		rng.Shuffle(len(units), func(i, j int) { units[i], units[j] = units[j], units[i] })
		at := start
		for _, u := range units {
			for i := u[0]; i < u[1]; i++ {
				h := from[i]
				h.Layer, h.Head, h.KVHead, h.Window = out[at].Layer, out[at].Head, out[at].KVHead, out[at].Window
				out[at] = h
				at++
			}
		}
		start = end
	}
	return out
}

// permutedStream keeps the shuffles apart from other draws of the same seed.
const permutedStream = 0x7065726d
