package scoring

import (
	"cmp"
	"fmt"
	"slices"
)

// DefaultTop is how many of n heads count as top where nobody says: a tenth,
// rounded to nearest (half up), at least one.
func DefaultTop(n int) int { return max(1, (n+5)/10) }

// Tie says that the border of a top set runs through heads of equal score.
type Tie struct {
	Value float64 // their score
	Heads int     // heads that have it
	Taken int     // of these, heads inside the top set: those of lowest layer and head
}

// Tied reports whether there is such a tie.
func (t Tie) Tied() bool { return t.Heads > t.Taken }

// text says it in words for the top k; "" without a tie.
func (t Tie) text(k int) string {
	if !t.Tied() {
		return ""
	}
	if t.Taken == k {
		return fmt.Sprintf("top %d of %d tied heads (score %.4g), lowest layer and head first", k, t.Heads, t.Value)
	}
	return fmt.Sprintf("the last %d of the top %d are of %d tied heads (score %.4g), lowest layer and head first", t.Taken, k, t.Heads, t.Value)
}

// TieText says in words how the top k of one method's rows are tied; "" where
// they are not.
func TieText(heads []Head, k int) string {
	_, tie := Top(heads, k)
	return tie.text(min(k, len(heads)))
}

// Top gives the k best of one method's rows, best first, and whether others tie
// with the last of them. Ties fall to the lowest layer and head, as everywhere.
// Heads without a score are never among them.
func Top(heads []Head, k int) ([]Head, Tie) {
	ranked := Scored(heads)
	slices.SortFunc(ranked, func(a, b Head) int {
		return cmp.Or(cmp.Compare(b.Mean, a.Mean), cmp.Compare(a.Layer, b.Layer), cmp.Compare(a.Head, b.Head))
	})
	k = max(0, min(k, len(ranked)))
	if k == 0 {
		return nil, Tie{}
	}
	tie := Tie{Value: ranked[k-1].Mean}
	for i, h := range ranked {
		if h.Mean == tie.Value {
			tie.Heads++
			if i < k {
				tie.Taken++
			}
		}
	}
	return ranked[:k:k], tie
}
