package needle

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/rivo/uniseg"
)

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

// A set must stay the same from version to version. Expected values:
// testdata/permutation.py.
func TestThePermutationIsTheOneThatIsDescribed(t *testing.T) {
	for _, c := range []struct {
		size, key uint64
		want      []uint64
	}{
		{1, 5, []uint64{0}},
		{4, 5, []uint64{1, 2, 3, 0}},
		{5, 5, []uint64{1, 0, 3, 2, 4}},
		{16, 1, []uint64{6, 7, 3, 2, 5, 8}},
		{17, 1, []uint64{8, 10, 12, 3, 13, 16}},
		{65536, 2, []uint64{56095, 1827, 30839, 45835, 32903, 38118}},
		{65537, 2, []uint64{13533, 25267, 29549, 27734, 28960, 18891}},
		{1000000000000, 3, []uint64{519281567825, 473528170347, 99722412127, 18877962496, 24682389915, 386595168672}},
	} {
		for i, want := range c.want {
			if got := (permutation{c.size, c.key}).at(uint64(i)); got != want {
				t.Errorf("size %d, key %d: place %d holds %d, want %d", c.size, c.key, i, got, want)
			}
		}
	}
	// Recipes take turns, each in its own order: needle n of seed 7 is
	// combination at(n / 5) of recipe n % 5.
	want := []uint64{713, 960, 438, 325, 514, 888, 808, 458, 761, 422}
	const kind = "test"
	for which := range uint64(5) {
		recipesOf[kind] = append(recipesOf[kind], recipe{[]int{int(1000 + which)}, func(p []int) Needle {
			return Needle{Text: fmt.Sprintf("%d of %d", p[0], which)}
		}})
	}
	defer delete(recipesOf, kind)
	set, err := Generate(kind, len(want), 7)
	if err != nil {
		t.Fatal(err)
	}
	for n, w := range want {
		if text := fmt.Sprintf("%d of %d", w, n%5); set.Needles[n].Text != text {
			t.Errorf("needle %d is %s, want %s", n, set.Needles[n].Text, text)
		}
	}
}

// Every choice of an ordered pair, triple or two unequal numbers comes once.
func TestChoicesCoverEveryCase(t *testing.T) {
	for n := 3; n <= 7; n++ {
		two, all := map[[2]int]bool{}, map[[3]int]bool{}
		for i := range pairs(n) {
			a, b := pair(i, n)
			if a == b || min(a, b) < 0 || max(a, b) >= n {
				t.Fatalf("pair %d of %d things: %d and %d", i, n, a, b)
			}
			two[[2]int{a, b}] = true
			for third := range n - 2 {
				x := three(i, third, n)
				if x[2] == a || x[2] == b || x[0] != a || x[1] != b || x[2] < 0 || x[2] >= n {
					t.Fatalf("%d and %d of %d things: %v", i, third, n, x)
				}
				all[x] = true
			}
		}
		if len(two) != n*(n-1) || len(all) != n*(n-1)*(n-2) {
			t.Errorf("of %d things: %d pairs, %d triples", n, len(two), len(all))
		}
	}
	// 10 to 13 and 1 to 4 more: 16 pairs, in either order.
	numbers := map[[2]int]bool{}
	for i := range 2 * 4 * 4 {
		a, b := unequal(i, 10, 4, 4)
		if low, gap := min(a, b), max(a, b)-min(a, b); low < 10 || low > 13 || gap < 1 || gap > 4 {
			t.Errorf("choice %d: %d and %d", i, a, b)
		}
		numbers[[2]int{a, b}] = true
	}
	if len(numbers) != 32 {
		t.Errorf("%d pairs of numbers", len(numbers))
	}
	c := contrast{"dearer", "cheaper"}
	for _, aMore := range []bool{true, false} {
		if word, isA := c.ask(0, aMore); word != "dearer" || isA != aMore {
			t.Errorf("for the first word: %s, %v", word, isA)
		}
		if word, isA := c.ask(1, aMore); word != "cheaper" || isA == aMore {
			t.Errorf("for the second word: %s, %v", word, isA)
		}
	}
}

// Sentences found piece by piece, as places are asked for, are those of the
// whole text in one go by UAX 29 (package uniseg).
func TestSentencesDoNotDependOnTheOrderOfQuestions(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	parts := []string{"a", "B", " ", " ", ".", "?", "!", "\"", "1", ",", "\n", "…", "。", ")", "Dr. ", "a.m. ", "x"}
	for range 400 {
		var b strings.Builder
		for range 60 {
			b.WriteString(parts[rng.IntN(len(parts))])
		}
		text := b.String()
		var want []int
		state, at := -1, 0
		for rest := text; rest != ""; {
			var s string
			s, rest, state = uniseg.FirstSentenceInString(rest, state)
			for _, m := range moreMarks.FindAllStringIndex(s, -1) {
				want = append(want, at+m[0]+len(strings.TrimSpace(s[m[0]:m[1]])))
			}
			if trimmed := strings.TrimRightFunc(s, unicode.IsSpace); terminated(trimmed) {
				want = append(want, at+len(trimmed))
			}
			at += len(s)
		}
		h := &Haystack{text: text}
		for at := range len(text) {
			h.segmentTo(at)
		}
		if !slices.Equal(h.ends, want) {
			t.Fatalf("%q: sentences end at %v, want %v", text, h.ends, want)
		}
	}
}
