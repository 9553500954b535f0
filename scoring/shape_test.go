package scoring

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestParseShape(t *testing.T) {
	for text, want := range map[string]LayerShape{
		"2x8/2":   {8, 2, Unknown},
		"2x8/8":   {8, 8, Unknown},
		"2x8/1":   {8, 1, Unknown},
		"2x1":     {1, Unknown, Unknown},
		"2x16384": {16384, Unknown, Unknown},
		"2x8":     {8, Unknown, Unknown},
	} {
		s, err := ParseShape(text)
		if err != nil || !slices.Equal(s, Shape{want, want}) || s.String() != text {
			t.Errorf("%s: %v, %v", text, s, err)
		}
	}
	if s, err := ParseShape("4096x1"); err != nil || len(s) != 4096 {
		t.Errorf("4,096 layers: %d, %v", len(s), err)
	}
	if s, err := ParseShape("1x3"); err != nil || s.Heads() != 3 {
		t.Errorf("one layer: %v, %v", s, err)
	}
	for text, want := range map[string]string{
		"": "form", "8": "form", "x8": "form", "2x": "form", "2xa": "form", "ax2": "form", "0x8": "form", "2x0": "form", "-1x8": "form",
		"2x8/": "form", "2x8/a": "form", "2x8/0": "form", "2x8/-2": "form", "4097x1": "form", "1x16385": "form",
		"2x8/3": "8 heads cannot share 3 KV heads", "2x8/16": "8 heads cannot share 16 KV heads",
	} {
		if s, err := ParseShape(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v", text, s, err)
		}
	}
	for _, s := range []Shape{nil, {{8, 2, 0}, {8, 4, 0}}, {{8, 2, 0}, {4, 2, 0}}} {
		if s.String() != "" {
			t.Errorf("%v reads %q", s, s.String())
		}
	}
	if s := (Shape{{8, 2, 0}, {4, 2, 64}}); s.Heads() != 12 {
		t.Errorf("%d heads", s.Heads())
	}
	if s := (Shape{{8, 0, 0}}); s.String() != "1x8" {
		t.Errorf("without KV heads it reads %q", s.String())
	}
	if s := (Shape{{8, 2, 0}, {8, 2, 64}}); s.String() != "2x8/2" {
		t.Errorf("windows change it to %q", s.String())
	}
}

// Two layers of 4 and 2 query heads, two of which share a KV head.
func uneven(method string) []Head {
	var out []Head
	for l, n := range []int{4, 2} {
		for h := range n {
			out = append(out, Head{Method: method, Layer: l, Head: h, KVHead: h / 2, Window: 64 * l, Mean: float64(10*l + h)})
		}
	}
	return out
}

func TestShapeOfATable(t *testing.T) {
	table := &Table{Heads: uneven("m")}
	want := Shape{{4, 2, 0}, {2, 1, 64}}
	if s := table.Shape("m"); !slices.Equal(s, want) {
		t.Errorf("%v", s)
	}
	if s := table.ShapeOr(nil); !slices.Equal(s, want) {
		t.Errorf("not given: %v", s)
	}
	if s := table.ShapeOr(Shape{{1, 1, 1}}); !slices.Equal(s, Shape{{1, 1, 1}}) {
		t.Errorf("given: %v", s)
	}
	table.Heads[3].KVHead = Unknown
	if s := table.Shape("m"); !slices.Equal(s, Shape{{4, Unknown, 0}, {2, 1, 64}}) {
		t.Errorf("a KV head that is not known: %v", s)
	}
	// Rows of KV heads do not tell how many query heads there are; others may.
	table.SetQuantity(Quantity{Method: "m", PerKVHead: true})
	if s := table.ShapeOr(nil); s != nil {
		t.Errorf("of KV heads: %v", s)
	}
	table.Heads = append(table.Heads, uneven("q")...)
	if s := table.ShapeOr(nil); !slices.Equal(s, want) {
		t.Errorf("of another method: %v", s)
	}
}

func TestSetShapeFillsIn(t *testing.T) {
	table := &Table{Heads: uneven("m")}
	for i := range table.Heads {
		table.Heads[i].KVHead, table.Heads[i].Window = Unknown, Unknown
	}
	if err := table.SetShape(Shape{{4, 2, 16}, {2, 2, Unknown}}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{0, 0, 1, 1, 0, 1} {
		if h := table.Heads[i]; h.KVHead != want || h.Window != []int{16, Unknown}[h.Layer] {
			t.Errorf("row %d: %+v", i, h)
		}
	}
	// A shape without KV heads leaves what the table knows.
	if err := table.SetShape(Shape{{4, Unknown, 16}, {2, 0, 0}}); err != nil || table.Heads[2].KVHead != 1 || table.Heads[5].Window != 0 {
		t.Errorf("%+v, %v", table.Heads, err)
	}
	for _, c := range []struct {
		shape Shape
		want  string
	}{
		{Shape{{4, 2, 16}}, "of 2 layers, the model has 1"},
		{Shape{{4, 2, 16}, {3, 1, 0}}, "layer 1: the scores are of 2 heads, the model has 3"},
		{Shape{{4, 4, 16}, {2, 2, 0}}, "layer 0, head 1 reads KV head 0 by the scores, 1 by the model"},
		{Shape{{4, 2, 32}, {2, 2, 0}}, "layer 0 has a window of 16 by the scores, 32 by the model"},
	} {
		if err := table.SetShape(c.shape); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.shape, err, c.want)
		}
	}
}

// A pattern of KV heads meets its model: 2 layers of 4 query and 2 KV heads.
func TestSetShapeOfAPattern(t *testing.T) {
	pattern := func(perLayer int) *Table {
		table := &Table{Heads: profile(perLayer, 1, make([]float64, 2*perLayer)...)}
		for i := range table.Heads {
			table.Heads[i].Window = Unknown
		}
		table.SetQuantity(Quantity{PerKVHead: true})
		return table
	}
	table := pattern(2)
	if err := table.SetShape(Shape{{4, 2, 0}, {4, 2, 0}}); err != nil || !table.Quantity("").PerKVHead || table.Heads[3].KVHead != 1 || table.Heads[3].Window != 0 {
		t.Errorf("columns of KV heads: %+v, %v", table, err)
	}
	// As many columns as query heads: they number those.
	table = pattern(4)
	if err := table.SetShape(Shape{{4, 2, 0}, {4, 2, 0}}); err != nil || table.Quantity("").PerKVHead || table.Heads[3].KVHead != 1 || table.Heads[5].KVHead != 0 {
		t.Errorf("columns of query heads: %+v, %v", table, err)
	}
	// One layer that differs makes them KV heads in all.
	for shape, want := range map[*Shape]string{
		{{4, 2, 0}, {4, Unknown, 0}}: "how many the model has is not known",
		{{4, 2, 0}, {4, 1, 0}}:       "layer 1: the scores are of 2 KV heads, the model has 1 (and 4 query heads)",
		{{2, 1, 0}, {4, 2, 0}}:       "layer 0: the scores are of 2 KV heads, the model has 1 (and 2 query heads)",
	} {
		if err := pattern(2).SetShape(*shape); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", *shape, err, want)
		}
	}
}

func TestSpreadKVHeads(t *testing.T) {
	table := &Table{Heads: profile(2, 1, 4, 3, 2, 1)}
	for i := range table.Heads {
		table.Heads[i].Method = "kv"
		table.Heads[i].RankLow, table.Heads[i].RankHigh = 1, 2
	}
	table.Heads = append(uneven("q"), table.Heads...)
	table.SetQuantity(Quantity{Method: "kv", PerKVHead: true, Listed: 2})
	if err := table.SpreadKVHeads(Shape{{6, 2, 0}, {6, 2, 0}}); err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(table.Of("q"), uneven("q"), func(a, b Head) bool { return a.Mean == b.Mean && a.KVHead == b.KVHead }) {
		t.Errorf("rows of query heads changed: %+v", table.Of("q"))
	}
	// Three query heads share each KV head's score and rank one after the other.
	for i, h := range table.Of("kv") {
		if h.Layer != i/6 || h.Head != i%6 || h.KVHead != i%6/3 || h.Mean != float64(4-i/3) || h.Rank != i+1 || h.RankLow != 0 || h.RankHigh != 0 {
			t.Errorf("row %d: %+v", i, h)
		}
	}
	if q := table.Quantity("kv"); q.PerKVHead || q.Listed != 6 || len(table.Of("kv")) != 12 {
		t.Errorf("%+v, %d rows", q, len(table.Of("kv")))
	}
	// Of two listed KV heads, one serves two query heads and one four.
	list := &Table{Heads: profile(2, 1, 4, math.NaN(), 2, math.NaN())}
	list.SetQuantity(Quantity{PerKVHead: true, Listed: 2})
	if err := list.SpreadKVHeads(Shape{{4, 2, 0}, {8, 2, 0}}); err != nil || list.Quantity("").Listed != 6 || len(list.Heads) != 12 {
		t.Errorf("%v: %+v, %d rows", err, list.Quantity(""), len(list.Heads))
	}
	for _, s := range []Shape{nil, {{4, 2, 0}}, {{4, 2, 0}, {4, 1, 0}}, {{4, 2, 0}, {4, Unknown, 0}}, {{4, 2, 0}, {4, 0, 0}}} {
		table := &Table{Heads: profile(2, 1, 4, 3, 2, 1)}
		table.SetQuantity(Quantity{PerKVHead: true})
		if err := table.SpreadKVHeads(s); !errors.Is(err, ErrQueryHeads) {
			t.Errorf("%v: %v", s, err)
		}
	}
	one := &Table{Heads: profile(1, 1, 4)}
	one.SetQuantity(Quantity{PerKVHead: true})
	if err := one.SpreadKVHeads(Shape{{2, 1, 0}}); err != nil || len(one.Heads) != 2 {
		t.Errorf("a single KV head: %+v, %v", one.Heads, err)
	}
}

func TestReduceToKVHeads(t *testing.T) {
	table := &Table{Heads: append(uneven("q"), profile(4, 2, 1, 5, math.NaN(), 2, 3, 3, 8, 4)...)}
	for i := range table.Of("") {
		table.Heads[6+i].StdErr = float64(i)
	}
	table.ReduceToKVHeads("")
	if len(table.Of("q")) != 6 || table.Quantity("q").PerKVHead || !table.Quantity("").PerKVHead {
		t.Errorf("%+v", table)
	}
	// The best of each pair, the first of equal ones, with all that belongs to it.
	for i, want := range []Head{
		{Layer: 0, Head: 0, KVHead: 0, Mean: 5, StdErr: 1, Rank: 2},
		{Layer: 0, Head: 1, KVHead: 1, Mean: 2, StdErr: 3, Rank: 4},
		{Layer: 1, Head: 0, KVHead: 0, Mean: 3, StdErr: 4, Rank: 3},
		{Layer: 1, Head: 1, KVHead: 1, Mean: 8, StdErr: 6, Rank: 1},
	} {
		got := table.Of("")[i]
		if got.Layer != want.Layer || got.Head != want.Head || got.KVHead != want.KVHead || got.Mean != want.Mean || got.StdErr != want.StdErr || got.Rank != want.Rank {
			t.Errorf("row %d: %+v, want %+v", i, got, want)
		}
	}
}
