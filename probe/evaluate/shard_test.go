package evaluate

import (
	"reflect"
	"slices"
	"testing"

	"headprof/probe/journal"
	"headprof/scoring"
)

// What a manifest and records say of masks is what they were made from, the
// count of random heads from elsewhere included: in layer 0 of three heads, two
// top heads leave one.
func TestMasksOfARun(t *testing.T) {
	var rows []scoring.Head
	for i, mean := range []float64{9, 8, 1, 2, 3, 7, 0, 4, 5} {
		rows = append(rows, scoring.Head{Layer: i / 3, Head: i % 3, Mean: mean})
	}
	masks, err := Masks(rows, MaskPlan{Counts: []int{0, 1, 4}, Seeds: 2, Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(masks, func(m Mask) bool { return m.Elsewhere > 0 }) {
		t.Fatal("no mask has heads from elsewhere")
	}
	m := &journal.Manifest{Settings: map[string]string{"beta": "1.5"}}
	var records []*Masked
	for _, k := range masks {
		m.Settings["mask "+k.Name()] = k.list()
		records = append(records, &Masked{Mask: k.Name(), Item: "a"}, &Masked{Mask: k.Name(), Item: "b"})
	}
	got, err := MasksOf(m, records)
	if err != nil || !reflect.DeepEqual(got, masks) {
		t.Errorf("%+v, %v; want %+v", got, err, masks)
	}
	delete(m.Settings, "mask top-1")
	if _, err := MasksOf(m, records); err == nil {
		t.Error("a mask that the manifest does not name is taken")
	}
	if b, err := BetaOf(m); b != 1.5 || err != nil {
		t.Errorf("β %v, %v", b, err)
	}
}

// Shards are disjoint and make the whole.
func TestShardItems(t *testing.T) {
	for _, of := range []int{1, 2, 3, 9} {
		var all []int
		for which := 1; which <= of; which++ {
			all = append(all, Shard{which, of}.items(7)...)
		}
		slices.Sort(all)
		if !slices.Equal(all, []int{0, 1, 2, 3, 4, 5, 6}) {
			t.Errorf("%d shards: %v", of, all)
		}
	}
	if got := (Shard{}).items(3); !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("the whole: %v", got)
	}
}
