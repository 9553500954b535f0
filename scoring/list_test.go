package scoring

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// listOf makes rows for heads of a model with four per layer, best first.
func listOf(numbers ...int) []Head {
	var out []Head
	for i, n := range numbers {
		out = append(out, Head{Layer: n / 4, Head: n % 4, KVHead: Unknown, Window: Unknown, Mean: 1 - float64(i)/float64(len(numbers))})
	}
	return out
}

func TestCompleteAList(t *testing.T) {
	list := &HeadList{Table: Table{Heads: listOf(1, 6), Meta: Meta{Model: "m"}, Notes: []string{"n"}}}
	table, err := list.Complete(Shape{{4, 2, 0}, {4, 2, 8}})
	if err != nil {
		t.Fatal(err)
	}
	if len(table.Heads) != 8 || table.Meta.Model != "m" || len(table.Notes) != 1 || table.Quantity("").Listed != 2 || !table.IsList("") {
		t.Errorf("%+v", table)
	}
	for i, h := range table.Heads {
		listed := i == 1 || i == 6
		if 4*h.Layer+h.Head != i || math.IsNaN(h.Mean) == listed || !math.IsNaN(h.Share) || h.KVHead != h.Head/2 || h.Window != 8*h.Layer {
			t.Errorf("row %d: %+v", i, h)
		}
	}
	if table.Heads[1].Mean != 1 || table.Heads[6].Mean != .5 || len(Scored(table.Heads)) != 2 {
		t.Errorf("listed rows %+v and %+v", table.Heads[1], table.Heads[6])
	}
	for shape, want := range map[*Shape]string{
		{{4, 2, 0}}:            "layer 1, head 2 is listed, but the model has 1 layers of 4 heads",
		{{4, 2, 0}, {2, 2, 0}}: "layer 1, head 2 is listed, but the model has 2 layers of 2 to 4 heads",
	} {
		if _, err := list.Complete(*shape); err == nil || err.Error() != want {
			t.Errorf("%v: %v, want %q", *shape, err, want)
		}
	}
}

func TestIsList(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		scores []float64
		listed int
		want   bool
	}{
		{[]float64{1, 2, 3, 4}, 0, false},
		{[]float64{1, 2, nan, nan}, 0, false}, // half have a score
		{[]float64{1, nan, nan, nan}, 0, true},
		{[]float64{1, 2, 3, 4}, 1, true}, // the table says so
	} {
		table := &Table{Heads: profile(4, 1, c.scores...)}
		table.SetQuantity(Quantity{Listed: c.listed})
		if got := table.IsList(""); got != c.want {
			t.Errorf("%v, %d listed: %v", c.scores, c.listed, got)
		}
	}
}

func TestCountUnlistedAsZero(t *testing.T) {
	table := &Table{Heads: append(profile(4, 1, 1, math.NaN(), 3, math.NaN()), uneven("whole")...)}
	table.Heads[4].Share = .25 // as it stood in a file
	if n := table.CountUnlistedAsZero(); n != 2 {
		t.Errorf("%d counted", n)
	}
	for i, want := range []struct {
		mean, share float64
		rank        int
	}{{1, .25, 2}, {0, 0, 3}, {3, .75, 1}, {0, 0, 4}} {
		if h := table.Heads[i]; h.Mean != want.mean || h.Share != want.share || h.Rank != want.rank {
			t.Errorf("row %d: %+v", i, h)
		}
	}
	if h := table.Heads[4]; h.Share != .25 || h.Rank != 0 {
		t.Errorf("a method that scores all was changed: %+v", h)
	}
}

func TestCompareLists(t *testing.T) {
	model := Shape{{4, 2, 0}, {4, 2, 0}}
	a, b := Side{Heads: listOf(0, 1, 2, 7), List: true}, Side{Heads: listOf(1, 5, 0), List: true}
	whole := Side{Heads: profile(4, 2, 8, 7, 6, 5, 4, 3, 2, 9)}
	for _, c := range []struct {
		name    string
		a, b    Side
		k       int
		wantK   int
		shared  int
		jaccard float64
	}{
		{"two lists: the shorter's length", a, b, 0, 3, 2, 2. / 4}, // 0 1 2 and 1 5 0
		{"the other way", b, a, 0, 3, 2, 2. / 4},
		{"two of each", a, b, 2, 2, 1, 1. / 3},
		{"more than there are", a, b, 9, 3, 2, 2. / 4},
		{"a whole profile", a, whole, 0, 4, 4, 1}, // whose four best are 7 0 1 2
		{"a whole profile first", whole, a, 2, 2, 1, 1. / 3},
	} {
		got, err := CompareSides(c.a, c.b, c.k, Options{})
		if err != nil || got.K != c.wantK || got.Heads != c.wantK || got.Shared != c.shared || !got.Listed || got.Reduced {
			t.Errorf("%s: %+v, %v", c.name, got, err)
			continue
		}
		near(t, c.name+", overlap", got.Overlap.Value, float64(c.shared)/float64(c.wantK), 1e-12)
		near(t, c.name+", jaccard", got.Jaccard.Value, c.jaccard, 1e-12)
		if !math.IsNaN(got.Spearman.Value) || !math.IsNaN(got.Overlap.Low) {
			t.Errorf("%s: nothing is known of other heads, yet %+v", c.name, got)
		}
	}

	// KV heads against a list of query heads 0 and 3, 6: KV heads 0 and 1 of layer 0, 1 of layer 1.
	kv := Side{Heads: profile(2, 1, 4, 1, 2, 3), PerKVHead: true}
	list := Side{Heads: listOf(0, 3, 6), List: true, Model: model}
	for _, s := range [][2]Side{{kv, list}, {list, kv}} {
		got, err := CompareSides(s[0], s[1], 0, Options{})
		// The best three KV heads are 0 of layer 0 and both of layer 1.
		if err != nil || !got.Reduced || got.K != 3 || got.Shared != 2 {
			t.Errorf("KV heads: %+v, %v", got, err)
		}
	}
	list.Model = nil
	if _, err := CompareSides(kv, list, 0, Options{}); !errors.Is(err, ErrListShape) {
		t.Errorf("a list without its model: %v", err)
	}
	for _, n := range []int{Unknown, 0} {
		list.Model = Shape{{4, n, 0}, {4, n, 0}}
		if _, err := CompareSides(kv, list, 0, Options{}); !errors.Is(err, ErrKVHeads) {
			t.Errorf("a model without its KV heads: %v", err)
		}
	}
	list.Model = Shape{{4, 2, 0}}
	if _, err := CompareSides(kv, list, 0, Options{}); !errors.Is(err, ErrKVHeads) {
		t.Errorf("a head of no layer: %v", err)
	}
	unknown := Side{Heads: unknownKV(profile(4, 2, 8, 7, 6, 5, 4, 3, 2, 9))}
	kvList := Side{Heads: profile(2, 1, 4, 1), PerKVHead: true, List: true}
	if _, err := CompareSides(unknown, kvList, 0, Options{}); !errors.Is(err, ErrKVHeads) {
		t.Errorf("a table without KV heads: %v", err)
	}

	other := Side{Heads: profile(4, 2, 8, 7, 6, 5)}
	if _, err := CompareSides(a, other, 0, Options{}); err == nil || err.Error() != "layer 1, head 3 is listed, but the other profile has 1 layers, 4 heads in all" {
		t.Errorf("a listed head that the other lacks: %v", err)
	}
	if _, err := CompareSides(Side{List: true}, b, 0, Options{}); err == nil || !strings.Contains(err.Error(), "no head has a score") {
		t.Errorf("an empty list: %v", err)
	}
	// Two whole tables are compared as ever.
	if got, err := CompareSides(whole, whole, 2, Options{}); err != nil || got.Listed || got.Spearman.Value != 1 {
		t.Errorf("whole tables: %+v, %v", got, err)
	}
	// A list against a profile of few scores: as many as both have.
	few := Side{Heads: profile(4, 2, 8, math.NaN(), math.NaN(), math.NaN(), 4, math.NaN(), math.NaN(), math.NaN())}
	if got, err := CompareSides(a, few, 0, Options{}); err != nil || got.K != 2 || got.Shared != 1 {
		t.Errorf("few scores: %+v, %v", got, err)
	}
}
