package cases

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"headprof/fixtures"
	"headprof/needle"
	"headprof/probe"
	"headprof/runner"
	"headprof/runner/backend"
	"headprof/runner/shape"
	"headprof/scoring"
	"headprof/scoring/param"
)

// The built-in model's attention, every row whole, is what the scores of this
// file are computed from, in plain loops after each paper's definition.

var tiny = sync.OnceValues(func() (*runner.Model, error) {
	return runner.OpenBytes("headprof-tiny", fixtures.Tiny(), runner.Options{Threads: 2, Chunk: 16})
})

func engine(t *testing.T) (*runner.Model, probe.Model) {
	t.Helper()
	m, err := tiny()
	if err != nil {
		t.Fatal(err)
	}
	e, err := probe.ModelOf(m)
	if err != nil {
		t.Fatal(err)
	}
	return m, e
}

// attention gives [layer][head][position][key] of a prompt.
func attention(t *testing.T, ids []int32) [][][][]float64 {
	t.Helper()
	m, _ := engine(t)
	s, err := m.NewSession(len(ids))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out := make([][][][]float64, len(m.Shape()))
	for l, layer := range m.Shape() {
		out[l] = make([][][]float64, layer.Heads)
		for h := range out[l] {
			out[l][h] = make([][]float64, len(ids))
		}
	}
	var all []int
	for i := range ids {
		all = append(all, i)
	}
	_, err = s.Extend(context.Background(), ids, runner.Watch{Attention: all, Rows: func(r backend.Row) {
		row := make([]float64, len(ids))
		for i, w := range r.Weights {
			row[r.First+i] = float64(w)
		}
		out[r.Layer][r.Head][r.Position] = row
	}})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// run computes a case under its kind's methods at their defaults.
func run(t *testing.T, c Case) map[string]Values {
	t.Helper()
	_, e := engine(t)
	if err := Check(e, c); err != nil {
		t.Fatal(err)
	}
	got, err := Run(context.Background(), e, c, scoring.MethodsOf(c.Kind()))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// same compares a method's values with those of a formula per layer and head.
func same(t *testing.T, name string, got Values, tolerance float64, want func(layer, head int) float64) {
	t.Helper()
	if len(got) == 0 {
		t.Fatalf("%s: no values", name)
	}
	different := map[float64]bool{}
	for l := range got {
		for h, v := range got[l] {
			if w := want(l, h); !(math.Abs(v-w) <= tolerance) {
				t.Errorf("%s, layer %d, head %d: %v, want %v", name, l, h, v, w)
				return
			}
			different[v] = true
		}
	}
	if len(different) < 4 {
		t.Errorf("%s has %d different values", name, len(different))
	}
}

// mean is the mean of rows [from, to).
func mean(rows [][]float64, from, to int) scoring.Attended {
	out := make(scoring.Attended, len(rows[from]))
	for _, row := range rows[from:to] {
		for i, w := range row {
			out[i] += w / float64(to-from)
		}
	}
	return out
}

func ids(n, seed int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(10 + (i*i*7+i*3+seed*11)%200)
	}
	return out
}

func TestDocumentsByDefinition(t *testing.T) {
	prompt, null := ids(40, 1), slices.Concat(ids(40, 1)[:32], ids(6, 9))
	c := &documents{
		ID: "d", IDs: prompt, QuerySpan: span{33, 37}, NullIDs: null, NullSpan: span{34, 36},
		DocSpans: []span{{2, 10}, {10, 19}, {21, 30}}, Gold: []int{1, 2}, Positive: new(1), Negatives: []int{0, 2}, Tau: new(.05),
	}
	got := run(t, c)
	query, none := attention(t, prompt), attention(t, null)
	docs := []scoring.Span{{Start: 2, End: 10}, {Start: 10, End: 19}, {Start: 21, End: 30}}
	q := scoring.QRHead{Depth: 10}
	scores := func(l, h int) []float64 {
		return q.Documents(mean(query[l][h], 33, 37), mean(none[l][h], 34, 36), docs)
	}
	same(t, "qrhead", got["qrhead"], 1e-6, func(l, h int) float64 { s := scores(l, h); return s[1] + s[2] })
	for l := range got[scoring.QRHeadNDCG] {
		for h, v := range got[scoring.QRHeadNDCG][l] {
			if want := q.NDCG(scores(l, h), []int{1, 2}); math.Abs(v-want) > 1e-9 {
				t.Errorf("ndcg, layer %d, head %d: %v, want %v", l, h, v, want)
			}
		}
	}
	same(t, "core", got["core"], 1e-5, func(l, h int) float64 {
		return scoring.CoRe{Temperature: .05}.Score(mean(query[l][h], 33, 37), docs, 1, []int{0, 2})
	})
	// Without what a method needs it has no value.
	if got := run(t, &documents{ID: "d", IDs: prompt, QuerySpan: span{33, 37}, DocSpans: c.DocSpans, Positive: new(1), Negatives: []int{0}}); got["qrhead"] != nil || got["core"] == nil {
		t.Errorf("core alone: %v", got)
	}
	if got := run(t, &documents{ID: "d", IDs: prompt, QuerySpan: span{33, 37}, NullIDs: null, NullSpan: span{34, 36}, DocSpans: c.DocSpans, Gold: []int{0}}); got["core"] != nil || got["qrhead"] == nil {
		t.Errorf("qrhead alone: %v", got)
	}
	// 40 tokens, and of the second prompt 6 that are not shared.
	if c.Tokens() != 46 || c.longest() != 40 {
		t.Errorf("%d tokens, %d at once", c.Tokens(), c.longest())
	}
}

// RazorAttention's echo and induction: over the rows from the second copy on,
// the mean attention to earlier copies of a row's token, and to what follows them.
func TestRepeatsByDefinition(t *testing.T) {
	one := []int32{20, 31, 42, 53, 64, 75, 86}
	prompt := slices.Concat([]int32{1, 2}, one, one, one)
	got := run(t, &repeats{ID: "r", IDs: prompt, First: 2, Period: 7, Repeats: 3})
	a := attention(t, prompt)
	for name, shift := range map[string]int{"echo": 0, "induction": 1} {
		same(t, name, got[name], 1e-6, func(l, h int) float64 {
			sum := 0.
			for p := 9; p < len(prompt); p++ {
				for j := 2; j < p; j++ {
					if prompt[j] == prompt[p] {
						sum += a[l][h][p][j+shift]
					}
				}
			}
			return sum / 14
		})
	}
}

// KVzip: the largest weight that any row of the repetition pays to the first
// copy, the largest over a KV head's query heads.
func TestRecitalByDefinition(t *testing.T) {
	m, _ := engine(t)
	c := &recital{ID: "r", Prefix: ids(3, 5), Context: ids(20, 6), Request: ids(5, 7)}
	got := run(t, c)
	a := attention(t, slices.Concat(c.Prefix, c.Context, c.Request, c.Context))
	same(t, "kvzip", got["kvzip"], 1e-6, func(l, kv int) float64 {
		group := m.Shape()[l].Heads / m.Shape()[l].KVHeads
		largest := 0.
		for h := kv * group; h < (kv+1)*group; h++ {
			for p := 23; p < 48; p++ {
				largest = max(largest, slices.Max(a[l][h][p][3:23]))
			}
		}
		return largest
	})
	if c.Tokens() != 48 {
		t.Errorf("%d tokens", c.Tokens())
	}
}

func TestLastRowsByDefinition(t *testing.T) {
	prompt := ids(30, 2)
	a := attention(t, prompt)
	got := run(t, &fewShot{ID: "f", IDs: prompt, Labels: []span{{3, 5}, {12, 13}, {27, 30}}})
	same(t, "icl", got["icl"], 1e-6, func(l, h int) float64 {
		row := a[l][h][29]
		return row[3] + row[4] + row[12] + row[27] + row[28] + row[29]
	})
	injected := slices.Concat(prompt[:20], ids(14, 8))
	b := attention(t, injected)
	c := &injection{ID: "i", IDs: prompt, Instruction: span{1, 6}, Data: span{8, 25}, Injected: injected, InjectedInstruction: span{1, 6}, InjectedData: span{8, 31}}
	got = run(t, c)
	share := func(row []float64, data int) float64 {
		on, off := 0., 0.
		for i := 1; i < 6; i++ {
			on += row[i]
		}
		for i := 8; i < data; i++ {
			off += row[i]
		}
		return on / (on + off + 1e-8)
	}
	// Where a head looks at neither, the share's 1e-8 is all there is.
	same(t, "tracker", got["tracker"], 1e-4, func(l, h int) float64 { return share(a[l][h][29], 25) - share(b[l][h][33], 31) })
	if c.Tokens() != 44 || c.longest() != 34 {
		t.Errorf("%d tokens, %d at once", c.Tokens(), c.longest())
	}
	// The injected prompt may be the beginning of the clean one.
	same(t, "tracker of a beginning", run(t, &injection{ID: "i", IDs: prompt, Instruction: span{1, 6}, Data: span{8, 25}, Injected: prompt[:20], InjectedInstruction: span{1, 6}, InjectedData: span{8, 20}})["tracker"], 1e-4,
		func(l, h int) float64 { return share(a[l][h][29], 25) - share(a[l][h][19][:20], 20) })
}

// kvpress's score: mean query and mean key before their rotation, rotated to
// the last of n positions and to each of them; then the mean over a KV head's
// query heads and over the texts.
func TestPlainTextByDefinition(t *testing.T) {
	m, _ := engine(t)
	texts := [][]int32{ids(25, 3), ids(18, 4)}
	n := 12
	got := run(t, &plainText{ID: "p", Samples: texts, Positions: &n})
	score := func(ids []int32) [][]float64 {
		s, err := m.NewSession(len(ids))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		sums := make([]struct{ q, k []float64 }, len(m.Shape()))
		last := make([]backend.Projections, len(m.Shape()))
		if _, err := s.Extend(context.Background(), ids, runner.Watch{Projections: func(p backend.Projections) {
			width := func(of []float32, heads int, into *[]float64) {
				*into = append(*into, make([]float64, max(0, heads*p.Attention.KeyDim-len(*into)))...)
				for i, x := range of {
					(*into)[i%(heads*p.Attention.KeyDim)] += float64(x) / float64(len(ids))
				}
			}
			width(p.Queries, p.Attention.Heads, &sums[p.Layer].q)
			width(p.Keys, p.Attention.KVHeads, &sums[p.Layer].k)
			last[p.Layer] = p
		}}); err != nil {
			t.Fatal(err)
		}
		out := make([][]float64, len(sums))
		for l, sum := range sums {
			a := last[l].Attention
			d := a.KeyDim
			for h := range a.Heads {
				q := slices.Clone(sum.q[h*d : (h+1)*d])
				last[l].Rope.Rotate(q, n-1)
				weights, total, early := make([]float64, n), 0., 0.
				for p := range n {
					k := slices.Clone(sum.k[h/(a.Heads/a.KVHeads)*d:][:d])
					last[l].Rope.Rotate(k, p)
					for i := range d {
						weights[p] += q[i] * k[i] * float64(a.Scale)
					}
					weights[p] = math.Exp(weights[p])
					total += weights[p]
				}
				for p, w := range weights {
					early += w / total * float64(n-p) / float64(n)
				}
				out[l] = append(out[l], early)
			}
		}
		return out
	}
	a, b := score(texts[0]), score(texts[1])
	same(t, "duo-on-the-fly", got["duo-on-the-fly"], 1e-6, func(l, kv int) float64 {
		group, sum := m.Shape()[l].Heads/m.Shape()[l].KVHeads, 0.
		for h := kv * group; h < (kv+1)*group; h++ {
			sum += (a[l][h] + b[l][h]) / 2
		}
		return sum / float64(group)
	})
	// One position is the whole text: a score of 1. The method's own number is used where the case has none.
	one := 1
	if got := run(t, &plainText{ID: "p", Samples: texts, Positions: &one})["duo-on-the-fly"]; got[0][0] != 1 {
		t.Errorf("of one position: %v", got[0])
	}
	duo := &scoring.Duo{}
	param.SetDefaults(duo)
	if def := run(t, &plainText{ID: "p", Samples: texts})["duo-on-the-fly"]; math.Abs(def[0][0]-run(t, &plainText{ID: "p", Samples: texts, Positions: &duo.Positions})["duo-on-the-fly"][0][0]) > 1e-12 {
		t.Error("a case without q_len does not take the method's")
	}
}

func TestCasesThatMakeNoSense(t *testing.T) {
	d := func(change func(c *documents)) Case {
		c := &documents{ID: "d", IDs: ids(20, 1), QuerySpan: span{12, 16}, NullIDs: ids(20, 1), NullSpan: span{12, 14}, DocSpans: []span{{0, 6}, {6, 12}}, Gold: []int{0}, Positive: new(1), Negatives: []int{0}}
		change(c)
		return c
	}
	_, e := engine(t)
	for _, c := range []struct {
		name string
		c    Case
		want string
	}{
		{"as it is", d(func(*documents) {}), ""},
		{"no documents", d(func(c *documents) { c.DocSpans = nil }), `"doc_spans" names no document`},
		{"no query", d(func(c *documents) { c.QuerySpan = span{16, 16} }), `"query_span" is [16, 16)`},
		{"a query beyond the end", d(func(c *documents) { c.QuerySpan = span{12, 21} }), `"query_span" is [12, 21)`},
		{"a query to the end", d(func(c *documents) { c.QuerySpan = span{12, 20} }), ""},
		{"a negative start", d(func(c *documents) { c.DocSpans[0] = span{-1, 6} }), `"doc_spans[0]" is [-1, 6)`},
		{"a document in the query", d(func(c *documents) { c.DocSpans[1] = span{6, 13} }), "before the query"},
		{"nothing right", d(func(c *documents) { c.Gold, c.Positive = nil, nil }), "no document answers"},
		{"no null query", d(func(c *documents) { c.NullIDs = nil }), `"null_ids" is missing`},
		{"a null query beyond the end", d(func(c *documents) { c.NullSpan = span{12, 21} }), `"null_span"`},
		{"other documents", d(func(c *documents) { c.NullIDs[11]++ }), "differs from \"ids\" at position 11, inside the documents, which end at 12"},
		{"another query", d(func(c *documents) { c.NullIDs[12]++ }), ""},
		{"nothing to contrast", d(func(c *documents) { c.Negatives = nil }), `"negatives" is missing`},
		{"gold that is not there", d(func(c *documents) { c.Gold = []int{2} }), "document 2 is none of the 2"},
		{"a negative that is not there", d(func(c *documents) { c.Negatives = []int{-1} }), "document -1"},
		{"no temperature", d(func(c *documents) { c.Tau = new(0.) }), `"temperature" is 0`},
		{"a small temperature", d(func(c *documents) { c.Tau = new(1e-9) }), ""},
		{"repeats", &repeats{ID: "r", IDs: ids(7, 1), First: 0, Period: 3}, ""},
		{"a single copy and a token", &repeats{ID: "r", IDs: ids(7, 1), First: 3, Period: 3}, ""},
		{"a single copy", &repeats{ID: "r", IDs: ids(7, 1), First: 3, Period: 4}, `"ids" holds 7 tokens, and the first copy ends at 7`},
		{"a negative beginning", &repeats{ID: "r", IDs: ids(7, 1), First: -1, Period: 3}, `"first" is -1`},
		{"no period", &repeats{ID: "r", IDs: ids(7, 1), Period: 0}, `"period" 0`},
		{"a period of one", &repeats{ID: "r", IDs: ids(7, 1), Period: 1}, ""},
		{"no context", &recital{ID: "r"}, `"context_ids" is missing`},
		{"no texts", &plainText{ID: "p"}, `"samples" holds no text`},
		{"an empty text", &plainText{ID: "p", Samples: [][]int32{{1}, {}}}, "empty at index 1"},
		{"no positions", &plainText{ID: "p", Samples: [][]int32{{1}}, Positions: new(0)}, `"q_len" is 0`},
		{"too many positions", &plainText{ID: "p", Samples: [][]int32{{1}}, Positions: new(1_000_001)}, `"q_len" is 1000001`},
		{"as many as can be", &plainText{ID: "p", Samples: [][]int32{{1}}, Positions: new(1_000_000)}, ""},
		{"no labels", &fewShot{ID: "f", IDs: ids(4, 1)}, `"label_spans" names no label`},
		{"a label beyond the end", &fewShot{ID: "f", IDs: ids(4, 1), Labels: []span{{0, 4}, {3, 5}}}, `"label_spans[1]" is [3, 5)`},
		{"no instruction", &injection{ID: "i", IDs: ids(4, 1), Data: span{0, 1}, Injected: ids(4, 1), InjectedInstruction: span{0, 1}, InjectedData: span{0, 1}}, `"instruction_span" is [0, 0)`},
		{"as long as the context", &repeats{ID: "r", IDs: make([]int32, e.Context()), Period: 1}, ""},
		{"longer than the context", &repeats{ID: "r", IDs: make([]int32, e.Context()+1), Period: 1}, "more than the model's context"},
		{"a token of another model", &fewShot{ID: "f", IDs: []int32{0, int32(e.Vocabulary())}, Labels: []span{{0, 1}}}, "at position 1 is outside the vocabulary"},
		{"a negative token", &fewShot{ID: "f", IDs: []int32{-1, 0}, Labels: []span{{0, 1}}}, "token -1 at position 0"},
		{"the last token", &fewShot{ID: "f", IDs: []int32{0, int32(e.Vocabulary() - 1)}, Labels: []span{{0, 1}}}, ""},
	} {
		if err := Check(e, c.c); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestReadCases(t *testing.T) {
	const good = `{"id": "a", "ids": [1, 2, 3], "label_spans": [[0, 1]]}`
	for _, c := range []struct{ data, want string }{
		{"{\"meta\": {}}\n\n" + good + "\n" + strings.Replace(good, `"a"`, `"b"`, 1), ""},
		{"", "f: no cases in it"},
		{`{"meta": 1}`, "f: no cases in it"},
		{good + "\n{", "f:2: "},
		{good + "\n" + strings.Replace(good, `"id": "a", `, "", 1), `f:2: "id" is missing`},
		{good + "\n\n" + good, `f:3: id "a" was used on line 1 already`},
		{`{"id": "a", "ids": "x"}`, "f:1: "},
		{`{"id": "a", "ids": [1]}`, `f:1: "label_spans" names no label`},
	} {
		got, err := Read("f", strings.NewReader(c.data), scoring.FewShot)
		if c.want == "" && (err != nil || len(got) != 2 || got[1].Name() != "b") || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%q: %v, %v, want %q", c.data, got, err, c.want)
		}
	}
	if _, err := Read("f", strings.NewReader(good), "riddles"); err == nil {
		t.Error("an unknown kind")
	}
}

// source makes cases of the built-in model's words.
func source(t *testing.T, lengths ...int) Source {
	t.Helper()
	_, e := engine(t)
	set, err := needle.ReadSet("heldout", strings.NewReader(string(fixtures.TinyHeldout())))
	if err != nil {
		t.Fatal(err)
	}
	h, err := needle.NewHaystack("tiny", fixtures.TinyHaystack())
	if err != nil {
		t.Fatal(err)
	}
	s := Source{Tokenizer: e, Haystack: h, Needles: set.Needles, Vocabulary: e.Vocabulary(), Lengths: lengths, Count: 7, Seed: 3, Plain: func(id int32) bool { return id >= 20 }, Frame: needle.Frame{Prefix: []int32{1}, Suffix: []int32{2, 3}}, BOS: []int32{1}}
	return s
}

func read(t *testing.T, ids []int32) string {
	t.Helper()
	_, e := engine(t)
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(e.Text(id))
	}
	return b.String()
}

func generated[C Case](t *testing.T, s Source, kind scoring.Probe) []C {
	t.Helper()
	list, err := Generate(kind, s)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Generate(kind, Source{Tokenizer: s.Tokenizer, Haystack: s.Haystack, Needles: s.Needles, Vocabulary: s.Vocabulary, Lengths: s.Lengths, Count: 3, Seed: s.Seed, Plain: s.Plain, Frame: s.Frame, BOS: s.BOS})
	if err != nil || len(list) != s.Count {
		t.Fatalf("%d of %s, %v", len(list), kind, err)
	}
	var out []C
	for i, c := range list {
		out = append(out, c.(C))
		if i < 3 && !slices.EqualFunc(c.ids(), again[i].ids(), slices.Equal[[]int32]) {
			t.Errorf("%s depends on how many follow", c.Name())
		}
	}
	return out
}

func encoded(t needle.Tokenizer, text string) (ids []int32) {
	for _, token := range t.Encode(text) {
		ids = append(ids, token.ID)
	}
	return ids
}

// Spans of generated cases read what they stand for.
func TestGeneratedCasesSayWhatTheyMean(t *testing.T) {
	s := source(t, 300, 150)
	for i, d := range generated[*documents](t, s, scoring.Documents) {
		n := s.Needles[i%len(s.Needles)]
		gold := d.DocSpans[d.Gold[0]]
		if !strings.HasPrefix(read(t, d.IDs[gold[0]:gold[1]]), " "+n.Text) || d.Group() != n.ID || *d.Positive != d.Gold[0] {
			t.Errorf("%s: the gold document reads %q", d.ID, read(t, d.IDs[gold[0]:gold[1]]))
		}
		if q := read(t, d.IDs[d.QuerySpan[0]:d.QuerySpan[1]]); q != " "+n.Question {
			t.Errorf("%s: the query reads %q", d.ID, q)
		}
		if q := read(t, d.NullIDs[d.NullSpan[0]:d.NullSpan[1]]); q != " N/A" {
			t.Errorf("%s: the null query reads %q", d.ID, q)
		}
		if want := []int{4, 2}[i%2]; len(d.DocSpans) != want || len(d.Negatives) != want-1 || slices.Contains(d.Negatives, d.Gold[0]) {
			t.Errorf("%s: %d documents, %v are wrong", d.ID, len(d.DocSpans), d.Negatives)
		}
		for k, doc := range d.DocSpans {
			// 64 tokens, but for a fact that leaves no 8 for the text after it.
			want := 64
			if k == d.Gold[0] {
				want = max(64, 8+len(s.Tokenizer.Encode(" "+n.Text)))
			}
			if size := doc[1] - doc[0]; size != want {
				t.Errorf("%s: document %d has %d tokens, want %d", d.ID, k, size, want)
			}
			if mark := fmt.Sprintf("\n\n[%d]", k+1); !strings.HasSuffix(read(t, d.IDs[:doc[0]]), read(t, encoded(s.Tokenizer, mark))) {
				t.Errorf("%s: document %d stands behind %q", d.ID, k, read(t, d.IDs[doc[0]-5:doc[0]]))
			}
		}
		if d.IDs[0] != 1 || !slices.Equal(d.IDs[len(d.IDs)-2:], []int32{2, 3}) || !slices.Equal(d.NullIDs[len(d.NullIDs)-2:], []int32{2, 3}) {
			t.Errorf("%s stands in no frame", d.ID)
		}
	}
	for i, r := range generated[*repeats](t, s, scoring.Repeats) {
		want := []int{(300 - 1) / 4, (150 - 1) / 4}[i%2]
		one := r.IDs[1 : 1+want]
		if r.Period != want || r.First != 1 || len(r.IDs) != 1+4*want || !slices.Equal(r.IDs[1:], slices.Concat(one, one, one, one)) || slices.Min(one) < 20 {
			t.Errorf("%s: period %d of %d tokens", r.ID, r.Period, len(r.IDs))
		}
		sorted := slices.Sorted(slices.Values(one))
		if len(slices.Compact(sorted)) != want {
			t.Errorf("%s repeats a token within its sequence", r.ID)
		}
	}
	for i, r := range generated[*recital](t, s, scoring.Recital) {
		if n := r.Tokens(); n > []int{300, 150}[i%2] || n < []int{300, 150}[i%2]-1 || !slices.Equal(r.Prefix, []int32{1}) || read(t, r.Request) != "\n\nRepeat the previous context exactly.\n\n" {
			t.Errorf("%s: %d tokens, request %q", r.ID, n, read(t, r.Request))
		}
	}
	for i, p := range generated[*plainText](t, s, scoring.PlainText) {
		if p.Tokens() != []int{300, 150}[i%2] || p.Samples[0][0] != 1 {
			t.Errorf("%s: %d tokens", p.ID, p.Tokens())
		}
	}
	for i, f := range generated[*fewShot](t, s, scoring.FewShot) {
		task := tasks[i%len(tasks)]
		right, labels := map[string]string{}, map[string]bool{}
		for _, p := range task.pairs {
			right[p[0]], labels[p[1]] = p[1], true
		}
		text := read(t, f.IDs[1:])
		lines := strings.Split(text, "\n")
		if len(lines) != len(task.pairs) || len(f.Labels) != len(task.pairs)-1 || f.Group() != task.name {
			t.Fatalf("%s: %q", f.ID, text)
		}
		for k, line := range lines[:len(lines)-1] {
			word, label, _ := strings.Cut(line, " -> ")
			if got := read(t, f.IDs[f.Labels[k][0]:f.Labels[k][1]]); got != " "+label || right[word] == label || !labels[label] {
				t.Errorf("%s: %q is labelled %q, the span reads %q", f.ID, word, label, got)
			}
		}
		if !strings.HasSuffix(text, " ->") || right[strings.TrimSuffix(lines[len(lines)-1], " ->")] == "" {
			t.Errorf("%s ends %q", f.ID, lines[len(lines)-1])
		}
	}
	s.Count = 13
	for i, c := range generated[*injection](t, s, scoring.Injection) {
		on, attack := instructions[i%6], attacks[i/6%4]
		if read(t, c.IDs[c.Instruction[0]:c.Instruction[1]]) != on || read(t, c.Injected[c.InjectedInstruction[0]:c.InjectedInstruction[1]]) != on || c.Group() != on {
			t.Errorf("%s: the instruction reads %q", c.ID, read(t, c.IDs[c.Instruction[0]:c.Instruction[1]]))
		}
		data, injected := read(t, c.IDs[c.Data[0]:c.Data[1]]), read(t, c.Injected[c.InjectedData[0]:c.InjectedData[1]])
		if injected != data+" "+attack || c.Data[1]-c.Data[0] != 128 {
			t.Errorf("%s: %d tokens of data, injected %q", c.ID, c.Data[1]-c.Data[0], injected[len(data):])
		}
		if !strings.HasSuffix(read(t, c.IDs[:len(c.IDs)-2]), "\nResponse:") {
			t.Errorf("%s ends %q", c.ID, read(t, c.IDs[len(c.IDs)-8:]))
		}
	}
}

func TestCasesThatCannotBeMade(t *testing.T) {
	for name, c := range map[string]struct {
		kind   scoring.Probe
		change func(s *Source)
		want   string
	}{
		"an unknown kind":             {"riddles", func(*Source) {}, "no cases of the kind"},
		"no lengths":                  {scoring.FewShot, func(s *Source) { s.Lengths = nil }, "at least one length"},
		"no count":                    {scoring.FewShot, func(s *Source) { s.Count = 0 }, "a count of at least 1"},
		"one":                         {scoring.FewShot, func(s *Source) { s.Count = 1 }, ""},
		"no needles":                  {scoring.Documents, func(s *Source) { s.Needles = nil }, "documents need needles"},
		"too short to repeat":         {scoring.Repeats, func(s *Source) { s.Lengths = []int{8} }, "does not fit into 8 tokens"},
		"long enough to repeat":       {scoring.Repeats, func(s *Source) { s.Lengths = []int{9} }, ""},
		"more than the vocabulary":    {scoring.Repeats, func(s *Source) { s.Plain = func(id int32) bool { return id < 73 } }, "a sequence of 74 different tokens is more than the vocabulary's 73"},
		"the whole vocabulary":        {scoring.Repeats, func(s *Source) { s.Plain = func(id int32) bool { return id < 74 } }, ""},
		"a text beyond the haystack":  {scoring.PlainText, func(s *Source) { s.Lengths = []int{1 << 24} }, "give a longer --haystack"},
		"a text of a token":           {scoring.PlainText, func(s *Source) { s.Lengths = []int{1} }, ""},
		"as long as the haystack":     {scoring.PlainText, func(s *Source) { s.Lengths = []int{1 + len(s.Haystack.Tokens(s.Tokenizer))} }, ""},
		"a token more than there are": {scoring.PlainText, func(s *Source) { s.Lengths = []int{2 + len(s.Haystack.Tokens(s.Tokenizer))} }, "give a longer --haystack"},
	} {
		s := source(t, 300)
		c.change(&s)
		_, err := Generate(c.kind, s)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A run's folder is read back, a KV head's value is each of its query heads',
// and kinds of cases are counted together and resampled apart.
func TestPlanRunsAndResumes(t *testing.T) {
	m, e := engine(t)
	s := source(t, 60)
	s.Count = 2
	var p Plan
	for _, kind := range []scoring.Probe{scoring.Repeats, scoring.Recital} {
		list, err := Generate(kind, s)
		if err != nil {
			t.Fatal(err)
		}
		p.Cases = append(p.Cases, list...)
		p.Methods = append(p.Methods, scoring.MethodsOf(kind)...)
	}
	dir := t.TempDir()
	var ended []int
	r, err := p.Do(context.Background(), e, Options{Dir: dir, Ended: func(done, total, tokens int) { ended = append(ended, done, total, tokens) }})
	if err != nil || r.Total != 4 || r.Done != 4 || r.Passed != 4 || r.Counted != 4 {
		t.Fatalf("%+v, %v", r, err)
	}
	tokens := 0
	var want []int
	for i, c := range p.Cases {
		tokens += c.Tokens()
		want = append(want, i+1, 4, tokens)
	}
	if !slices.Equal(ended, want) {
		t.Errorf("told %v, want %v", ended, want)
	}
	again, err := p.Do(context.Background(), e, Options{Dir: dir})
	if err != nil || again.Done != 4 {
		t.Fatalf("%+v, %v", again, err)
	}
	values := run(t, p.Cases[2])["kvzip"]
	for l, row := range again.Scores[2].Scores["kvzip"] {
		for h, v := range row {
			if kv := values[l][m.Shape()[l].KVHead(h)]; len(row) != m.Shape()[l].Heads || math.Abs(v-kv) > 1e-6 {
				t.Fatalf("layer %d, head %d: %v of %d, its KV head has %v", l, h, v, len(row), kv)
			}
		}
	}
	table, err := Aggregate(again.Scores, scoring.Options{Shape: m.Shape(), Resamples: 10})
	if err != nil || table.Meta.Trials != 4 || table.Meta.Passed != 4 || table.Meta.Needles != 4 || !slices.Equal(table.Methods(), []string{"echo", "induction", "kvzip"}) || len(table.Halves) != 3 {
		t.Errorf("%+v, %v", table, err)
	}
	if _, err := Aggregate(nil, scoring.Options{}); err == nil {
		t.Error("a table of nothing")
	}
	other := p
	other.Cases = slices.Clone(p.Cases)
	slices.Reverse(other.Cases)
	if _, err := other.Do(context.Background(), e, Options{Dir: dir}); err == nil {
		t.Error("other cases resumed the folder")
	}
	bare := Plan{Cases: p.Cases[:1], Methods: scoring.MethodsOf(scoring.Recital)}
	if _, err := bare.Do(context.Background(), e, Options{Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "it lacks what kvzip needs") {
		t.Errorf("a method of other cases: %v", err)
	}
}

func TestDamagedRecordsAreNamed(t *testing.T) {
	layers := shape.Model{{Heads: 4, KVHeads: 2}, {Heads: 4, KVHeads: 2}}
	two, four := make([]probe.Score, 2), make([]probe.Score, 4)
	for _, c := range []struct {
		r    Record
		want string
	}{
		{Record{ID: "a", Scores: map[string][][]probe.Score{"echo": {four, four}, "kvzip": {two, two}}}, ""},
		{Record{Scores: map[string][][]probe.Score{"echo": {four, four}}}, `"id" or "scores" is missing`},
		{Record{ID: "a"}, `"id" or "scores" is missing`},
		{Record{ID: "a", Scores: map[string][][]probe.Score{"echo": {four}}}, "have 1 layers, the model has 2"},
		{Record{ID: "a", Scores: map[string][][]probe.Score{"echo": {four, two}}}, "echo, layer 1, have 2 values, the model 4"},
		{Record{ID: "a", Scores: map[string][][]probe.Score{"kvzip": {two, four}}}, "kvzip, layer 1, have 4 values, the model 2"},
	} {
		if err := c.r.check(layers); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v, want %q", c.r, err, c.want)
		}
	}
}
