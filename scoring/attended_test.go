package scoring

import (
	"slices"
	"testing"
)

// Expected values of this file are testdata/attended.py's, unless a comment
// counts them by hand.

// attention makes entries of n positions: (a·i² + b·i) mod m, over 256.
func attention(n, a, b, m int) Attended {
	out := make(Attended, n)
	for i := range out {
		out[i] = float64((a*i*i+b*i)%m) / 256
	}
	return out
}

func TestQRHead(t *testing.T) {
	query, null := attention(20, 7, 3, 31), attention(20, 5, 1, 13)
	got := QRHead{}.Documents(query, null, []Span{{0, 6}, {6, 7}, {7, 12}, {13, 19}})
	want := []float64{-0.01171875, 0, 0.14453125, 0.30078125} // the second has one token
	for d := range want {
		near(t, "document", got[d], want[d], 1e-12)
	}
	near(t, "gold documents", QRHead{}.Gold(got, []int{1, 3}), want[1]+want[3], 1e-12)

	// Of seven tokens at 9/64 and one at −9/64 the last is left out, whatever the
	// null query pays and whatever stands behind the document: 7 · 9/64.
	high, pays := 29./64, 20./64
	outlier := Attended{high, high, high, high, high, high, high, 0, 0}
	empty := Attended{pays, pays, pays, pays, pays, pays, pays, 9. / 64, 100}
	near(t, "outlier", QRHead{}.Documents(outlier, empty, []Span{{0, 8}})[0], 0.984375, 1e-12)
	// Of five tokens no one can lie more than two sample deviations below the
	// mean (at most 4/√5 = 1.79), so all count.
	near(t, "five tokens", QRHead{}.Documents(Attended{.5, .5, .5, .5, .25}, Attended{}, []Span{{0, 5}})[0], 2.25, 1e-12)
	// Where all tokens are alike none lies above the mean: strictly above, as published.
	even := Attended{.25, .25, .25, .25}
	near(t, "even attention", QRHead{}.Documents(even, Attended{}, []Span{{0, 4}})[0], 0, 0)
	// Two tokens count, and positions that a row does not reach hold 0: for 1 and 0
	// the mean is ½ and 2·std √2, so both lie above the threshold.
	near(t, "past the end", QRHead{}.Documents(Attended{0, 1}, Attended{}, []Span{{1, 3}})[0], 1, 0)
}

func TestNDCG(t *testing.T) {
	for _, c := range []struct {
		scores []float64
		gold   []int
		depth  int
		want   float64
	}{
		{[]float64{5, 1, 4, 2}, []int{0}, 10, 1},
		{[]float64{5, 1, 4, 2}, []int{3, 1}, 10, 0.5706417189553201},
		{[]float64{5, 1, 4, 2}, []int{3, 1}, 3, 0.3065735963827292},
		{[]float64{2, 2, 2}, []int{1}, 10, 0.6309297535714575}, // the earlier of equal scores comes first
		{[]float64{2, 2, 2}, []int{0}, 10, 1},
		{[]float64{2, 2, 2}, []int{0, 2}, 1, 1},
		{[]float64{0, -1, 3}, []int{1, 2}, 2, 0.6131471927654584},
		{[]float64{1, 2}, nil, 10, 0},
	} {
		near(t, "ndcg", QRHead{Depth: c.depth}.NDCG(c.scores, c.gold), c.want, 1e-12)
	}
}

func TestCoRe(t *testing.T) {
	query, documents := attention(20, 7, 3, 31), []Span{{0, 6}, {6, 7}, {7, 12}, {13, 19}}
	near(t, "two negatives", CoRe{.1}.Score(query, documents, 2, []int{0, 3}), 0.15152543884671432, 1e-12)
	near(t, "one negative", CoRe{.1}.Score(query, documents, 3, []int{2}), 0.8428631465294143, 1e-12)
	near(t, "lower temperature", CoRe{.05}.Score(query, documents, 2, []int{0, 3}), 0.0335269573850465, 1e-12)
	// A temperature at which e^(x/T) itself would overflow.
	near(t, "lowest temperature", CoRe{1e-6}.Score(query, documents, 3, []int{2}), 1, 1e-12)
}

func TestTrackerAndICL(t *testing.T) {
	last := attention(20, 7, 3, 31)
	near(t, "tracker", Tracker{}.Score(last, Span{2, 5}, Span{9, 15}), 0.12999999667200007, 1e-12)
	near(t, "neither looked at", Tracker{}.Score(make(Attended, 20), Span{2, 5}, Span{9, 15}), 0, 0)
	near(t, "icl", ICL{}.Score(last, []Span{{2, 3}, {8, 11}}), 0.125, 1e-12)
	// By hand: of [−1, 1) and [2, 9) positions 0 and 2 exist.
	near(t, "spans beyond the row", ICL{}.Score(Attended{.5, .25, .125}, []Span{{-1, 1}, {2, 9}}), .625, 0)
}

func TestDuoOnTheFly(t *testing.T) {
	near(t, "duo", DuoOnTheFly([]float64{.5, -1, 2, 0, .25}), 0.601664222299687, 1e-12)
	near(t, "even attention: (n+1)/2n", DuoOnTheFly(make([]float64, 8)), 9./16, 1e-12)
	near(t, "all on the first", DuoOnTheFly([]float64{900, 0, 0, 0}), 1, 1e-12)
	near(t, "all on the last", DuoOnTheFly([]float64{0, 0, 0, 900}), .25, 1e-12)
}

func TestCopies(t *testing.T) {
	ids := []int32{1, 7, 8, 7, 9, 8, 7}
	c := NewCopies(ids, 1)
	for _, p := range []struct {
		position        int
		echo, induction float64
	}{
		{0, 0, 0}, {1, 0, 0}, {4, 0, 0}, // BOS and first copies
		{3, 0.0625, 0.109375},
		{5, 0.109375, 0.15625},
		{6, 0.21875, 0.3125},
	} {
		row := make([]float32, p.position+1)
		for i := range row {
			row[i] = float32(3*i+1) / 64
		}
		near(t, "echo", c.Echo(p.position, row, 0), p.echo, 1e-7)
		near(t, "induction", c.Induction(p.position, row, 0), p.induction, 1e-7)
	}
	// Position 6 under a window of four: positions 3 to 6, with .1 .2 .3 .4. Its
	// copies are 1 and 3, what follows them 2 and 4.
	window := []float32{.1, .2, .3, .4}
	near(t, "echo in a window", c.Echo(6, window, 3), .1, 1e-7)
	near(t, "induction in a window", c.Induction(6, window, 3), .2, 1e-7)
	// A window that begins at what follows a copy, and one that ends there.
	near(t, "first of a window", c.Induction(6, []float32{.3, .4}, 4), .3, 1e-7)
	near(t, "last of a row", c.Induction(3, []float32{0, 0, .3}, 0), .3, 1e-7)
	near(t, "past a row", c.Induction(3, []float32{0, .3}, 0), 0, 0)
	// BOS does not count, even where it comes again.
	again := NewCopies([]int32{1, 1, 1}, 1)
	near(t, "BOS", again.Echo(2, []float32{.5, .3, .2}, 0), .3, 1e-7)
	if whole := NewCopies([]int32{4, 4}, 0); !slices.Equal(whole.of[1], []int32{0}) {
		t.Errorf("copies %v", whole.of)
	}
}
