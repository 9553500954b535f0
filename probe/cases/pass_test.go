package cases

import (
	"context"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"headprof/probe"
	"headprof/runner/backend"
	"headprof/runner/shape"
	"headprof/scoring"
)

// sliding is an engine of one layer with four heads on two KV heads, whose rows
// hold a window of five positions. Head h's row of position p weighs position k
// by (p·k + 10·h) mod 97, in hundredths.
type sliding struct{ probe.Model }

type slidingSession struct {
	probe.Session
	held int
}

const slidingWindow = 5

func (sliding) Shape() shape.Model                    { return shape.Uniform(1, shape.Layer{Heads: 4, KVHeads: 2}) }
func (sliding) NewSession(int) (probe.Session, error) { return &slidingSession{}, nil }
func (s *slidingSession) Len() int                    { return s.held }
func (s *slidingSession) Close()                      {}

func slidingWeight(h, p, k int) float32 { return float32((p*k+10*h)%97) / 100 }

func (s *slidingSession) Extend(_ context.Context, tokens []int32, w probe.Watch) ([][]float32, error) {
	for p := w.Blocks.From; p < w.Blocks.To; p++ {
		for h := range 4 {
			b := backend.RowBlock{Head: h, Positions: []int{p}, First: p + 1 - slidingWindow, Width: slidingWindow, Stride: slidingWindow}
			for i := range slidingWindow {
				b.Weights = append(b.Weights, slidingWeight(h, p, b.First+i))
			}
			w.Blocks.Deliver(b)
		}
	}
	s.held += len(tokens)
	return nil, nil
}

// In a layer with a window the rows hold the window's positions only: the
// first copy is looked for where it lies in each of them. Prefix 5, 6, 7; text
// at positions 3 … 9; request at 10 and 11; the text again at 12 … 18.
func TestRecitalUnderAWindow(t *testing.T) {
	c := &recital{ID: "r", Prefix: []int32{5, 6, 7}, Context: []int32{20, 21, 22, 23, 24, 25, 26}, Request: []int32{8, 9}}
	got, err := Run(t.Context(), sliding{}, c, []scoring.Named{new(scoring.KVzip)})
	if err != nil {
		t.Fatal(err)
	}
	for kv, v := range got["kvzip"][0] {
		var want float32
		for _, h := range []int{2 * kv, 2*kv + 1} {
			for p := 10; p < 19; p++ {
				for k := max(3, p-4); k < 10; k++ {
					want = max(want, slidingWeight(h, p, k))
				}
			}
		}
		if v != float64(want) {
			t.Errorf("KV head %d: %v, want %v", kv, v, want)
		}
	}
}

func TestSharedPrefix(t *testing.T) {
	for _, c := range []struct {
		a, b []int32
		want int
	}{
		{nil, nil, 0}, {[]int32{1}, nil, 0}, {[]int32{1, 2}, []int32{1, 2}, 2}, {[]int32{1, 2}, []int32{1, 3}, 1},
		{[]int32{1, 2}, []int32{1, 2, 3}, 2}, {[]int32{1, 2, 3}, []int32{1, 2}, 2}, {[]int32{4}, []int32{5}, 0},
	} {
		if got := sharedPrefix(c.a, c.b); got != c.want {
			t.Errorf("%v and %v: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

// A capped logit x is c·tanh(x/c), as Gemma 2 caps it: mean query (2, 0), mean
// key (3, 1), a scale of 1/2 and a cap of 4 give 4·tanh(3/4) at every position.
func TestCappedLogits(t *testing.T) {
	m := meanVectors{
		queries: []float64{4, 0}, keys: []float64{6, 2}, tokens: 2,
		attention: backend.Attention{Heads: 1, KVHeads: 1, KeyDim: 2, Scale: .5, SoftCap: 4},
	}
	for i, v := range m.logits(0, 3) {
		if want := 2.540595; math.Abs(v-want) > 1e-6 {
			t.Errorf("position %d: %v, want %v", i, v, want)
		}
	}
	m.attention.SoftCap = 0
	if got := m.logits(0, 1)[0]; got != 3 {
		t.Errorf("uncapped: %v, want 3", got)
	}
}

// A case that the model cannot run stops the whole plan before anything is
// written, wherever in the plan it stands.
func TestPlanIsCheckedFirst(t *testing.T) {
	_, e := engine(t)
	good, bad := &fewShot{ID: "good", IDs: ids(4, 1), Labels: []span{{0, 1}}}, &fewShot{ID: "bad", IDs: ids(4, 1)}
	none := &documents{ID: "no answer", IDs: ids(20, 1), QuerySpan: span{12, 16}, DocSpans: []span{{0, 6}, {6, 12}}, Positive: new(1), Negatives: []int{0}}
	for want, p := range map[string]Plan{
		"case bad: ":                        {Cases: []Case{good, bad}, Methods: scoring.MethodsOf(scoring.FewShot)},
		`case no answer: "gold" is missing`: {Cases: []Case{good, none}, Methods: []scoring.Named{&scoring.QRHead{}}},
		`case no contrast: "positive" and "negatives" are missing`: {
			Cases:   []Case{&documents{ID: "no contrast", IDs: ids(20, 1), QuerySpan: span{12, 16}, DocSpans: []span{{0, 6}, {6, 12}}, Gold: []int{0}, NullIDs: ids(20, 1), NullSpan: span{12, 14}}},
			Methods: []scoring.Named{&scoring.CoRe{}},
		},
	} {
		dir := t.TempDir()
		_, err := p.Do(t.Context(), e, Options{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if there, _ := os.ReadDir(dir); len(there) > 0 {
			t.Errorf("%q: %s was written", want, there[0].Name())
		}
	}
}

func TestRecordOfACase(t *testing.T) {
	c := &fewShot{ID: "f", group: "capitals", IDs: ids(4, 1), Labels: []span{{0, 1}}}
	r := newRecord(c, 3, map[string]Values{"icl": {{.25, .5}}}, 1500*time.Millisecond)
	if r.ID != "f" || r.Index != 3 || r.Probe != "few-shot" || r.Group != "capitals" || r.Tokens != 4 || r.Seconds != 1.5 || r.Scores["icl"][0][1] != .5 {
		t.Errorf("%+v", r)
	}
}

// Three cases of one kind and one of another: each kind's mean is over its own.
func TestAggregateKindsApart(t *testing.T) {
	trial := func(id, method string, v float64) scoring.TrialScore {
		return scoring.TrialScore{ID: id, Needle: id, Pass: true, Scores: map[string][][]float64{method: {{v}}}}
	}
	table, err := Aggregate([]scoring.TrialScore{
		trial("a", "echo", .1), trial("b", "icl", .9), trial("c", "echo", .2), trial("d", "echo", .6),
	}, scoring.Options{Resamples: 10})
	if err != nil {
		t.Fatal(err)
	}
	mean := map[string]float64{}
	for _, h := range table.Heads {
		mean[h.Method] = h.Mean
	}
	if math.Abs(mean["echo"]-.3) > 1e-9 || mean["icl"] != .9 || len(table.Heads) != 2 || table.Meta.Trials != 4 || table.Meta.Needles != 4 {
		t.Errorf("means %v of %d heads, %+v", mean, len(table.Heads), table.Meta)
	}
}
