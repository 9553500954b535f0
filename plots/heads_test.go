package plots

import (
	"math"
	"strings"
	"testing"
)

// rings counts the rings of a figure; its legend holds one more.
func rings(t *testing.T, f *Figure) int {
	t.Helper()
	return strings.Count(string(written(t, f, "svg")), "stroke:#E8590C") - 1
}

// slidingMarks counts the marks of sliding-window layers, legend left out.
func slidingMarks(t *testing.T, f *Figure) int {
	t.Helper()
	return strings.Count(string(written(t, f, "svg")), "fill:#F6E3EF") - 1
}

func headMap(t *testing.T, h Heads) *Figure {
	t.Helper()
	f, err := HeadMap(h)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestHeadMapSaysWhatItShows(t *testing.T) {
	h := profile(18, 4, 4, 1, true)
	h.Decode = "forced"
	h.Top, h.Label = 7, "score (mean over trials)"
	h.Score[0][0] = math.NaN()
	f := headMap(t, h)
	has(t, f, "SmolLM2-135M-Instruct-Q8_0", "method headkv-r2", "forced decoding",
		"187 of 200 trials counted", "layer", "query head", "score (mean over trials)", "Top 7 heads", "95 % interval",
		"4 query heads share a KV head", "sliding-window layer, 512 tokens", "no score")
	if n := rings(t, f); n != 7 {
		t.Errorf("%d rings for the top 7", n)
	}
	if n := slidingMarks(t, f); n != 15 { // 18 layers, of which 5, 11 and 17 are global
		t.Errorf("%d of 15 sliding-window layers marked", n)
	}
}

// In greedy decoding the pass rate says how much a profile is worth.
func TestHeadMapSaysPassRate(t *testing.T) {
	has(t, headMap(t, profile(4, 8, 2, 1, false)),
		"greedy decoding", "187 of 200 trials passed (94 %)") // 187/200 = 93.5 %
}

// Signs that a profile does not need are not explained.
func TestHeadMapLegendHoldsNoMore(t *testing.T) {
	h := profile(4, 8, 1, 1, false)
	h.Low, h.High = nil, nil
	for _, l := range labels(t, headMap(t, h)) {
		for _, absent := range []string{"share a KV head", "sliding", "no score", "interval", "reliable", "care"} {
			if strings.Contains(l.text, absent) {
				t.Errorf("%q in a legend without need", l.text)
			}
		}
	}
}

// The top list runs best first, ties by lowest layer and head; heads at zero
// are never on it.
func TestTopHeads(t *testing.T) {
	h := Heads{Layers: 2, Heads: 3, Top: 5, Score: [][]float64{{0, 0.2, math.NaN()}, {0.5, 0.2, 0}}}
	f := headMap(t, h)
	var names []string
	for _, l := range labels(t, f) {
		if strings.HasPrefix(l.text, "L") {
			names = append(names, l.text)
		}
	}
	if got := strings.Join(names, " "); got != "L1.H0 L0.H1 L1.H1" {
		t.Errorf("top heads: %s", got)
	}
	if n := rings(t, f); n != 3 {
		t.Errorf("%d rings for 3 heads above zero", n)
	}
	h.Score = [][]float64{{0, 0, 0}, {0, 0, 0}}
	has(t, headMap(t, h), "No head scores above 0")
}

// A profile that rests on few or failing trials says so in its title.
func TestHeadMapWarns(t *testing.T) {
	h := profile(4, 8, 2, 1, false)
	h.Trials, h.Passed = 100, 19
	has(t, headMap(t, h), "few passing trials")
	h.Passed = 49
	has(t, headMap(t, h), "low pass rate")
	h.Trials, h.Passed = 0, 0 // published files do not say
	for _, l := range labels(t, headMap(t, h)) {
		if strings.Contains(l.text, "passing trials:") || strings.Contains(l.text, "passed") {
			t.Errorf("%q though nothing is known of trials", l.text)
		}
	}
}

func TestHeadsRefused(t *testing.T) {
	ok := func() Heads { return profile(4, 8, 2, 1, true) }
	for name, c := range map[string]struct {
		spoil func(*Heads)
		says  string
	}{
		"empty":         {func(h *Heads) { *h = Heads{} }, "nothing to draw"},
		"missing layer": {func(h *Heads) { h.Score = h.Score[:3] }, "3 layers"},
		"missing head":  {func(h *Heads) { h.Score[2] = h.Score[2][:7] }, "layer 2"},
		"only NaN": {func(h *Heads) {
			h.Score = [][]float64{{math.NaN()}}
			h.Layers, h.Heads, h.KVGroup = 1, 1, 1
			h.Low, h.High, h.Window = nil, nil, nil
		}, "NaN"},
		"infinite":       {func(h *Heads) { h.Score[3][1] = math.Inf(1) }, "L3.H1"},
		"low without up": {func(h *Heads) { h.High = nil }, "both"},
		"odd groups":     {func(h *Heads) { h.KVGroup = 3 }, "groups of 3"},
		"windows":        {func(h *Heads) { h.Window = h.Window[:2] }, "windows for 2 layers"},
		"too many":       {func(h *Heads) { h.Layers = 1 << 30 }, "512"},
		"passed":         {func(h *Heads) { h.Passed = 201 }, "201 passed of 200"},
	} {
		h := ok()
		c.spoil(&h)
		for kind, draw := range map[string]func(Heads) (*Figure, error){"heads": HeadMap, "ranking": Ranking, "layers": Layers,
			"compare": func(h Heads) (*Figure, error) { return Compare(h, ok()) }} {
			if _, err := draw(h); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s, %s: error %v does not say %q", kind, name, err, c.says)
			}
		}
	}
}

// Text from outside cannot break the file.
func TestHostileNames(t *testing.T) {
	h := profile(4, 8, 2, 1, false)
	h.Model = "<script>&\"\x00\x1b[31m\xff" + strings.Repeat("long-", 100) + "Q4_K_M"
	h.Label = "score\x01\n</svg>"
	f := headMap(t, h)
	has(t, f, "<script>&\"", "Q4_K_M", "…")
	if f.Width > 900 {
		t.Errorf("a long name makes the figure %g points wide", f.Width)
	}
	written(t, f, "png")
	written(t, f, "pdf")
}

// A legend names what the table holds: KV heads, its own name of the score and
// of the interval, and no interval where all are unknown.
func TestHeadMapNamesWhatIsThere(t *testing.T) {
	h := profile(4, 8, 1, 1, false)
	h.PerKV, h.Label, h.Interval, h.Title = true, "value in the pattern, 0 to 1", "95 % interval over trials", "Figure 3"
	has(t, headMap(t, h), "Figure 3", "KV head", "value in the pattern, 0 to 1", "95 % interval over trials")
	for l := range h.Low {
		for i := range h.Low[l] {
			h.Low[l][i], h.High[l][i] = math.NaN(), math.NaN()
		}
	}
	ranking, err := Ranking(h)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*Figure{headMap(t, h), ranking} {
		for _, l := range labels(t, f) {
			if strings.Contains(l.text, "interval") || strings.Contains(l.text, "query head") || strings.Contains(l.text, "passing") {
				t.Errorf("%q on a figure of KV heads without intervals", l.text)
			}
		}
	}
}

// Up to 40 heads are ringed; more get the outline of their cells, and every
// kind of figure counts the same heads as top.
func TestManyTopHeads(t *testing.T) {
	h := profile(32, 32, 4, 1, false)
	h.Top = 102
	f := headMap(t, h)
	has(t, f, "Top 102 heads")
	if n := rings(t, f); n != 102 {
		t.Errorf("%d heads marked", n)
	}
	for _, l := range labels(t, f) {
		if l.text == "top head, by rank" {
			t.Error("numbers inside outlined cells")
		}
	}
	f, err := Ranking(h)
	if err != nil {
		t.Fatal(err)
	}
	has(t, f, "top 102 heads", "top 102", "102")
	h.Top = 300
	if f, err = Ranking(h); err != nil {
		t.Fatal(err)
	}
	has(t, f, "first 120 of the top 300 heads", "top 300")
	h.Top = 0
	if n := rings(t, headMap(t, h)); n != 20 {
		t.Errorf("%d rings where nobody says how many, want 20", n)
	}
}

// A map of few heads is as high as the label of its colour bar is long.
func TestSmallMapHoldsItsLabel(t *testing.T) {
	h := profile(2, 2, 1, 1, true)
	h.Label = "largest attention while repeating (mean over cases)"
	h.Trials, h.Passed, h.Cases = 0, 0, 12
	f := headMap(t, h)
	if least := inkTick.width(h.Label); f.Height < 40+least { // 40: the heading
		t.Errorf("the figure is %.0f points high, its label %.0f long", f.Height, least)
	}
	has(t, f, "12 cases", "few cases: ranking not reliable")
}
