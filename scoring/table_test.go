package scoring

import (
	"math"
	"testing"
)

func TestMetaCountsTrials(t *testing.T) {
	for _, c := range []struct {
		meta Meta
		text string
		rate float64
	}{
		{Meta{Trials: 120, Passed: 90}, "90 of 120 trials passed", .75},
		{Meta{Trials: 4}, "0 of 4 trials passed", 0},
		{Meta{Passed: 107}, "107 trials count", 0},
		{Meta{Passed: 1}, "1 trial counts", 0},
		{Meta{}, "", 0},
	} {
		if got := c.meta.CountedText(); got != c.text || c.meta.PassRate() != c.rate {
			t.Errorf("%+v: %q, %v", c.meta, got, c.meta.PassRate())
		}
	}
}

func TestRankAndShare(t *testing.T) {
	heads := profile(4, 1, 1, math.NaN(), 3, 0)
	Rerank(heads)
	for i, want := range []struct {
		rank  int
		share float64
	}{{2, .25}, {0, math.NaN()}, {1, .75}, {3, 0}} {
		if h := heads[i]; h.Rank != want.rank || h.Share != want.share && !math.IsNaN(want.share+h.Share) {
			t.Errorf("row %d: rank %d, share %v, want %+v", i, h.Rank, h.Share, want)
		}
	}
	// Where nothing scores, nobody has a share: 0, not 0/0.
	none := profile(2, 1, 0, 0)
	Rerank(none)
	if none[0].Share != 0 || none[1].Share != 0 || none[1].Rank != 2 {
		t.Errorf("scores of 0: %+v", none)
	}
}

// What a table says of a method goes before what the program knows of it.
func TestQuantities(t *testing.T) {
	table := &Table{Heads: []Head{{Method: "mine"}, {Method: "retrieval"}}}
	if q := table.Quantity("mine"); q != (Quantity{Method: "mine"}) {
		t.Errorf("a method that is not known: %+v", q)
	}
	if q := table.Quantity("retrieval"); q.Label != "evidence copied" || q.Mean != OverTrials || q.Interval != BootstrapInterval {
		t.Errorf("retrieval: %+v", q)
	}
	if q := QuantityOf("qrhead"); q.Mean != OverCases {
		t.Errorf("a method of documents: %+v", q)
	}
	table.SetQuantity(Quantity{Method: "mine", Unit: "nats"})
	table.SetQuantity(Quantity{Method: "retrieval", Unit: "steps"})
	table.SetQuantity(Quantity{Method: "retrieval", Unit: "tokens"})
	if len(table.Quantities) != 2 || table.Quantity("mine").Unit != "nats" || table.Quantity("retrieval").Unit != "tokens" {
		t.Errorf("%+v", table.Quantities)
	}
}
