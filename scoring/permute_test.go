package scoring

import (
	"slices"
	"testing"
)

// Scores stay in their layer and groups together; every arrangement comes up.
func TestPermuted(t *testing.T) {
	var rows []Head
	for l := range 2 {
		for h := range 6 {
			rows = append(rows, Head{Layer: l, Head: h, KVHead: h / 2, Mean: float64(10*l + h)})
		}
	}
	seen := map[[3]float64]bool{}
	for seed := range uint64(200) {
		for _, groups := range []bool{false, true} {
			got := Permuted(rows, groups, seed)
			var layers [2][]float64
			for i, h := range got {
				if h.Layer != rows[i].Layer || h.Head != rows[i].Head || h.KVHead != rows[i].KVHead {
					t.Fatalf("row %d is of %d-%d", i, h.Layer, h.Head)
				}
				layers[h.Layer] = append(layers[h.Layer], h.Mean)
				if groups && i%2 == 1 && (h.Mean != got[i-1].Mean+1 || int(h.Mean)%2 != 1) {
					t.Fatalf("a group is torn: %v, %v", got[i-1].Mean, h.Mean)
				}
			}
			if groups {
				seen[[3]float64{got[0].Mean, got[2].Mean, got[4].Mean}] = true
			}
			for l, means := range layers {
				slices.Sort(means)
				for h, m := range means {
					if m != float64(10*l+h) {
						t.Fatalf("layer %d has the scores %v", l, means)
					}
				}
			}
			if again := Permuted(rows, groups, seed); !slices.EqualFunc(again, got, func(a, b Head) bool { return a.Mean == b.Mean }) {
				t.Fatal("the same seed shuffles otherwise")
			}
		}
	}
	if len(seen) != 6 {
		t.Errorf("%d of 6 orders of three groups", len(seen))
	}
	if rows[0].Mean != 0 || rows[11].Mean != 15 {
		t.Error("the rows given are changed")
	}
}
