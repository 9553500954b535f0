package probe

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"headprof/needle"
)

// The published plan's spacing, as NumPy's linspace and round give it.
func TestSpacing(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []float64
	}{
		{"10", []float64{0, 11, 22, 33, 44, 56, 67, 78, 89, 100}},
		{"1", []float64{0}},
		{"2", []float64{0, 100}},
		{"9", []float64{0, 12, 25, 38, 50, 62, 75, 88, 100}}, // 12.5, 37.5, 62.5, 87.5 go to even
		{"0,50,100", []float64{0, 50, 100}},
		{"50%", []float64{50}},
		{" 12.5 , 3%", []float64{12.5, 3}},
	} {
		got, err := ParseDepths(c.in)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("depths %q: %v, %v; want %v", c.in, got, err, c.want)
		}
	}
	for _, c := range []struct {
		in   string
		want []int
	}{
		{"512:4096:8", []int{512, 1024, 1536, 2048, 2560, 3072, 3584, 4096}},
		{"0:32000:20", []int{0, 1684, 3368, 5053, 6737, 8421, 10105, 11789, 13474, 15158, 16842, 18526, 20211, 21895, 23579, 25263, 26947, 28632, 30316, 32000}},
		{"100:101:1", []int{100}},
		{"1:4:3", []int{1, 2, 4}}, // 2.5 goes to even
		{"512,1024", []int{512, 1024}},
		{"512", []int{512}},
		{"512:512:1", []int{512}},
		{"0,16777216", []int{0, 16777216}},
	} {
		got, err := ParseLengths(c.in)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("lengths %q: %v, %v; want %v", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{"", "a", "1:2", "1:2:3:4", "9:1:2", "1:9:0", "1:9:999999", "-5", "5,5", "1:2:9", "99999999999", "1e3", "16777217", "0:16777216:10001"} {
		if got, err := ParseLengths(in); err == nil || !strings.Contains(err.Error(), "write FROM:TO:COUNT") {
			t.Errorf("lengths %q: %v, %v; want an error that says how to write them", in, got, err)
		}
	}
	for _, in := range []string{"", "x", "0", "-1", "99999999", "101%", "0,101", "NaN,1", "5,5", "1,,2"} {
		if got, err := ParseDepths(in); err == nil || !strings.Contains(err.Error(), "write a count") {
			t.Errorf("depths %q: %v, %v; want an error that says how to write them", in, got, err)
		}
	}
}

// As many points as a plan may have, and one more.
func TestSpacingAtItsLimits(t *testing.T) {
	list := func(n int) string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprint(i))
		}
		return strings.Join(out, ",")
	}
	if got, err := ParseLengths("0:999900:10000"); err != nil || len(got) != 10_000 || got[1] != 100 {
		t.Errorf("%d lengths, %v", len(got), err)
	}
	if got, err := ParseLengths(list(10_000)); err != nil || len(got) != 10_000 {
		t.Errorf("a list of %d lengths, %v", len(got), err)
	}
	if _, err := ParseLengths(list(10_001)); err == nil || !strings.Contains(err.Error(), "more than 10000 lengths") {
		t.Errorf("too long a list: %v", err)
	}
	if got, err := ParseDepths("10000"); err != nil || len(got) != 101 { // whole percentages
		t.Errorf("%d depths, %v", len(got), err)
	}
	if _, err := ParseDepths("10001"); err == nil {
		t.Error("10001 depths")
	}
	depths := strings.ReplaceAll(list(10_000), ",", "e-3,") + "e-3"
	if got, err := ParseDepths(depths); err != nil || len(got) != 10_000 || got[9_999] != 9.999 {
		t.Errorf("a list of %d depths, %v", len(got), err)
	}
	if _, err := ParseDepths(depths + ",50"); err == nil || !strings.Contains(err.Error(), "more than 10000 depths") {
		t.Errorf("too long a list: %v", err)
	}
}

func testNeedles(n int) []needle.Needle {
	var out []needle.Needle
	places := []string{"Lisbon", "Oslo", "Quito", "Hanoi", "Accra", "Turin", "Perth", "Malmo"}
	things := []string{"river", "tower", "market", "harbour", "garden", "museum", "bridge", "station"}
	for i := range n {
		place, thing := places[i%8], things[(i/8+i)%8]
		answer := fmt.Sprintf("visit the %s at dawn with %d oranges", thing, i)
		out = append(out, needle.Needle{
			ID: fmt.Sprintf("n%02d", i), Kind: needle.Retrieval,
			Text:     fmt.Sprintf("The best thing to do in %s is to %s.", place, answer),
			Question: "What is the best thing to do in " + place + "?",
			Answers:  []string{answer}, Evidence: answer,
		})
	}
	return out
}

func testHaystack(t testing.TB, id string, words int) *needle.Haystack {
	var b strings.Builder
	rng := random(7 + len(id))
	for i := range words {
		fmt.Fprintf(&b, " word%d", rng.below(300))
		if i%9 == 8 {
			b.WriteString(".")
		}
	}
	h, err := needle.NewHaystack(id, b.String())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func testGrid(t testing.TB) Grid {
	return Grid{
		Haystacks: []*needle.Haystack{testHaystack(t, "h", 700)}, Needles: testNeedles(3),
		Lengths: []int{128, 256, 384}, Depths: []float64{0, 33, 67, 100}, KeepBefore: 8, Seed: 5,
	}
}

func greedyRules() Rules { return Rules{Decode: Greedy, Judge: needle.Published{}} }

func testPlan(t testing.TB, m *fakeModel, g Grid, o PlanOptions) *Plan {
	t.Helper()
	if o.Rules.Decode == "" {
		o.Rules = greedyRules()
	}
	trials, err := g.Trials(m)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPlan(m, trials, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Any beginning of the order holds every level of every factor about as often
// as any other.
func TestBalancedOrder(t *testing.T) {
	sizes := [4]int{2, 12, 8, 10}
	var points [][4]int32
	for i := range sizes[0] * sizes[1] * sizes[2] * sizes[3] {
		var p [4]int32
		for f := 3; f >= 0; f-- {
			p[f] = int32(i % sizes[f])
			i /= sizes[f]
		}
		points = append(points, p)
	}
	order := func(seed uint64) []int {
		next := balanced(points, nil, seed)
		var out []int
		for {
			i, ok := next()
			if !ok {
				return out
			}
			out = append(out, i)
		}
	}
	a := order(1)
	seen := map[int]bool{}
	for _, i := range a {
		seen[i] = true
	}
	if len(a) != len(points) || len(seen) != len(points) {
		t.Fatalf("%d places, %d different points of %d", len(a), len(seen), len(points))
	}
	if !reflect.DeepEqual(a, order(1)) {
		t.Error("the same seed gives another order")
	}
	if reflect.DeepEqual(a, order(2)) {
		t.Error("another seed gives the same order")
	}
	for _, n := range []int{24, 40, 120, 480, 960} {
		for f, size := range sizes {
			counts := make([]int, size)
			for _, i := range a[:n] {
				counts[points[i][f]]++
			}
			least, most := n, 0
			for _, c := range counts {
				least, most = min(least, c), max(most, c)
			}
			if most-least > 2+n/size/10 {
				t.Errorf("first %d, factor %d: counts from %d to %d", n, f, least, most)
			}
		}
	}
}

func TestGridTrials(t *testing.T) {
	m := newFake()
	g := testGrid(t)
	all, err := g.Trials(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 3*3*4 {
		t.Fatalf("%d trials, want 36", len(all))
	}
	ids := map[string]bool{}
	for _, tr := range all {
		ids[tr.ID] = true
		prompt, err := tr.Prompt()
		if err != nil {
			t.Fatal(err)
		}
		evidence := m.Decode(prompt[tr.Span.Start:tr.Span.End])
		if strings.TrimSpace(evidence) != tr.Needle.Evidence {
			t.Errorf("%s: span holds %q, want %q", tr.ID, evidence, tr.Needle.Evidence)
		}
		if tr.Sink {
			t.Errorf("%s lies on the sink though the plan keeps text before needles", tr.ID)
		}
	}
	if len(ids) != 36 || !ids["n01/256/33"] {
		t.Errorf("trial ids are not what they were: %d, n01/256/33 %v", len(ids), ids["n01/256/33"])
	}
	g.Count = 12
	some, err := g.Trials(m)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[any]int{}
	for _, tr := range some {
		counts[tr.Needle.ID]++
		counts[tr.Length]++
		counts[tr.Depth]++
	}
	for _, v := range []any{"n00", "n01", "n02", 128, 256, 384} {
		if counts[v] != 4 {
			t.Errorf("12 of 36 trials hold %v %d times, want 4", v, counts[v])
		}
	}
	for _, d := range g.Depths {
		if counts[d] != 3 {
			t.Errorf("12 of 36 trials hold depth %v %d times, want 3", d, counts[d])
		}
	}
	g.KeepBefore = 0
	g.Needles[0].Text = g.Needles[0].Evidence + "."
	some, err = g.Trials(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, tr := range some {
		if want := tr.Depth == 0 && tr.Needle.ID == "n00"; tr.Sink != want {
			t.Errorf("%s: sink %v, want %v", tr.ID, tr.Sink, want)
		}
	}
}

// A context of length 0 gives the same prompt at every depth: it runs once,
// and counts once, or as often as it occurs.
func TestIdenticalPrompts(t *testing.T) {
	m := newFake()
	g := testGrid(t)
	g.Lengths, g.KeepBefore = []int{0, 256}, 0
	once := testPlan(t, m, g, PlanOptions{})
	if len(once.Trials) != 3*(1+4) || once.points() != 15 {
		t.Errorf("%d trials and %d points, want 15 of each", len(once.Trials), once.points())
	}
	g.Duplicates = true
	often := testPlan(t, m, g, PlanOptions{})
	if len(often.Trials) != 15 || often.points() != 24 {
		t.Errorf("%d trials and %d points, want 15 and 24", len(often.Trials), often.points())
	}
	r := mustRun(t, m, often, Options{})
	if len(r.Scores) != 24 || r.Done != 24 || r.Total != 24 || len(r.Records) != 15 {
		t.Errorf("%d scores, %d of %d points, %d records", len(r.Scores), r.Done, r.Total, len(r.Records))
	}
	depths := map[float64]int{}
	for _, s := range r.Scores {
		if s.Length == 0 {
			depths[s.Depth]++
		}
	}
	if !reflect.DeepEqual(depths, map[float64]int{0: 3, 33: 3, 67: 3, 100: 3}) {
		t.Errorf("points without context by depth: %v", depths)
	}
	if r.Cost.Naive <= r.Cost.Planned {
		t.Errorf("naive %d, planned %d tokens", r.Cost.Naive, r.Cost.Planned)
	}
}

func TestPlanErrors(t *testing.T) {
	m := newFake()
	m.context = 300
	g := testGrid(t)
	trials, err := g.Trials(m)
	if err != nil {
		t.Fatal(err)
	}
	_, err = NewPlan(m, trials, PlanOptions{Rules: greedyRules()})
	if err == nil || !strings.Contains(err.Error(), "the model's context holds 300; with --lengths up to 301 it fits") {
		t.Errorf("context too long: %v", err)
	}
	m.context = 4096
	for _, c := range []struct {
		name, line, want string
	}{
		{"vocabulary", `{"id":"a","prompt_ids":[1,9999],"span":[0,1],"answer_ids":[1]}`, "trial a: prompt token 1 is 9999, but the model's ids run from 0 to 1023"},
		{"answer", `{"id":"a","prompt_ids":[1,2],"span":[0,1],"answer_ids":[1024]}`, "trial a: answer token 0 is 1024"},
	} {
		given, err := ReadTrials("x", strings.NewReader(c.line))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = NewPlan(m, given, PlanOptions{Rules: greedyRules()}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	for name, change := range map[string]func(*Grid){
		"the plan has no needles":      func(g *Grid) { g.Needles = nil },
		"two needles have the id":      func(g *Grid) { g.Needles = append(g.Needles, g.Needles[0]) },
		"more than fit in a context":   func(g *Grid) { g.Lengths = []int{20} },
		"more than 1000000 trials":     func(g *Grid) { g.Lengths = make([]int, 1e5); g.Depths = make([]float64, 100) },
		"too few for a context of 384": func(g *Grid) { g.Haystacks[0] = testHaystack(t, "short", 100) },
	} {
		g := testGrid(t)
		change(&g)
		if _, err := g.Trials(m); err == nil || !strings.Contains(err.Error(), name) && !strings.Contains(err.Error(), "too few for a context") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadTrials(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", "f:0"},
		{"\n\n", "no trials in it"},
		{"{", "f:1: not JSON"},
		{"[1]", "f:1: the line is a JSON array, not an object"},
		{`{"id":"a"}`, `f:1: "prompt_ids" is missing`},
		{`{"prompt_ids":[1]}`, `f:1: "id" is missing`},
		{`{"id":"a","prompt_ids":[1,2],"span":[1],"answer_ids":[1]}`, `"span" must be the two numbers`},
		{`{"id":"a","prompt_ids":[1,2],"span":[1,3],"answer_ids":[1]}`, `"span" [1, 3) is not a range within the prompt's 2 tokens`},
		{`{"id":"a","prompt_ids":[1,2],"span":[1,1],"answer_ids":[1]}`, `is not a range`},
		{`{"id":"a","prompt_ids":[1,2],"span":[-1,1],"answer_ids":[1]}`, `is not a range`},
		{`{"id":"a","prompt_ids":[1,2],"span":[0,1],"answer_ids":[]}`, `"answer_ids" is missing or empty`},
		{`{"id":"a","prompt_ids":[1,-2],"span":[0,1],"answer_ids":[1]}`, `token id -2 is negative`},
		{`{"id":"a","prompt_ids":[1,99999999999],"span":[0,1],"answer_ids":[1]}`, `f:1: "prompt_ids" holds a number 99999999999`},
		{`{"id":1,"prompt_ids":[1],"span":[0,1],"answer_ids":[1]}`, `"id" holds a number`},
		{"\n" + `{"id":"a","prompt_ids":[1],"span":[0,1],"answer_ids":[1]}` + "\n" + `{"id":"a","prompt_ids":[1],"span":[0,1],"answer_ids":[1]}`, `f:3: id "a" was used on line 2 already`},
	} {
		if c.in == "" {
			c.want = "no trials in it"
		}
		if _, err := ReadTrials("f", strings.NewReader(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.in, err, c.want)
		}
	}
	// The oracle's lines hold more fields, with other types.
	got, err := ReadTrials("f", strings.NewReader(`{"id":"a","model":"m","needle":{"id":"n","needle":"x y","question":"q","answer":"y","evidence":"y"},"prompt_ids":[5,6,7],"span":[1,2],"answer_ids":[6],"length":"?"}`))
	if err != nil || len(got) != 1 || got[0].Needle.ID != "n" || got[0].Needle.Answers[0] != "y" || got[0].Length != 3 {
		t.Errorf("foreign fields: %+v, %v", got, err)
	}
}

// A plan that is written and read back is the same plan: one journal, byte for
// byte but for the time, the same counts, whatever the grid and the blocks.
func TestAWrittenPlanIsTheSamePlan(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Grid, *PlanOptions)
	}{
		{"as it is", func(*Grid, *PlanOptions) {}},
		{"a sample", func(g *Grid, _ *PlanOptions) { g.Count = 9 }},
		{"blocks", func(_ *Grid, o *PlanOptions) { o.Block = 4 }},
		{"length 0 and duplicates, sink trials kept", func(g *Grid, _ *PlanOptions) {
			g.Lengths, g.Duplicates, g.KeepSink, g.Published = append([]int{0}, g.Lengths...), true, true, true
		}},
		{"on the sink", func(g *Grid, _ *PlanOptions) {
			g.Frame, g.KeepBefore, g.Depths = needle.Frame{}, 0, []float64{0, 50}
			for i := range g.Needles {
				g.Needles[i].Evidence = g.Needles[i].Text
			}
		}},
		{"forced", func(_ *Grid, o *PlanOptions) { o.Rules = Rules{Decode: Forced} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newFake()
			g, o := testGrid(t), PlanOptions{Rules: greedyRules()}
			c.change(&g, &o)
			rules := o.Rules
			o.Rules.KeepSink = g.KeepSink
			p := testPlan(t, m, g, o)
			var b bytes.Buffer
			if err := WriteTrials(&b, p.Listed()); err != nil {
				t.Fatal(err)
			}
			given, err := ReadTrials("f", &b)
			if err != nil {
				t.Fatal(err)
			}
			o.Rules = rules // the file says whether sink trials count
			q, err := NewPlan(m, given, o)
			if err != nil {
				t.Fatal(err)
			}
			if p.Hash != q.Hash {
				t.Error("the plans' hashes differ")
			}
			dirs := [2]string{t.TempDir(), t.TempDir()}
			x, y := mustRun(t, m, p, Options{Dir: dirs[0]}), mustRun(t, m, q, Options{Dir: dirs[1]})
			if one, other := outputs(t, dirs[0]), outputs(t, dirs[1]); one != other {
				t.Errorf("the folders differ:\n%.600s\n%.600s", one, other)
			}
			if x.Done != y.Done || x.Passed != y.Passed || x.Counted != y.Counted || x.Sink != y.Sink {
				t.Errorf("%d done, %d passed, %d counted, %d on the sink; read back %d, %d, %d, %d",
					x.Done, x.Passed, x.Counted, x.Sink, y.Done, y.Passed, y.Counted, y.Sink)
			}
			if !reflect.DeepEqual(x.Scores, y.Scores) {
				t.Error("the scores or their order differ")
			}
			if c.name == "on the sink" && x.Sink == 0 && x.Passed > 0 {
				t.Error("no trial of the test lies on the sink, so it shows little")
			}
		})
	}
}

func TestIndicesOfOthersAreOfNoUse(t *testing.T) {
	// The second line knows less than the first, and two lines share an index.
	for _, lines := range []string{
		`{"id":"a","prompt_ids":[1,2],"span":[1,2],"answer_ids":[2],"index":7,"shared_prefix":0,"sink":false,"length":0,"needle":{"id":"n","needle":"x"}}
{"id":"b","prompt_ids":[1,2],"span":[1,2],"answer_ids":[2]}`,
		`{"id":"a","prompt_ids":[1,2],"span":[1,2],"answer_ids":[2],"index":7,"shared_prefix":0,"sink":false,"length":0,"needle":{"id":"n","needle":"x"}}
{"id":"b","prompt_ids":[1,2],"span":[1,2],"answer_ids":[2],"index":7,"shared_prefix":0,"sink":false,"length":0,"needle":{"id":"n","needle":"x"}}`,
	} {
		trials, err := ReadTrials("f", strings.NewReader("\ufeff"+lines))
		if err != nil {
			t.Fatal(err)
		}
		if trials[0].Index != 0 || trials[1].Index != 1 || trials[0].Length != 0 {
			t.Errorf("indices %d, %d, length %d", trials[0].Index, trials[1].Index, trials[0].Length)
		}
	}
}

func TestBadFurtherPointsAreRefused(t *testing.T) {
	_, err := ReadTrials("f", strings.NewReader(`{"id":"a","prompt_ids":[1,2],"span":[1,2],"answer_ids":[2],"also":[{"id":"","length":1,"depth":2}]}`))
	if err == nil || !strings.Contains(err.Error(), `f:1: "also" must be`) {
		t.Errorf("%v", err)
	}
}

func FuzzReadTrials(f *testing.F) {
	for _, s := range []string{
		`{"id":"a","prompt_ids":[1,2,3],"span":[1,2],"answer_ids":[2]}`,
		`{"id":"a","prompt_ids":[1,2,3],"span":[1,2],"answer_ids":[2],"needle":"n","depth":50,"length":9}` + "\n\n{",
		"\x00\xff", `{"id":"a","prompt_ids":null,"span":null}`, "[]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		trials, err := ReadTrials("f", bytes.NewReader(data))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Errorf("error does not name the file: %v", err)
			}
			return
		}
		var b bytes.Buffer
		if err := WriteTrials(&b, trials); err != nil {
			t.Fatal(err)
		}
		again, err := ReadTrials("f", &b)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if len(again) != len(trials) {
			t.Fatalf("%d trials became %d", len(trials), len(again))
		}
		for i := range again {
			if again[i].ID != trials[i].ID || !reflect.DeepEqual(again[i].prompt, trials[i].prompt) || again[i].Span != trials[i].Span {
				t.Fatalf("trial %d changed on its way through a file", i)
			}
		}
	})
}
