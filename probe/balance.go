package probe

// sampled is how many of the remaining units compete for the next place of a
// balanced order.
const sampled = 512

// maxPairs bounds the table of two factors' levels. Above it nearly every pair
// occurs once, and there is nothing to balance.
const maxPairs = 1 << 20

// point is a trial's levels of the four factors: haystack, needle, length, depth.
type point = [4]int32

// tally counts how often each level, and each pair of levels, was served.
type tally struct {
	size   [4]int
	single [4][]int
	pairs  [4][4][]int // nil where there is nothing to balance
}

func newTally(points []point) *tally {
	t := new(tally)
	for _, p := range points {
		for f, l := range p {
			t.size[f] = max(t.size[f], int(l)+1)
		}
	}
	for f := range t.single {
		t.single[f] = make([]int, t.size[f])
		for g := f + 1; g < len(t.size); g++ {
			if n := t.size[f] * t.size[g]; t.size[f] > 1 && t.size[g] > 1 && n <= maxPairs {
				t.pairs[f][g] = make([]int, n)
			}
		}
	}
	return t
}

// served is how well a point's levels have been served. A factor's counts are
// weighed by its size, so that few depths and many needles are kept equally
// even; single levels come before pairs.
func (t *tally) served(p point) (n int) {
	for f := range p {
		n += 16 * t.single[f][p[f]] * t.size[f]
		for g := f + 1; g < len(p); g++ {
			if counts := t.pairs[f][g]; counts != nil {
				n += counts[int(p[f])*t.size[g]+int(p[g])] * len(counts)
			}
		}
	}
	return n
}

func (t *tally) serve(p point) {
	for f := range p {
		t.single[f][p[f]]++
		for g := f + 1; g < len(p); g++ {
			if counts := t.pairs[f][g]; counts != nil {
				counts[int(p[f])*t.size[g]+int(p[g])]++
			}
		}
	}
}

// balanced gives the indexes of points in a seeded order in which every level
// of every factor, and every pair of levels of two factors, occurs about
// equally often in any beginning. Points of one unit stay together; nil makes
// each point a unit. Each place goes to the unit that has been served least so
// far among those drawn for it.
func balanced(points []point, units [][]int, seed uint64) func() (int, bool) {
	if units == nil {
		units = make([][]int, len(points))
		for i := range points {
			units[i] = []int{i}
		}
	}
	rng := random(seed)
	left := make([]int, len(units))
	for i := range left {
		left[i] = i
	}
	for i := len(left) - 1; i > 0; i-- {
		j := rng.below(i + 1)
		left[i], left[j] = left[j], left[i]
	}
	t := newTally(points)
	served := func(unit []int) float64 {
		var n int
		for _, i := range unit {
			n += t.served(points[i])
		}
		return float64(n) / float64(len(unit))
	}
	var queue []int // the rest of the unit being given out
	return func() (int, bool) {
		if len(queue) == 0 {
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
			best, fewest := 0, served(units[left[0]])
			for i := 1; i < draw; i++ {
				if n := served(units[left[i]]); n < fewest {
					best, fewest = i, n
				}
			}
			queue = units[left[best]]
			left[best] = left[len(left)-1]
			left = left[:len(left)-1]
		}
		i := queue[0]
		queue = queue[1:]
		t.serve(points[i])
		return i, true
	}
}
