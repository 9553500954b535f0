package scoring

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestCurvePointsFitThePrompts(t *testing.T) {
	for _, c := range []struct {
		curve   string
		longest int
		want    string // "": refused
	}{
		{"none", 500, "none"},
		{"none", 3, "none"},
		{"", 500, ""},
		{"auto", 500, "8,16,32,64,128,256,500"},
		{"auto", 512, "8,16,32,64,128,256,512"},
		{"auto", 9, "8,9"},
		{"auto", 8, ""},
		{"8, 32,128", 100, "8,32,100"},
		{"8,32,128", 4000, "8,32,128,4000"},
		{"9", 50, "9,50"},
		{"60", 50, ""},
		{"7,8", 50, ""},
		{"8,8", 50, ""},
		{"16,8", 50, ""},
		{"8,x", 50, ""},
		{"8,", 50, ""},
	} {
		m := CacheCut{Curve: c.curve}
		err := m.Fit(c.longest)
		if c.want == "" && c.curve != "" {
			if err == nil || !strings.HasPrefix(err.Error(), "cut-curve ") {
				t.Errorf("%q of %d tokens: %v", c.curve, c.longest, err)
			}
			continue
		}
		if err != nil || m.Curve != c.want {
			t.Errorf("%q of %d tokens: %q, %v; want %q", c.curve, c.longest, m.Curve, err, c.want)
		}
	}
	if got, err := (CacheCut{Curve: "8,32,500"}).Points(); err != nil || !reflect.DeepEqual(got, []int{8, 32, 500}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, none := range []string{"", "none"} {
		if got, err := (CacheCut{Curve: none}).Points(); got != nil || err != nil {
			t.Errorf("%v, %v", got, err)
		}
	}
}

func TestNamesOfPoints(t *testing.T) {
	if PointName(32) != "cache-cut-32" {
		t.Error(PointName(32))
	}
	for name, want := range map[string]int{"cache-cut-8": 8, "cache-cut-128": 128, "cache-cut": 0, "cache-cut-": 0, "cache-cut-08": 0, "cache-cut-+8": 0, "cache-cut-0": 0, "headkv-r2": 0} {
		got, ok := PointOf(name)
		if ok != (want > 0) || ok && got != want {
			t.Errorf("%s: %d, %v", name, got, ok)
		}
	}
	if q := QuantityOf("cache-cut-32"); q.Method != "cache-cut-32" || q.Label != QuantityOf("cache-cut").Label || q.Mean != OverCases {
		t.Errorf("%+v", q)
	}
	if ProbeOf("cache-cut-32") != Answers || !OfKVHeads("cache-cut-32") || !OfKVHeads("cache-cut") || OfKVHeads("headkv-r2") || OfKVHeads("?") {
		t.Error("what a point is of")
	}
}

// Query heads of a group repeat their KV head's rows.
func TestCurvesOfATable(t *testing.T) {
	rows := func(method string, kv []int, means ...float64) (out []Head) {
		for i, v := range means {
			out = append(out, Head{Method: method, Layer: i / 4, Head: i % 4, KVHead: kv[i%4], Mean: v, Low: v - 1, High: v + 1})
		}
		return out
	}
	two := []int{0, 0, 1, 1}
	table := func(parts ...[]Head) *Table {
		t := &Table{}
		for _, p := range parts {
			t.Heads = append(t.Heads, p...)
		}
		return t
	}
	ten := rows("cache-cut-100", two, 1, 1, 2, 2, 3, 3, 4, 4)
	eight := rows("cache-cut-8", two, 5, 5, 6, 6, 7, 7, 8, 8)
	cut := rows("cache-cut", two, 9, 9, 9, 9, 9, 9, 9, 9)
	whole := table(cut, ten, eight)
	if got := whole.CurvePoints(); !reflect.DeepEqual(got, []int{8, 100}) {
		t.Error(got)
	}
	want := []Curve{
		{0, 0, []int{8, 100}, []float64{5, 1}, []float64{4, 0}, []float64{6, 2}},
		{0, 1, []int{8, 100}, []float64{6, 2}, []float64{5, 1}, []float64{7, 3}},
		{1, 0, []int{8, 100}, []float64{7, 3}, []float64{6, 2}, []float64{8, 4}},
		{1, 1, []int{8, 100}, []float64{8, 4}, []float64{7, 3}, []float64{9, 5}},
	}
	if got, err := whole.Curves(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	nan := rows("cache-cut-8", two, 5, 5, math.NaN(), 6, 7, 7, 8, 8)
	unknown := rows("cache-cut-8", []int{Unknown, Unknown, Unknown, Unknown}, 5, 5, 6, 6, 7, 7, 8, 8)
	for name, c := range map[string]struct {
		table *Table
		want  string
	}{
		"none":        {table(cut), "holds no curves; 'headprof score --method cache-cut --cut-curve auto'"},
		"one point":   {table(cut, eight), "holds no curves"},
		"no score":    {table(ten, nan), "cache-cut-8 of layer 0, KV head 1 is NaN"},
		"fewer heads": {table(ten[:4], eight), "cache-cut-8 and cache-cut-100 are not of the same KV heads"},
		"more heads":  {table(ten, eight[:4]), "cache-cut-8 and cache-cut-100 are not of the same KV heads"},
		"others":      {table(rows("cache-cut-100", []int{0, 0, 0, 0}, 1, 1, 1, 1, 1, 1, 1, 1), eight), "not of the same KV heads"},
		"no KV heads": {table(ten, unknown), ErrKVHeads.Error()},
	} {
		if _, err := c.table.Curves(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := table(ten, unknown).Curves(); !errors.Is(err, ErrKVHeads) {
		t.Error(err)
	}
}

// Points of a curve follow their method, from few entries to many.
func TestCurvePointsInTheOrderOfTables(t *testing.T) {
	scores := map[string][][]float64{}
	for _, m := range []string{"cache-cut-128", "taylor", "cache-cut-8", "cache-cut", "cache-cut-32", "cache-cut-1000"} {
		scores[m] = [][]float64{{1, 2}}
	}
	table, err := Aggregate([]TrialScore{{ID: "a", Needle: "n", Pass: true, Scores: scores}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"cache-cut", "cache-cut-8", "cache-cut-32", "cache-cut-128", "cache-cut-1000", "taylor"}
	if got := table.Methods(); !reflect.DeepEqual(got, want) {
		t.Error(got)
	}
}
