package needle

import "fmt"

// recipe makes needles of one kind from word lists. sizes are the lists'
// sizes; build turns one choice from each into a needle, and different choices
// give a different text or question.
type recipe struct {
	sizes []int
	build func(pick []int) Needle
}

// capacity is how many needles the recipe can make.
func (r recipe) capacity() uint64 {
	c := uint64(1)
	for _, n := range r.sizes {
		c *= uint64(n)
	}
	return c
}

// at builds needle i of the recipe, i < capacity: i in mixed radix.
func (r recipe) at(i uint64) Needle {
	pick := make([]int, len(r.sizes))
	for k, n := range r.sizes {
		pick[k] = int(i % uint64(n))
		i /= uint64(n)
	}
	return r.build(pick)
}

// pairs is the number of ordered pairs of different ones among n; pair gives
// the i-th.
func pairs(n int) int { return n * (n - 1) }

func pair(i, n int) (a, b int) {
	a, b = i/(n-1), i%(n-1)
	if b >= a {
		b++
	}
	return a, b
}

// Generate makes n needles of a kind from word lists. The same arguments give
// the same needles, on every machine; no two of a set have the same text and
// question.
// Recipes take turns, and within each the seed orders all its combinations, so
// the first few are as varied as the rest.
//
// Errors: an unknown kind, a negative n, or one above the maximum, which the
// message names.
func Generate(kind Kind, n int, seed uint64) (*Set, error) {
	recipes, ok := recipesOf[kind]
	if !ok {
		return nil, unknownKind(kind)
	}
	limit := generatable(recipes)
	if n < 0 || uint64(n) > limit {
		return nil, fmt.Errorf("cannot generate %d %s needles: between 0 and %d can be made", n, kind, limit)
	}
	set := &Set{Name: fmt.Sprintf("generated-%s-%d", kind, seed), Needles: make([]Needle, n)}
	for i := range set.Needles {
		which := i % len(recipes)
		r := recipes[which]
		order := permutation{size: r.capacity(), key: mix(seed) + uint64(which)}
		made := r.at(order.at(uint64(i / len(recipes))))
		made.Kind = kind
		made.ID = fmt.Sprintf("g%s-%d-%d", kind[:3], seed, i)
		set.Needles[i] = made
	}
	return set, nil
}

// generatable is how many needles recipes that take turns can make: until the
// smallest runs out, and no more than MaxNeedles.
func generatable(recipes []recipe) uint64 {
	limit := uint64(MaxNeedles)
	for _, r := range recipes {
		limit = min(limit, r.capacity()*uint64(len(recipes)))
	}
	return limit
}

// permutation is a seeded order of the numbers below size, computed one by one
// without a table: a four-round Feistel network over the next even number of
// bits, walked until it lands below size.
type permutation struct{ size, key uint64 }

// at is the i-th number, i < size.
func (p permutation) at(i uint64) uint64 {
	half := uint(1)
	for half < 32 && p.size-1 >= 1<<(2*half) {
		half++
	}
	mask := uint64(1)<<half - 1
	for {
		left, right := i>>half, i&mask
		for round := uint64(0); round < 4; round++ {
			left, right = right, left^mix(right^mix(p.key+round))&mask
		}
		if i = left<<half | right; i < p.size {
			return i
		}
	}
}

// mix is the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
