package scoring

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"headprof/runner/shape"
)

// expected holds testdata/expected.json: SciPy 1.17.1's and NumPy 2.4.6's values, made by
// testdata/expected.py.
type expected struct {
	Trials []struct {
		ID, Needle string
		Scores     [][]float64
	}
	Table struct {
		Mean, StdErr, Low, High, Share []float64
		Rank                           []int
		RankLow                        []float64 `json:"rank_low"`
		RankHigh                       []float64 `json:"rank_high"`
	}
	Stability struct {
		K          int
		Overlap    float64
		OverlapLow float64 `json:"overlap_low"`
		Fixed      float64
		FixedLow   float64 `json:"fixed_low"`
	}
	SplitHalf float64 `json:"split_half"`
	Pairs     []struct {
		X, Y              []*float64
		Spearman, Kendall *float64
	}
}

func readExpected(t *testing.T) (e expected, trials []TrialScore) {
	t.Helper()
	data, err := os.ReadFile("testdata/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &e); err != nil {
		t.Fatal(err)
	}
	for _, x := range e.Trials {
		trials = append(trials, TrialScore{ID: x.ID, Needle: x.Needle, Pass: true, Scores: map[string][][]float64{"headkv-r2": x.Scores}})
	}
	return e, trials
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: %v, want %v within %v", what, got, want, tolerance)
	}
}

func TestAggregateAgainstSciPy(t *testing.T) {
	e, trials := readExpected(t)
	// A failed trial must change nothing.
	trials = append(trials, TrialScore{ID: "zz", Needle: "n9", Scores: map[string][][]float64{"headkv-r2": {{9}}}})
	layers := shape.Model{{Heads: 4, KVHeads: 2}, {Heads: 4, KVHeads: 2, Window: 512}, {Heads: 4, KVHeads: 4}}
	table, err := Aggregate(trials, Options{Shape: layers, Resamples: 20000, Seed: 3, Meta: Meta{Model: "m"}})
	if err != nil {
		t.Fatal(err)
	}
	if m := table.Meta; m.Trials != len(trials) || m.Passed != len(e.Trials) || m.Needles != 6 || m.Model != "m" {
		t.Errorf("meta %+v", m)
	}
	for i, h := range table.Heads {
		name := strconv.Itoa(h.Layer) + "-" + strconv.Itoa(h.Head)
		near(t, name+" mean", h.Mean, e.Table.Mean[i], 1e-12)
		near(t, name+" stderr", h.StdErr, e.Table.StdErr[i], 1e-12)
		near(t, name+" share", h.Share, e.Table.Share[i], 1e-12)
		// Both bootstraps are random: allow 3 % of the interval's width.
		tolerance := .03*(e.Table.High[i]-e.Table.Low[i]) + 1e-12
		near(t, name+" low", h.Low, e.Table.Low[i], tolerance)
		near(t, name+" high", h.High, e.Table.High[i], tolerance)
		near(t, name+" rank low", float64(h.RankLow), e.Table.RankLow[i], 1)
		near(t, name+" rank high", float64(h.RankHigh), e.Table.RankHigh[i], 1)
		if h.Rank != e.Table.Rank[i] || h.N != len(e.Trials) {
			t.Errorf("%s: rank %d of %d trials, want %d of %d", name, h.Rank, h.N, e.Table.Rank[i], len(e.Trials))
		}
	}
	if h := table.Heads[5]; h.Layer != 1 || h.Head != 1 || h.KVHead != 0 || h.Window != 512 {
		t.Errorf("sixth row %+v", h)
	}
	if len(table.Halves) != 1 || table.Halves[0].Unit != "needle" {
		t.Fatalf("halves %+v", table.Halves)
	}
	near(t, "split-half correlation", table.Halves[0].Correlation, e.SplitHalf, .03)
	r := table.Halves[0].Correlation
	near(t, "Spearman-Brown", table.Halves[0].Corrected, 2*r/(1+r), 1e-12)
}

func TestAssessAgainstNumPy(t *testing.T) {
	e, trials := readExpected(t)
	got, err := Assess(trials, e.Stability.K, Options{Resamples: 20000})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "overlap", got[0].Overlap, e.Stability.Overlap, .01)
	near(t, "overlap, 5 %", got[0].OverlapLow, e.Stability.OverlapLow, 1e-9)
	// The top heads' mean width of rank intervals, over the number of heads.
	var width float64
	for i, rank := range e.Table.Rank {
		if rank <= e.Stability.K {
			width += (e.Table.RankHigh[i] - e.Table.RankLow[i]) / float64(e.Stability.K) / 12
		}
	}
	near(t, "rank width", got[0].RankWidth, width, .03)
	if DefaultBound.Met(got[0]) {
		t.Errorf("27 noisy trials count as stable: %+v", got[0])
	}
	fixed, err := Assess(trials, e.Stability.K, Options{Resamples: 20000, FixedNeedles: true})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "overlap, needles fixed", fixed[0].Overlap, e.Stability.Fixed, .01)
	near(t, "overlap, needles fixed, 5 %", fixed[0].OverlapLow, e.Stability.FixedLow, 1e-9)
	// Without noise every resample agrees.
	for i := range trials {
		trials[i].Scores = trials[0].Scores
	}
	got, err = Assess(trials, 0, Options{})
	if err != nil || got[0].K != 1 || got[0].Overlap != 1 || got[0].RankWidth != 0 || !DefaultBound.Met(got[0]) {
		t.Errorf("equal trials: %+v, %v", got, err)
	}
	if got, err := Assess(nil, 3, Options{}); got != nil || err != nil {
		t.Errorf("no trials: %v, %v", got, err)
	}
}

func TestBoundHoldsAtItsBorders(t *testing.T) {
	b := Bound{Overlap: .75, RankWidth: .25, MinNeedles: 4}
	at := Stability{Overlap: .75, RankWidth: .25, Needles: 4}
	if !b.Met(at) {
		t.Errorf("%+v is not met at its border", b)
	}
	for _, s := range []Stability{{Overlap: .74, RankWidth: .25, Needles: 4}, {Overlap: .75, RankWidth: .26, Needles: 4}, {Overlap: .75, RankWidth: .25, Needles: 3}} {
		if b.Met(s) {
			t.Errorf("%+v meets %+v", s, b)
		}
	}
}

// Trials that only repeat their needle add no evidence: the interval must be
// that of the needles, √5 times wider than that of independent trials.
func TestNeedlesAreTheUnit(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var repeated, independent []TrialScore
	for n := range 40 {
		v := rng.NormFloat64()
		for i := range 5 {
			add := func(to []TrialScore, needle string, v float64) []TrialScore {
				return append(to, TrialScore{ID: strconv.Itoa(100*n + i), Needle: needle, Pass: true, Scores: map[string][][]float64{"retrieval": {{v}}}})
			}
			repeated = add(repeated, strconv.Itoa(n), v)
			independent = add(independent, strconv.Itoa(100*n+i), v)
		}
	}
	width := func(trials []TrialScore) float64 {
		table, err := Aggregate(trials, Options{Resamples: 4000})
		if err != nil {
			t.Fatal(err)
		}
		return table.Heads[0].High - table.Heads[0].Low
	}
	near(t, "ratio of widths", width(repeated)/width(independent), math.Sqrt(5), .15)
}

// Half of all resamples lie in a 50 % interval, and 95 % is what nobody chose.
func TestConfidence(t *testing.T) {
	_, trials := readExpected(t)
	width := func(confidence float64) (want, width float64) {
		table, err := Aggregate(trials, Options{Confidence: confidence, Resamples: 4000})
		if err != nil {
			t.Fatal(err)
		}
		return table.Meta.Confidence, table.Heads[5].High - table.Heads[5].Low
	}
	usual, wide := width(.95)
	if usual != .95 {
		t.Errorf("confidence %v", usual)
	}
	for _, c := range []float64{0, -1, 1, 2} {
		if got, w := width(c); got != .95 || w != wide {
			t.Errorf("confidence %v counts as %v", c, got)
		}
	}
	// Of a normal distribution, ±0.674 σ against ±1.960 σ.
	half, narrow := width(.5)
	if half != .5 {
		t.Errorf("confidence %v", half)
	}
	near(t, "ratio of widths", narrow/wide, .674/1.960, .06)
}

// Two needles are halved by needle, one by trial. Opposite halves have no
// Spearman-Brown correction: 2r/(1+r) has its pole there.
func TestSplitHalfOfTwo(t *testing.T) {
	trial := func(id, needle string, scores ...float64) TrialScore {
		return TrialScore{ID: id, Needle: needle, Pass: true, Scores: map[string][][]float64{"m": {scores}}}
	}
	for _, c := range []struct {
		name   string
		trials []TrialScore
		unit   string
		splits int
		r      float64
		sb     float64
	}{
		{"two needles, opposite", []TrialScore{trial("a", "x", 1, 2, 3), trial("b", "y", 3, 2, 1)}, "needle", 7, -1, math.NaN()},
		// Spearman of (1 2 3) and (1 3 2) is ½, so 2·½/(1+½).
		{"two needles", []TrialScore{trial("a", "x", 1, 2, 3), trial("b", "y", 1, 3, 2)}, "needle", 7, .5, 2. / 3},
		{"one needle, two trials", []TrialScore{trial("a", "x", 1, 2, 3), trial("b", "x", 1, 3, 2)}, "trial", 7, .5, 2. / 3},
		// A half of one trial of x, a half of three of y: means, so y's sizes do not outweigh.
		{"needles of different size", []TrialScore{trial("a", "x", 1, 2, 3), trial("b", "y", 3, 9, 3), trial("c", "y", 0, 0, 3)}, "needle", 7, .5, 2. / 3},
		{"one trial", []TrialScore{trial("a", "x", 1, 2, 3)}, "trial", 0, math.NaN(), math.NaN()},
		{"constant scores", []TrialScore{trial("a", "x", 1, 1, 1), trial("b", "y", 1, 3, 2)}, "needle", 0, math.NaN(), math.NaN()},
	} {
		table, err := Aggregate(c.trials, Options{Splits: 7, Resamples: 10})
		if err != nil {
			t.Fatal(err)
		}
		got := table.Halves[0]
		same := func(a, b float64) bool { return math.Abs(a-b) < 1e-12 || math.IsNaN(a) && math.IsNaN(b) }
		if got.Unit != c.unit || got.Splits != c.splits || !same(got.Correlation, c.r) || !same(got.Corrected, c.sb) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestAggregateIsReproducible(t *testing.T) {
	_, trials := readExpected(t)
	for i := range trials {
		trials[i].Scores["retrieval"] = trials[i].Scores["headkv-r2"]
		trials[i].Scores["aaa"] = trials[i].Scores["headkv-r2"]
	}
	a, err := Aggregate(trials, Options{Seed: 1, Resamples: 200})
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Methods(); !slices.Equal(got, []string{"headkv-r2", "retrieval", "aaa"}) {
		t.Errorf("methods %v", got)
	}
	if len(a.Of("retrieval")) != 12 || a.Of("none") != nil {
		t.Error("Of")
	}
	if got, want := a.Heads[2].Trials[0], trials[0].Scores["headkv-r2"][0][2]; got != want {
		t.Errorf("first trial's score %v, want %v", got, want)
	}
	slices.Reverse(trials)
	b, _ := Aggregate(trials, Options{Seed: 1, Resamples: 200})
	for i := range b.Heads {
		slices.Reverse(b.Heads[i].Trials)
	}
	if !reflect.DeepEqual(a, b) {
		t.Error("the order of trials changes the table")
	}
	c, _ := Aggregate(trials, Options{Seed: 2, Resamples: 200})
	if c.Heads[5].Low == a.Heads[5].Low {
		t.Error("the seed changes nothing")
	}
}

func TestAggregateRefuses(t *testing.T) {
	ok := TrialScore{ID: "a", Pass: true, Scores: map[string][][]float64{"m": {{1, 2}}}}
	with := func(s map[string][][]float64) []TrialScore {
		return []TrialScore{ok, {ID: "b", Pass: true, Scores: s}}
	}
	for _, c := range []struct {
		name   string
		trials []TrialScore
		o      Options
		want   string
	}{
		{"other method", with(map[string][][]float64{"n": {{1, 2}}}), Options{}, `trial "b" has no m scores`},
		{"more methods", with(map[string][][]float64{"n": {{1, 2}}, "m": {{1, 2}}}), Options{}, "scores of 2 methods"},
		{"fewer heads", with(map[string][][]float64{"m": {{1}}}), Options{}, "1 heads in layer 0"},
		{"more layers", with(map[string][][]float64{"m": {{1, 2}, {1}}}), Options{}, "2 layers"},
		{"NaN", with(map[string][][]float64{"m": {{1, math.NaN()}}}), Options{}, "layer 0, head 1 is NaN"},
		{"infinity", with(map[string][][]float64{"m": {{1, math.Inf(1)}}}), Options{}, "+Inf"},
		{"no scores", []TrialScore{{ID: "b", Pass: true}}, Options{}, `trial "b" has no scores`},
		{"no heads", []TrialScore{{ID: "b", Pass: true, Scores: map[string][][]float64{"m": {}}}}, Options{}, "no heads"},
		{"KV heads of other layers", []TrialScore{ok}, Options{Shape: shape.Uniform(2, shape.Layer{Heads: 2})}, "shape has 2 layers"},
		{"KV heads that do not divide", []TrialScore{ok}, Options{Shape: shape.Model{{Heads: 2, KVHeads: 3}}}, "cannot share 3"},
		{"other heads", []TrialScore{ok}, Options{Shape: shape.Model{{Heads: 4, KVHeads: 2}}}, "layer 0 has 4 heads"},
	} {
		if _, err := Aggregate(c.trials, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := Aggregate([]TrialScore{{ID: "a"}}, Options{}); !errors.Is(err, ErrNonePassed) {
		t.Errorf("nothing passed: %v", err)
	}
	// One trial: a mean without an error, and an interval of no width.
	table, err := Aggregate([]TrialScore{ok}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if h := table.Heads[1]; h.Mean != 2 || !math.IsNaN(h.StdErr) || h.Low != 2 || h.High != 2 || h.Rank != 1 {
		t.Errorf("one trial: %+v", h)
	}
}

func TestCorrelationsAgainstSciPy(t *testing.T) {
	e, _ := readExpected(t)
	values := func(p []*float64) []float64 {
		var out []float64
		for _, v := range p {
			if v == nil {
				out = append(out, math.NaN())
			} else {
				out = append(out, *v)
			}
		}
		return out
	}
	for i, p := range e.Pairs {
		for name, c := range map[string]struct {
			got  float64
			want *float64
		}{
			"spearman": {Spearman(values(p.X), values(p.Y)), p.Spearman},
			"kendall":  {KendallTauB(values(p.X), values(p.Y)), p.Kendall},
		} {
			if c.want == nil {
				if c.got == c.got {
					t.Errorf("pair %d, %s: %v, want NaN", i, name, c.got)
				}
				continue
			}
			near(t, name, c.got, *c.want, 1e-12)
		}
	}
	if !math.IsNaN(Spearman(nil, nil)) || !math.IsNaN(KendallTauB(nil, nil)) {
		t.Error("no pairs correlate")
	}
}

func BenchmarkAggregate(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	var trials []TrialScore
	for i := range 500 {
		t := TrialScore{ID: strconv.Itoa(i), Needle: strconv.Itoa(i % 25), Pass: true, Scores: map[string][][]float64{}}
		for _, m := range []string{"headkv-r2", "retrieval"} {
			layers := make([][]float64, 32)
			for l := range layers {
				layers[l] = make([]float64, 32)
				for h := range layers[l] {
					layers[l][h] = rng.Float64()
				}
			}
			t.Scores[m] = layers
		}
		trials = append(trials, t)
	}
	for b.Loop() {
		if _, err := Aggregate(trials, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
