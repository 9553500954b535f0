package scoring

import (
	"math"
	"testing"
)

func TestDefaultTopIsATenthRounded(t *testing.T) {
	for n, want := range map[int]int{0: 1, 1: 1, 14: 1, 15: 2, 24: 2, 25: 3, 270: 27, 336: 34, 1024: 102} {
		if got := DefaultTop(n); got != want {
			t.Errorf("of %d heads %d are top, want %d", n, got, want)
		}
	}
}

// Heads 0 to 5 of one layer; the third has no score.
func TestTopAndItsTies(t *testing.T) {
	heads := profile(3, 1, 5, 7, math.NaN(), 5, 5, 1)
	for _, c := range []struct {
		k    int
		best []int // 3·layer + head
		tie  Tie
		text string
	}{
		{0, nil, Tie{}, ""},
		{-1, nil, Tie{}, ""},
		{1, []int{1}, Tie{7, 1, 1}, ""},
		{2, []int{1, 0}, Tie{5, 3, 1}, "the last 1 of the top 2 are of 3 tied heads (score 5), lowest layer and head first"},
		{3, []int{1, 0, 3}, Tie{5, 3, 2}, "the last 2 of the top 3 are of 3 tied heads (score 5), lowest layer and head first"},
		{4, []int{1, 0, 3, 4}, Tie{5, 3, 3}, ""},
		{9, []int{1, 0, 3, 4, 5}, Tie{1, 1, 1}, ""},
	} {
		best, tie := Top(heads, c.k)
		if len(best) != len(c.best) || tie != c.tie || tie.Tied() != (c.text != "") || TieText(heads, c.k) != c.text {
			t.Errorf("top %d: %d heads, %+v, %q", c.k, len(best), tie, TieText(heads, c.k))
			continue
		}
		for i, h := range best {
			if 3*h.Layer+h.Head != c.best[i] {
				t.Errorf("top %d: place %d is %+v", c.k, i, h)
			}
		}
	}
	even := profile(4, 1, 2, 2, 2, 2)
	if got := TieText(even, 3); got != "top 3 of 4 tied heads (score 2), lowest layer and head first" {
		t.Error(got)
	}
	if got := TieText(even, 9); got != "" {
		t.Errorf("all heads: %q", got)
	}
}
