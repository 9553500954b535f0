package needle

import "testing"

func TestAPermutationMeetsEveryNumberOnce(t *testing.T) {
	for _, size := range []uint64{1, 2, 3, 16, 17, 1000, 4097} {
		for key := range uint64(3) {
			seen := make([]bool, size)
			for i := range size {
				at := permutation{size, key}.at(i)
				if at >= size || seen[at] {
					t.Fatalf("size %d key %d: %d comes twice or is too large", size, key, at)
				}
				seen[at] = true
			}
		}
	}
}

// Every choice of a recipe gives another needle. Two recipes are counted in
// full over a slice of their choices; the rest follow the same pattern.
func TestRecipesTellAllTheirChoicesApart(t *testing.T) {
	for kind, recipes := range recipesOf {
		for which, r := range recipes {
			seen := make(map[string]uint64)
			const n = 20_000
			step := max(1, r.capacity()/n)
			for k := range uint64(n) {
				i := k * step % r.capacity()
				made := r.at(i)
				key := made.Text + made.Question
				if other, ok := seen[key]; ok && other != i {
					t.Fatalf("%s recipe %d: choices %d and %d are one needle: %s", kind, which, other, i, made.Text)
				}
				seen[key] = i
			}
		}
	}
}

func TestAnExhaustedRecipeLimitsTheSet(t *testing.T) {
	small := recipe{sizes: []int{2, 3}}
	large := recipe{sizes: []int{100}}
	// Taking turns, two recipes make 2·6 before the small one runs out.
	if got := generatable([]recipe{large, small}); got != 12 {
		t.Errorf("%d, want 12", got)
	}
}
