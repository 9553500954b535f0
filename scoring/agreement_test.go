package scoring

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"headprof/scoring/stats"
)

// threeMethods makes 12 trials of 4 needles with scores of 2 layers × 5 heads
// under methods a, b and c, all multiples of 1/8:
//
//	((7(m+1)(5l+h+1) + 3t(l+h+m+2) + (t² mod 5)(h+1)) mod 23) / 8
//
// testdata/agreement.py makes the same with NumPy and pandas; the expected
// values below are its output.
func threeMethods(pools ...string) []Ranking {
	const layers, perLayer = 2, 5
	var out []Ranking
	for m, name := range []string{"a", "b", "c"} {
		r := Ranking{Name: name, Pool: pools[m%len(pools)]}
		sums := make([]float64, layers*perLayer)
		for t := range 12 {
			x := TrialScore{ID: fmt.Sprintf("trial %02d", t), Needle: fmt.Sprint("needle ", t%4), Pass: true, Scores: map[string][][]float64{}}
			for l := range layers {
				var row []float64
				for h := range perLayer {
					v := float64((7*(m+1)*(5*l+h+1)+3*t*(l+h+m+2)+t*t%5*(h+1))%23) / 8
					row = append(row, v)
					sums[perLayer*l+h] += v
				}
				x.Scores[name] = append(x.Scores[name], row)
			}
			r.Trials = append(r.Trials, x)
		}
		for i, s := range sums {
			r.Heads = append(r.Heads, Head{Method: name, Layer: i / perLayer, Head: i % perLayer, KVHead: i % perLayer, Mean: s / 12})
		}
		out = append(out, r)
	}
	return out
}

func TestAgreement(t *testing.T) {
	o := Options{Resamples: 20000, Seed: 1}
	joint, err := Agree(threeMethods("one run"), 3, false, o)
	if err != nil {
		t.Fatal(err)
	}
	separate, err := Agree(threeMethods("one run", "another", "a third"), 3, false, o)
	if err != nil {
		t.Fatal(err)
	}
	if joint.Heads != 10 || joint.K != 3 || joint.Resampled[0][1] != Jointly || separate.Resampled[0][1] != Separately {
		t.Errorf("%d heads, top %d, resampled %v and %v", joint.Heads, joint.K, joint.Resampled[0][1], separate.Resampled[0][1])
	}
	for _, c := range []struct {
		i, j                     int
		spearman                 float64
		low, high, sepLow, sepHi float64 // of 20,000 resamples
	}{
		{0, 1, 0.21212121212121213, -0.172, 0.923, -0.212, 0.927},
		{0, 2, -0.296969696969697, -0.976, -0.018, -1, -0.016},
		{1, 2, 0.09090909090909091, -0.539, 0.661, -0.515, 0.709},
	} {
		near(t, "spearman", joint.Spearman[c.i][c.j].Value, c.spearman, 1e-12)
		// Two runs of 20,000 resamples differ by a few hundredths at most.
		near(t, "joint low", joint.Spearman[c.i][c.j].Low, c.low, 0.03)
		near(t, "joint high", joint.Spearman[c.i][c.j].High, c.high, 0.03)
		near(t, "separate low", separate.Spearman[c.i][c.j].Low, c.sepLow, 0.03)
		near(t, "separate high", separate.Spearman[c.i][c.j].High, c.sepHi, 0.03)
		if joint.Shared[c.i][c.j] != 1 || joint.Overlap[c.i][c.j].Low != 0 || joint.Spearman[c.i][c.j] != joint.Spearman[c.j][c.i] {
			t.Errorf("%d and %d: %d shared, %+v", c.i, c.j, joint.Shared[c.i][c.j], joint.Overlap[c.i][c.j])
		}
		near(t, "overlap high", joint.Overlap[c.i][c.j].High, 2./3, 1e-12)
	}
}

// A method that is twice another ranks every resample as the other does, where
// both see the same trials; where trials are drawn apart, it does not.
func TestAgreementResamplesSharedTrialsTogether(t *testing.T) {
	twins := func(pool string) []Ranking {
		r := threeMethods("run")[:1]
		b := Ranking{Name: "b", Pool: pool}
		for _, h := range r[0].Heads {
			h.Method, h.Mean = "b", 2*h.Mean
			b.Heads = append(b.Heads, h)
		}
		for _, x := range r[0].Trials {
			y := x
			y.Scores = map[string][][]float64{}
			for _, row := range x.Scores["a"] {
				row = slices.Clone(row)
				for i := range row {
					row[i] *= 2
				}
				y.Scores["b"] = append(y.Scores["b"], row)
			}
			b.Trials = append([]TrialScore{y}, b.Trials...) // the order of trials means nothing
		}
		return append(r, b)
	}
	one := stats.Estimate{Value: 1, Low: 1, High: 1}
	a, err := Agree(twins("run"), 3, false, Options{})
	if err != nil || a.Spearman[0][1] != one || a.Overlap[0][1] != one {
		t.Errorf("same trials: %+v, %+v, %v", a.Spearman[0][1], a.Overlap[0][1], err)
	}
	if a, err = Agree(twins("other"), 3, false, Options{}); err != nil || a.Overlap[0][1].Low > 0.7 {
		t.Errorf("other trials: %+v, %+v, %v", a.Spearman[0][1], a.Overlap[0][1], err)
	}
	// Trials that did not pass, and trials of one side alone, change nothing.
	r := twins("run")
	r[0].Trials = append(r[0].Trials, TrialScore{ID: "failed", Needle: "x"})
	if again, err := Agree(r, 3, false, Options{}); err != nil || again.Spearman[0][1] != one {
		t.Errorf("with a failed trial: %+v, %v", again, err)
	}
	// Without trials heads are resampled, as Compare does.
	r[0].Trials, r[1].Trials = nil, nil
	if a, err = Agree(r, 3, false, Options{}); err != nil || a.Resampled[0][1] != HeadsDrawn || a.Spearman[0][1] != one {
		t.Errorf("without trials: %+v, %v", a, err)
	}
	c, err := Compare(r[0].Heads, r[1].Heads, 3, Options{})
	if err != nil || c.Spearman != a.Spearman[0][1] {
		t.Errorf("Compare says %+v, %v", c.Spearman, err)
	}
}

func TestConsensus(t *testing.T) {
	c, err := Agreed(threeMethods("run"), 3, 0, false, Options{Resamples: 20000, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	// Tops by testdata/agreement.py: {4 7 8}, {2 5 7}, {1 2 4}. So 2, 4 and 7
	// have two votes of three; mean ranks 3.67, 3.67 and 3.33.
	var members []int
	for _, h := range c.Members() {
		members = append(members, 5*h.Layer+h.Head)
		if h.Votes != 2 || h.Score != 2./3 {
			t.Errorf("%+v", h)
		}
	}
	if !slices.Equal(members, []int{7, 2, 4}) || c.AtLeast != 2 || c.K != 3 {
		t.Errorf("members %v of at least %d votes, top %d", members, c.AtLeast, c.K)
	}
	rank := []float64{16. / 3, 22. / 3, 11. / 3, 20. / 3, 11. / 3, 14. / 3, 19. / 3, 10. / 3, 16. / 3, 26. / 3}
	stable := []float64{.176, .025, .533, .018, .479, .218, .073, .496, .313, .004}
	for _, h := range c.Heads {
		i := 5*h.Layer + h.Head
		near(t, "mean rank", h.MeanRank, rank[i], 1e-12)
		near(t, "stability", h.Stability, stable[i], 0.02)
	}
	// As a table: scores of members, 0 of others, ranks that go on by mean rank.
	table := c.Table(Meta{Model: "m"})
	for i, h := range table.Heads {
		want := 0.
		if slices.Contains(members, i) {
			want = 2. / 3
		}
		if h.Method != "consensus" || 5*h.Layer+h.Head != i || h.Mean != want {
			t.Errorf("row %d: %+v", i, h)
		}
	}
	if r := table.Heads; r[7].Rank != 1 || r[2].Rank != 2 || r[4].Rank != 3 || r[5].Rank != 4 || r[9].Rank != 10 {
		t.Errorf("ranks of %+v", r)
	}
	if all, err := Agreed(threeMethods("run"), 3, 3, false, Options{}); err != nil || len(all.Members()) != 0 {
		t.Errorf("under all three: %+v, %v", all, err)
	}
	if _, err := Agreed(threeMethods("run"), 3, 4, false, Options{}); err == nil {
		t.Error("four votes of three rankings")
	}
	// Heads that score nothing are voted for by nobody.
	none := []Ranking{{Name: "a", Heads: profile(4, 1, 1, 0, 0, 0)}, {Name: "b", Heads: profile(4, 1, 1, 0, 0, 0)}}
	if c, err = Agreed(none, 2, 1, false, Options{}); err != nil || len(c.Members()) != 1 || !math.IsNaN(c.Heads[0].Stability) {
		t.Errorf("scores of 0: %+v, %v", c, err)
	}
}

func TestWhatHasNoCommonMeaningIsRefused(t *testing.T) {
	query := Ranking{Name: "query", Heads: profile(4, 2, 9, 8, 7, 6, 5, 4, 3, 2)}
	kv := Ranking{Name: "kv", Heads: profile(2, 1, 4, 3, 2, 1), PerKVHead: true}
	// Methods of KV heads in a run's tables repeat each score for its query heads.
	spread := Ranking{Name: "spread", Heads: profile(4, 2, 4, 4, 3, 3, 2, 2, 1, 1), PerKVHead: true}
	small := Ranking{Name: "small", Heads: profile(2, 2, 1, 2, 3, 4)}
	for _, pair := range [][]Ranking{{query, kv}, {query, spread}, {query, small}, {small, query}} {
		if _, err := Agree(pair, 0, false, Options{}); !errors.Is(err, ErrNoCommonMeaning) {
			t.Errorf("%s and %s: %v", pair[0].Name, pair[1].Name, err)
		}
	}
	// Two tables of KV heads are of one kind, however they are written.
	for _, pair := range [][]Ranking{{kv, spread}, {spread, kv}} {
		a, err := Agree(pair, 2, false, Options{})
		if err != nil || !a.KVHeads || a.Heads != 4 || a.Spearman[0][1].Value != 1 {
			t.Errorf("KV heads: %+v, %v", a, err)
		}
	}
	// Told to, groups of query heads count by their best: 9 7 5 3.
	a, err := Agree([]Ranking{query, kv}, 2, true, Options{})
	if err != nil || !a.KVHeads || a.Heads != 4 || a.Spearman[0][1].Value != 1 {
		t.Errorf("query heads and KV heads: %+v, %v", a, err)
	}
	c, err := Agreed([]Ranking{kv, query}, 2, 2, true, Options{})
	if err != nil || len(c.Members()) != 2 {
		t.Fatalf("%+v, %v", c, err)
	}
	// Budgets need query heads: each has its KV head's score.
	var means []float64
	for _, h := range c.Table(Meta{}).Heads {
		means = append(means, h.Mean)
	}
	if !slices.Equal(means, []float64{1, 1, 1, 1, 0, 0, 0, 0}) {
		t.Errorf("scores of query heads: %v", means)
	}
	// Of other shapes, the heads that both have: 9 8 5 4 against 1 2 3 4.
	if a, err = Agree([]Ranking{query, small}, 2, true, Options{}); err != nil || a.Heads != 4 || a.Spearman[0][1].Value != -1 {
		t.Errorf("other shapes: %+v, %v", a, err)
	}
}

// Which rankings share trials, directly or through a third: a and c are of one
// run, b and d of another, f of the first with one trial more; e has a single
// trial, and g none.
func TestWhichTrialsAreResampledTogether(t *testing.T) {
	make := func(name, pool string, ids ...string) Ranking {
		r := Ranking{Name: name, Pool: pool, Heads: profile(3, 1, 3, 2, 1)}
		for i, id := range ids {
			r.Trials = append(r.Trials, TrialScore{ID: id, Needle: id, Pass: true, Scores: map[string][][]float64{"": {{float64(3 + i), 2, 1}}}})
		}
		return r
	}
	of := []Ranking{
		make("a", "one", "t1", "t2"), make("b", "two", "t1", "t2"), make("c", "one", "t2", "t3"), make("d", "two", "t2", "t9"),
		make("e", "three", "t1"), make("f", "one", "t3", "t4"), make("g", "four"),
	}
	a, err := Agree(of, 1, false, Options{Resamples: 20})
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string]int{"a": 1, "c": 1, "f": 1, "b": 2, "d": 2, "e": 0, "g": 0}
	for i, x := range of {
		for j, y := range of {
			want := Separately
			switch p, q := groups[x.Name], groups[y.Name]; {
			case i == j:
				want = Itself
			case p == 0 && q == 0:
				want = HeadsDrawn
			case p == 0 || q == 0:
				want = OneSide
			case p == q:
				want = Jointly
			}
			if got := a.Resampled[i][j]; got != want {
				t.Errorf("%s and %s: %q, want %q", x.Name, y.Name, got, want)
			}
		}
	}
	// Two rankings of which one alone has trials, in either order.
	for _, pair := range [][]Ranking{{of[0], of[6]}, {of[6], of[0]}} {
		if a, err := Agree(pair, 1, false, Options{Resamples: 20}); err != nil || a.Resampled[0][1] != OneSide {
			t.Errorf("%+v, %v", a, err)
		}
	}
	if _, err := Agree([]Ranking{of[0], {Name: "h"}}, 1, false, Options{}); err == nil {
		t.Error("a ranking without heads")
	}
	short := make("short", "five", "t1", "t2")
	short.Trials[1].Scores[""][0] = []float64{1, 2}
	if _, err := Agree([]Ranking{of[0], short}, 1, false, Options{}); err == nil || err.Error() != `short scores 3 heads, its trial "t2" 2` {
		t.Errorf("a trial of other heads: %v", err)
	}
}

// A tenth of the heads, rounded; two heads are enough and one is not.
func TestAgreementOfFewAndManyHeads(t *testing.T) {
	many := make([]float64, 25)
	for i := range many {
		many[i] = float64(i)
	}
	a, err := Agree([]Ranking{{Name: "a", Heads: profile(25, 1, many...)}, {Name: "b", Heads: profile(25, 1, many...)}}, 0, false, Options{Resamples: 10})
	if err != nil || a.K != 3 {
		t.Errorf("%+v, %v", a, err)
	}
	a, err = Agree([]Ranking{{Name: "a", Heads: profile(2, 1, 1, 2)}, {Name: "b", Heads: profile(2, 1, 2, 1)}}, 0, false, Options{Resamples: 10})
	if err != nil || a.K != 1 || a.Heads != 2 || a.Spearman[0][1].Value != -1 {
		t.Errorf("two heads: %+v, %v", a, err)
	}
	if _, err = Agree([]Ranking{{Name: "a", Heads: profile(2, 1, 1, 2)}, {Name: "b", Heads: profile(2, 1, 2, math.NaN())}}, 0, false, Options{}); err == nil {
		t.Error("one head with a score in both")
	}
}

// Groups of query heads count by their best, wherever it stands: 4 8, 9 1,
// 2 3, 7 6 against KV heads 8 9 3 7. The worst would be 4 1 2 6, another order.
func TestGroupsCountByTheirBest(t *testing.T) {
	query := Ranking{Name: "query", Heads: profile(4, 2, 4, 8, 9, 1, 2, 3, 7, 6)}
	kv := Ranking{Name: "kv", Heads: profile(2, 1, 8, 9, 3, 7), PerKVHead: true}
	for range 2 {
		a, err := Agree([]Ranking{query, kv}, 2, true, Options{Resamples: 10})
		if err != nil || a.Spearman[0][1].Value != 1 || a.Shared[0][1] != 2 {
			t.Errorf("%+v, %v", a, err)
		}
		query.Heads[2].Mean, query.Heads[3].Mean = math.NaN(), 9 // a head without a score does not hide the other's
	}
}

// Votes of rankings with trials and without; as a table the members share 1.
func TestConsensusOfOneRunAndAFile(t *testing.T) {
	run := threeMethods("run")[0]
	file := Ranking{Name: "file", Heads: slices.Clone(run.Heads)}
	c, err := Agreed([]Ranking{run, file}, 2, 2, false, Options{Resamples: 50})
	if err != nil || len(c.Members()) != 2 || !(c.Heads[0].Stability > 0) {
		t.Fatalf("%+v, %v", c, err)
	}
	shares := 0.
	for _, h := range c.Table(Meta{}).Heads {
		if h.Share != h.Mean/2 {
			t.Errorf("%+v", h)
		}
		shares += h.Share
	}
	near(t, "shares", shares, 1, 1e-12)
	// All heads may be members, or none.
	all, err := Agreed([]Ranking{run, file}, 10, 1, false, Options{Resamples: 10})
	if err != nil || len(all.Members()) != 10 {
		t.Errorf("%+v, %v", all, err)
	}
	nothing := Ranking{Name: "a", Heads: profile(4, 1, 0, 0, 0, 0)}
	none, err := Agreed([]Ranking{nothing, nothing}, 2, 1, false, Options{})
	if err != nil || len(none.Members()) != 0 {
		t.Fatalf("%+v, %v", none, err)
	}
	for _, h := range none.Table(Meta{}).Heads {
		if h.Mean != 0 || h.Share != 0 {
			t.Errorf("a vote for a score of 0: %+v", h)
		}
	}
}

// One ranking from two runs correlates with itself at 1; resampled apart it
// does less, so both ends of the basic interval lie beyond 1 and are cut.
func TestCorrelationIntervalsAreCut(t *testing.T) {
	a, b := threeMethods("one run")[0], threeMethods("another")[0]
	got, err := Agree([]Ranking{a, b}, 3, false, Options{Resamples: 500, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if s := got.Spearman[0][1]; s.Value != 1 || s.Low != 1 || s.High != 1 {
		t.Errorf("%+v", s)
	}
}
