package evaluate

import (
	"context"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"headprof/needle"
	"headprof/scoring"
	"headprof/scoring/stats"
)

// Three prompts of one task and one of another under three caches; all numbers
// of the tables are worked out by hand.
func records() []*Record {
	result := func(policy string, capacity int, score, logProb float64, entries, bytes, allocated int64, t Steps) Result {
		return Result{Policy: policy, Capacity: capacity, Score: score, LogProb: logProb, Kept: Size{entries, bytes}, Allocated: allocated, Times: t}
	}
	of := func(item, task, group string, tokens int, times Prefill, results ...Result) *Record {
		return &Record{Item: item, Task: task, Group: group, PromptTokens: 100, AnswerTokens: tokens, Full: Size{400, 4096}, Results: results, Times: times}
	}
	return []*Record{
		of("1", "qa", "a", 4, Prefill{100, 2}, result("full", 0, 1, -2, 400, 4096, 8192, Steps{0, .5, 2, 8}), result("snapkv", 64, 1, -4, 200, 1024, 2048, Steps{.25, .5, 1, 8})),
		of("2", "qa", "b", 4, Prefill{50, 1}, result("full", 0, 1, -4, 400, 4096, 8192, Steps{0, .5, 2, 4}), result("snapkv", 64, 0, -8, 100, 3072, 4096, Steps{.75, .5, 1, 4})),
		of("3", "sum", "a", 8, Prefill{0, 0}, result("snapkv", 64, .5, -8, 10, 1024, 1024, Steps{})),
		of("4", "qa", "b", 2, Prefill{100, 3}, result("full", 0, .25, -3, 400, 4096, 8192, Steps{0, .5, 2, 0}), result("snapkv", 64, .5, -3, 300, 2048, 3072, Steps{.5, .5, 1, 0})),
	}
}

func TestRowsByHand(t *testing.T) {
	rows := Rows(records(), 1.005, 1)
	if len(rows) != 3 || rows[0].Task != "qa" || rows[0].Policy != "full" || rows[1].Policy != "snapkv" || rows[2].Task != "sum" {
		t.Fatalf("%+v", rows)
	}
	same := func(name string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-12 {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	r := rows[1]
	if r.N != 3 || r.Capacity != 64 || !math.IsNaN(r.Beta) {
		t.Errorf("%+v", r)
	}
	same("score", r.Score.Value, .5)
	same("log-probability", r.LogProb.Value, -5)
	same("per token", r.PerToken, -15./10)
	same("score's change", r.ScoreChange.Value, (0-1+.25)/3)
	same("log-probability's change", r.LogProbChange.Value, -2)
	same("entries", r.Entries, 200)
	same("share", r.Share, (.25+.75+.5)/3)
	same("bytes", r.Bytes, 2048)
	same("allocated", r.Allocated, 3072)
	if r.Score.Low > .5 || r.Score.High < .5 || rows[0].LogProbChange.Value != 0 {
		t.Errorf("%+v, %+v", r.Score, rows[0].LogProbChange)
	}
	if sum := rows[2]; !math.IsNaN(sum.LogProbChange.Value) || !math.IsNaN(sum.ScoreChange.Value) || sum.N != 1 {
		t.Errorf("a task without the full cache: %+v", sum)
	}
	headkv := []*Record{{Task: "x", AnswerTokens: 1, Full: Size{1, 1}, Results: []Result{{Policy: "headkv-r2", Capacity: 8}}}}
	if r := Rows(headkv, 1.005, 1)[0]; r.Beta != 1.005 {
		t.Errorf("%+v", r)
	}
}

// A prompt that shared half of its tokens took as long as if it had not.
func TestTimingsByHand(t *testing.T) {
	got := Timings(records())
	if len(got) != 3 || got[1].Task != "qa" || got[1].N != 3 || got[2].N != 1 {
		t.Fatalf("%+v", got)
	}
	// Prefill 2, 1·100/50 and 3 seconds; first steps of ½; compression of ¼, ¾ and ½.
	if s := got[1]; math.Abs(s.FirstToken-(2.75+3.25+4)/3) > 1e-12 || s.Compress != .5 || s.DecodeRate != 12./3 {
		t.Errorf("%+v", s)
	}
	if full := got[0]; full.DecodeRate != 12./6 || full.Compress != 0 {
		t.Errorf("%+v", full)
	}
	if none := got[2]; !math.IsNaN(none.DecodeRate) || none.FirstToken != 0 {
		t.Errorf("nothing was decoded: %+v", none)
	}
	timeless := []*Record{{Task: "x", Results: []Result{{Times: Steps{Steps: 3}}}}}
	if r := Timings(timeless)[0]; !math.IsNaN(r.DecodeRate) {
		t.Errorf("no time passed: %+v", r)
	}
}

func TestMarkdownByHand(t *testing.T) {
	e := func(v float64) stats.Estimate { return stats.Estimate{Value: v, Low: v - .0625, High: v + .0625} }
	none := stats.Unknown()
	rows := []Row{
		{Task: "qa", Policy: "full", N: 3, Score: e(.75), LogProb: e(-2), ScoreChange: e(0), LogProbChange: e(0), Share: 1, Bytes: 4096, Allocated: 8192},
		{Task: "qa", Policy: "snapkv", Capacity: 64, N: 3, Score: e(.5), LogProb: e(-4), ScoreChange: e(-.25), LogProbChange: e(-2), Share: .25, Bytes: 1024, Allocated: 2048},
		{Task: "qa", Policy: "snapkv", Capacity: 128, N: 3, Score: e(.5), LogProb: e(-3), ScoreChange: e(-.25), LogProbChange: e(-1), Share: .5, Bytes: 2048, Allocated: 2048},
		{Task: "qa", Policy: "streaming", Capacity: 128, N: 3, Score: stats.Estimate{Value: .5, Low: math.NaN(), High: math.NaN()}, LogProb: e(-3), LogProbChange: e(-1), Share: .5},
		{Task: "sum", Policy: "full", N: 1, Score: none, LogProb: e(-1), LogProbChange: none, Share: 1},
	}
	want := `## qa (3 prompts)

Score, %, with 95 % intervals

| policy | 64 | 128 |
|---|---|---|
| full | 75.0 [68.8, 81.2] | 75.0 [68.8, 81.2] |
| snapkv | 50.0 [43.8, 56.2] | 50.0 [43.8, 56.2] |
| streaming | | 50.0 |

Answer log-probability, nats

| policy | 64 | 128 |
|---|---|---|
| full | -2.00 [-2.06, -1.94] | -2.00 [-2.06, -1.94] |
| snapkv | -4.00 [-4.06, -3.94] | -3.00 [-3.06, -2.94] |
| streaming | | -3.00 [-3.06, -2.94] |

Its change against the full cache, prompt by prompt

| policy | 64 | 128 |
|---|---|---|
| full | 0 | 0 |
| snapkv | -2.00 [-2.06, -1.94] | -1.00 [-1.06, -0.94] |
| streaming | | -1.00 [-1.06, -0.94] |

Share of the full cache kept, % (KiB kept / KiB allocated)

| policy | 64 | 128 |
|---|---|---|
| full | 100.0 (4 / 8) | 100.0 (4 / 8) |
| snapkv | 25.0 (1 / 2) | 50.0 (2 / 2) |
| streaming | | 50.0 (0 / 0) |

## sum (1 prompts)

Score, %, with 95 % intervals

| policy | whole |
|---|---|
| full |  |

Answer log-probability, nats

| policy | whole |
|---|---|
| full | -1.00 [-1.06, -0.94] |

Share of the full cache kept, % (KiB kept / KiB allocated)

| policy | whole |
|---|---|
| full | 100.0 (0 / 0) |
`
	if got := Markdown(rows); got != want {
		t.Errorf("%s", got)
	}
}

// cells reads a CSV file as a list of rows by column.
func cells(t *testing.T, path string) []map[string]string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(strings.NewReader(string(data))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, l := range lines[1:] {
		row := map[string]string{}
		for i, name := range lines[0] {
			row[name] = l[i]
		}
		out = append(out, row)
	}
	return out
}

// folder is a run's folder that holds its manifest alone.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "run.json"), []byte(`{"format": 1}`), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTablesOnDisk(t *testing.T) {
	rows := Rows(records(), 1, 1)
	rows[1].Beta = 1.005
	dir := folder(t)
	if _, err := Write(dir, rows, Timings(records())); err != nil {
		t.Fatal(err)
	}
	text := cells(t, filepath.Join(dir, "eval.csv"))
	if text[0]["capacity"] != "" || text[1]["capacity"] != "64" || text[1]["beta"] != "1.005" || text[0]["beta"] != "" || text[1]["share_kept"] != "0.500000" {
		t.Errorf("%v", text)
	}
	wide, err := parquet.ReadFile[parquetRow](filepath.Join(dir, "eval.parquet"))
	if err != nil || wide[0].Capacity != nil || *wide[1].Capacity != 64 || wide[2].ScoreChange != nil {
		t.Errorf("%+v, %v", wide, err)
	}
	if times := cells(t, filepath.Join(dir, "timings.csv")); times[1]["decode_tokens_per_second"] != "4.00" || times[2]["decode_tokens_per_second"] != "" {
		t.Errorf("%v", times)
	}
	// What cannot be written is an error, whichever file it is.
	for _, name := range []string{"eval.csv", "eval.parquet", "eval.md", "timings.csv"} {
		dir := folder(t)
		if err := os.MkdirAll(filepath.Join(dir, name, "x"), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := Write(dir, rows, nil); err == nil {
			t.Errorf("%s is a folder, and nobody is told", name)
		}
	}
	for _, name := range []string{"ablate.csv", "ablate.parquet", "ablate.md"} {
		dir := folder(t)
		if err := os.MkdirAll(filepath.Join(dir, name, "x"), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := WriteEffects(dir, []Effect{{Choice: None}}); err == nil {
			t.Errorf("%s is a folder, and nobody is told", name)
		}
	}
}

// One draw of random heads is listed twice: as all draws together, and itself.
// Scores by hand: ¾ and ¼ without a mask, ½ and 1 with one.
func TestEffectsOfASingleDraw(t *testing.T) {
	masks := []Mask{{Choice: None}, {Choice: Top, Heads: []HeadID{{0, 3}}}, {Choice: Random, Seed: 1, Heads: []HeadID{{0, 1}}, Elsewhere: 1}}
	var rs []*Masked
	for m, scores := range [][]float64{{.75, .25}, {0, 0}, {.5, 1}} {
		for i, s := range scores {
			rs = append(rs, &Masked{Mask: masks[m].Name(), Group: "ab"[i : i+1], Score: s, LogProb: -s})
		}
	}
	got, err := Effects(rs, masks, 1)
	if err != nil || len(got) != 4 {
		t.Fatalf("%+v, %v", got, err)
	}
	all, one := got[2], got[3]
	if all.Seed != 0 || all.Masked != "" || one.Seed != 1 || one.Masked != "0-1" || all.Elsewhere != 1 || all.Score != one.Score {
		t.Errorf("%+v, %+v", all, one)
	}
	if one.ScoreChange.Value != .25 || one.LogProbChange.Value != -.25 || got[1].ScoreChange.Value != -.5 {
		t.Errorf("%+v, %+v", one.ScoreChange, got[1].ScoreChange)
	}
	if r := all.parquet(); r.Seed != nil || *r.Score != .75 {
		t.Errorf("%+v", r)
	}
	if r := one.parquet(); r.Seed == nil || *r.Seed != 1 || r.Masked != "0-1" {
		t.Errorf("%+v", r)
	}
	// The table for papers leaves single draws out.
	table := AblationMarkdown(got)
	lines := strings.Split(strings.TrimSpace(table), "\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[2], "| 0 | none | 50.0 [") || !strings.HasSuffix(lines[2], " | 0 |") ||
		!strings.HasPrefix(lines[3], "| 1 | top | 0.0") || !strings.HasPrefix(lines[4], "| 1 | random | 75.0 [") || !strings.Contains(lines[4], " | -0.25 [") {
		t.Errorf("%s", table)
	}
	if _, err := Effects(rs[2:], masks[1:], 1); err == nil {
		t.Error("there is nothing to compare with")
	}
	if _, err := Effects(rs[:5], masks, 1); err == nil || !strings.Contains(err.Error(), "mask random-1-1 has 1 of 2 runs") {
		t.Errorf("a run is missing: %v", err)
	}
}

// Scores in any order, with ties to the lowest layer and head; half of the
// heads are the most that can be masked against as many others.
func TestMasksByHand(t *testing.T) {
	var rows []scoring.Head
	for i, v := range []float64{1, 5, 3, 3, 0, 5, 2, 0} { // 2 layers of 4
		rows = append(rows, scoring.Head{Layer: i / 4, Head: i % 4, Mean: v})
	}
	masks, err := Masks(rows, MaskPlan{Counts: []int{3, 3, 4}, Seeds: 1, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range masks {
		names = append(names, m.Name())
	}
	if !slices.Equal(names, []string{"none", "top-3", "random-3-1", "bottom-3", "top-4", "random-4-1", "bottom-4"}) {
		t.Errorf("%q", names)
	}
	// Best first: 0-1 1-1 0-2 0-3 1-2 0-0 1-0 1-3.
	for i, want := range map[int]string{1: "0-1 0-2 1-1", 3: "0-0 1-0 1-3", 4: "0-1 0-2 0-3 1-1", 6: "0-0 1-0 1-2 1-3"} {
		if got := masks[i].list(); got != want {
			t.Errorf("%s: %s, want %s", masks[i].Name(), got, want)
		}
	}
	for _, n := range []int{-1, 5} {
		if _, err := Masks(rows, MaskPlan{Counts: []int{n}, Seeds: 1, Seed: 1}); err == nil {
			t.Errorf("%d of 8 heads", n)
		}
	}
	// Both heads of layer 0 are the best: others come from the layers that are left.
	uneven := []scoring.Head{{Layer: 0, Head: 0, Mean: 9}, {Layer: 0, Head: 1, Mean: 8}, {Layer: 1, Head: 0, Mean: 2}, {Layer: 2, Head: 0, Mean: 1}}
	masks, err = Masks(uneven, MaskPlan{Counts: []int{2}, Seeds: 1, Seed: 1})
	if err != nil || masks[2].list() != "1-0 2-0" || masks[2].Elsewhere != 2 {
		t.Errorf("%+v, %v", masks, err)
	}
}

func TestItemsThatDoNotFit(t *testing.T) {
	e := tinyEngine(t)
	for _, c := range []struct {
		name string
		it   Item
		want string
	}{
		{"the least", Item{Prompt: []int32{0, 1}, AnswerIDs: []int32{1}, MaxTokens: 1}, ""},
		{"the last token of the vocabulary", Item{Prompt: []int32{0, int32(e.Vocabulary() - 1)}, AnswerIDs: []int32{1}, MaxTokens: 1}, ""},
		{"as long as the context", Item{Prompt: make([]int32, e.Context()-3), AnswerIDs: []int32{1}, MaxTokens: 3}, ""},
		{"an answer as long", Item{Prompt: make([]int32, e.Context()-3), AnswerIDs: []int32{1, 1, 1}, MaxTokens: 1}, ""},
		{"longer", Item{Prompt: make([]int32, e.Context()-3), AnswerIDs: []int32{1}, MaxTokens: 4}, "over the model's limit"},
		{"one token", Item{Prompt: []int32{0}, AnswerIDs: []int32{1}, MaxTokens: 1}, "the prompt has 1 tokens"},
		{"no answer", Item{Prompt: []int32{0, 1}, MaxTokens: 1}, "the answer has no tokens"},
		{"nothing generated", Item{Prompt: []int32{0, 1}, AnswerIDs: []int32{1}}, "no token may be generated"},
		{"beyond the vocabulary", Item{Prompt: []int32{0, int32(e.Vocabulary())}, AnswerIDs: []int32{1}, MaxTokens: 1}, "outside the model's vocabulary"},
		{"a negative token", Item{Prompt: []int32{0, 1}, AnswerIDs: []int32{-1}, MaxTokens: 1}, "token -1 is outside"},
	} {
		if err := c.it.check(e); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// An item stops where its own rule says, or after its most tokens without one;
// what was computed is counted.
func TestItemsStopByTheirRule(t *testing.T) {
	m, its, _ := items(t, 2)
	free, early := *its[0], *its[0]
	free.ID, free.Stop, free.MaxTokens = "free", nil, 3
	early.ID, early.Stop = "early", func([]needle.Step) bool { return true }
	for _, reuse := range []bool{true, false} {
		got, err := Run(context.Background(), m, []*Item{its[0], &free, &early}, DefaultSetting(), []Variant{{"full", 0}}, Options{NoReuse: !reuse})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(got[1].Results[0].IDs); n != 3 || len(got[2].Results[0].IDs) != 1 {
			t.Errorf("without a rule %d tokens, with the earliest %d", n, len(got[2].Results[0].IDs))
		}
		if !strings.HasPrefix(got[0].Task, "needle-") {
			t.Errorf("task %q does not name the kind of needle", got[0].Task)
		}
		for i, r := range got {
			c, s := r.Times.Computed, r.Results[0].Times.Steps
			if c <= 0 || c > r.PromptTokens || (c == r.PromptTokens) != (i == 0 || !reuse) || s < 0 || s > len(r.Results[0].IDs) {
				t.Errorf("%s, reuse %v: %d of %d tokens computed, %d steps", r.Item, reuse, c, r.PromptTokens, s)
			}
		}
	}
	// The same prompt twice under a mask is computed from what it shares.
	again := *its[0]
	again.ID = "again"
	masked, err := Ablate(context.Background(), m, []*Item{its[0], &again}, []Mask{{Choice: None}}, Options{})
	if err != nil || masked[0].LogProb != masked[1].LogProb || masked[0].Text != masked[1].Text {
		t.Errorf("%+v, %v", masked, err)
	}
}

func TestRateIsTheMedian(t *testing.T) {
	for _, c := range []struct {
		rates []float64
		want  float64
	}{{[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{9, 1, 2}, 2}, {[]float64{8, 1, 2, 6}, 4}} {
		if got := (Speed{Rates: c.rates}).Rate(); got != c.want {
			t.Errorf("%v: %v, want %v", c.rates, got, c.want)
		}
	}
	if got := (Speed{}).Rate(); !math.IsNaN(got) {
		t.Errorf("of nothing: %v", got)
	}
}

// Speeds of three caches, measured twice: what each holds is what its policy
// allots, and full holds the whole prompt and the step before the first rate.
func TestMeasureSpeed(t *testing.T) {
	m, its, _ := items(t, 1)
	vs, err := Variants([]string{"full", "snapkv", "streaming"}, []int{40})
	if err != nil {
		t.Fatal(err)
	}
	var calls []int
	got, err := MeasureSpeed(context.Background(), m, its[0], DefaultSetting(), vs, 3, 2, func(done, total int) {
		if total != 6 {
			t.Errorf("%d in all", total)
		}
		calls = append(calls, done)
	})
	if err != nil || !slices.Equal(calls, []int{1, 2, 3, 4, 5, 6}) {
		t.Fatalf("%v, %v", calls, err)
	}
	caches := int64(0)
	for _, l := range m.Config().Layers {
		caches += int64(l.KVHeads)
	}
	for i, s := range got {
		each := int64(40)
		if s.Policy == "full" {
			each = int64(len(its[0].Prompt))
		}
		if s.Variant != vs[i] || s.Steps != 3 || len(s.Rates) != 2 || !(s.Rate() > 0) || s.PromptTokens != len(its[0].Prompt) || s.Kept.Entries != each*caches || s.Allocated <= 0 || s.Prefill <= 0 {
			t.Errorf("%+v, want %d entries in each of %d caches", s, each, caches)
		}
	}
	if s := got[0]; runtime.GOOS == "linux" && (s.Anonymous <= 0 || s.Resident < s.Anonymous) {
		t.Errorf("resident %d bytes, %d of no file", s.Resident, s.Anonymous)
	}
	dir := t.TempDir()
	path, err := WriteSpeeds(dir, got)
	if err != nil {
		t.Fatal(err)
	}
	if rows := cells(t, path); len(rows) != 3 || rows[0]["capacity"] != "" || rows[1]["capacity"] != "40" || rows[1]["steps"] != "3" {
		t.Errorf("%v", rows)
	}
	for _, steps := range []int{m.Config().Context - len(its[0].Prompt) + 1, 1 << 20} {
		if _, err := MeasureSpeed(context.Background(), m, its[0], DefaultSetting(), vs, steps, 1, nil); err == nil || !strings.Contains(err.Error(), "over the model's limit") {
			t.Errorf("%d steps: %v", steps, err)
		}
	}
	if _, err := MeasureSpeed(context.Background(), m, its[0], DefaultSetting(), []Variant{{"snapkv", 1}}, 1, 1, nil); err == nil {
		t.Error("a capacity below the window")
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := MeasureSpeed(cancelled, m, its[0], DefaultSetting(), vs, 1, 1, nil); err == nil {
		t.Error("a measurement goes on after it was cancelled")
	}
}

// The manifest names the parameters of the policies that run, and no others.
func TestSettingsOfTheManifest(t *testing.T) {
	s := DefaultSetting()
	headkv, snapkv := s.settings([]Variant{{"headkv-r2", 64}}), s.settings([]Variant{{"snapkv", 64}})
	m, err := tiny()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.check([]Variant{{"full", 0}, {"headkv-r2", 64}}, CacheModel(m.Config(), 2), 100); err == nil {
		t.Error("a policy that needs a profile has none, and it is not said before the first prompt")
	}
	if headkv["beta"] == "" || snapkv["beta"] != "" || snapkv["window"] == "" {
		t.Errorf("%v, %v", headkv, snapkv)
	}
}

// What was written is read back, to six decimals; what is damaged is named.
func TestTablesAreReadBack(t *testing.T) {
	dir := folder(t)
	rows := Rows(records(), 1, 1)
	rows[1].Beta = 1.005
	if _, err := Write(dir, rows, nil); err != nil {
		t.Fatal(err)
	}
	near := func(a, b float64) bool { return math.Abs(a-b) < 1e-6 || math.IsNaN(a) && math.IsNaN(b) }
	got, err := ReadRows(dir)
	if err != nil || len(got) != len(rows) {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, r := range rows {
		g := got[i]
		if g.Task != r.Task || g.Policy != r.Policy || g.Capacity != r.Capacity || g.N != r.N || !near(g.Beta, r.Beta) || !near(g.Score.Low, r.Score.Low) ||
			!near(g.LogProbChange.Value, r.LogProbChange.Value) || !near(g.Share, r.Share) || g.Bytes != r.Bytes || !near(g.PerToken, r.PerToken) {
			t.Errorf("row %d: %+v, want %+v", i, g, r)
		}
	}
	effects := []Effect{
		{Choice: None, N: 2, Score: stats.Estimate{Value: .5, Low: .25, High: .75}, LogProb: stats.Unknown(), ScoreChange: stats.Unknown(), LogProbChange: stats.Unknown()},
		{Choice: Random, Heads: 2, Seed: 3, Masked: "0-1 1-0", Elsewhere: 1, N: 2, Score: stats.Estimate{Value: 0, Low: 0, High: 0}, LogProb: stats.Unknown(), ScoreChange: stats.Unknown(), LogProbChange: stats.Estimate{Value: -1.5, Low: -2, High: -1}},
	}
	if _, err := WriteEffects(dir, effects); err != nil {
		t.Fatal(err)
	}
	back, err := ReadEffects(dir)
	if err != nil || len(back) != 2 {
		t.Fatalf("%+v, %v", back, err)
	}
	for i, e := range effects {
		g := back[i]
		if g.Choice != e.Choice || g.Heads != e.Heads || g.Seed != e.Seed || g.Masked != e.Masked || g.Elsewhere != e.Elsewhere || g.N != e.N || g.Score != e.Score || !near(g.LogProbChange.Low, e.LogProbChange.Low) || !math.IsNaN(g.LogProb.Value) {
			t.Errorf("%+v, want %+v", g, e)
		}
	}

	const header = "task,policy,capacity,n,score,answer_logprob,share_kept\n"
	path := filepath.Join(dir, RowsFile)
	for data, want := range map[string]string{
		header + "qa,full,,3,0.5,-1,1\n":                   "",
		"\xef\xbb\xbf" + header + "qa,full,0,3,0.5,-1,1\n": "",
		header:                                 "holds no rows",
		"":                                     "holds no rows",
		"task,policy,capacity,n\nqa,full,,3\n": `has no column "score"`,
		header + "qa,full,,3,x,-1,1\n":         `row 1: score is "x", not a number`,
		header + "qa,full,,3,1,-1,1\nqa,full,-1,y,1,-1,1\n": `row 2: capacity is "-1", not a number`,
		header + "qa,full,1.5,3,1,-1,1\n":                   `row 1: capacity is "1.5"`,
		header + "qa,full,,3,inf,-1,1\n":                    `score is "inf"`,
		header + "qa,full\n":                                "wrong number of fields",
		"\xff\xfet\x00a\x00":                                "UTF-16LE",
	} {
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadRows(dir); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", data, err, want)
		}
	}
	if _, err := ReadRows(t.TempDir()); err == nil {
		t.Error("no table")
	}
	if _, err := ReadEffects(t.TempDir()); err == nil {
		t.Error("no table of masks")
	}
}
