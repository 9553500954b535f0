package evaluate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/parquet-go/parquet-go"

	"headprof/export"
	"headprof/fixtures"
	"headprof/needle"
	"headprof/probe"
	"headprof/probe/journal"
	"headprof/runner"
	"headprof/scoring"
	"headprof/scoring/allocate"
)

var tiny = sync.OnceValues(func() (*runner.Model, error) {
	return runner.OpenBytes("headprof-tiny", fixtures.Tiny(), runner.Options{Threads: 2, Chunk: 64})
})

// trials are held-out needles of the tiny model at two lengths and three depths.
func trials(t *testing.T, count int) (*runner.Model, probe.Model, []*probe.Trial) {
	t.Helper()
	m, err := tiny()
	if err != nil {
		t.Fatal(err)
	}
	e, err := probe.ModelOf(m)
	if err != nil {
		t.Fatal(err)
	}
	set, err := needle.ReadSet("heldout", strings.NewReader(string(fixtures.TinyHeldout())))
	if err != nil {
		t.Fatal(err)
	}
	h, err := needle.NewHaystack("tiny", fixtures.TinyHaystack())
	if err != nil {
		t.Fatal(err)
	}
	list, err := probe.Grid{
		Haystacks: []*needle.Haystack{h}, Needles: set.Needles, Lengths: []int{160, 320}, Depths: []float64{10, 50, 90},
		Frame: frame(m), Count: count, Seed: 3, KeepBefore: 8,
	}.Trials(e)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := probe.NewPlan(e, list, probe.PlanOptions{Rules: probe.Rules{Decode: probe.Greedy, Judge: needle.Window{}}})
	if err != nil {
		t.Fatal(err)
	}
	return m, e, plan.Trials
}

func frame(m *runner.Model) needle.Frame {
	if bos, add := m.Tokenizer().BOS(); add {
		return needle.Frame{Prefix: []int32{bos}}
	}
	return needle.Frame{}
}

// profile is a made-up one: half of the heads have a score.
func profile(m *runner.Model) *scoring.Table {
	t := &scoring.Table{}
	for _, method := range []string{"headkv-r2", "retrieval"} {
		for l, layer := range m.Config().Layers {
			for h := range layer.Heads {
				t.Heads = append(t.Heads, scoring.Head{Method: method, Layer: l, Head: h, KVHead: h / (layer.Heads / layer.KVHeads), Mean: float64((l*5 + h*3) % 7), Rank: len(t.Heads) + 1})
			}
		}
	}
	return t
}

func items(t *testing.T, count int) (*runner.Model, []*Item, []*probe.Trial) {
	m, e, list := trials(t, count)
	its, err := Needles(e, list, needle.Window{})
	if err != nil {
		t.Fatal(err)
	}
	return m, its, list
}

// The tokens that --policy full generates are those that score's greedy mode
// generates, whatever came out of the same prefill before.
func TestFullGeneratesWhatScoreGenerates(t *testing.T) {
	m, its, list := items(t, 8)
	s := DefaultSetting()
	s.Scores = profile(m)
	vs, err := Variants([]string{"snapkv", "full", "headkv-r2"}, []int{32})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Run(context.Background(), m, its, s, vs, Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, _ := probe.ModelOf(m)
	plan, err := probe.NewPlan(e, list, probe.PlanOptions{Rules: probe.Rules{Decode: probe.Greedy, Judge: needle.Window{}}})
	if err != nil {
		t.Fatal(err)
	}
	want, err := probe.Run(context.Background(), e, plan, probe.Options{Chunk: 64})
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]*probe.Record{}
	for _, r := range want.Records {
		byID[r.ID] = r
	}
	for _, r := range got {
		w, full := byID[r.Item], r.Results[1]
		ids := full.IDs
		if n := len(ids); n > 0 && e.IsEnd(ids[n-1]) {
			ids = ids[:n-1]
		}
		if !slices.Equal(ids, w.IDs) || full.Text != w.Matched || (full.Score == 1) != w.Pass {
			t.Errorf("%s: full generates %v (%q, score %v), score %v (%q, pass %v)", r.Item, ids, full.Text, full.Score, w.IDs, w.Matched, w.Pass)
		}
	}
	// Forced mode's answer log-probability is the same number, too.
	plan, err = probe.NewPlan(e, list, probe.PlanOptions{Rules: probe.Rules{Decode: probe.Forced}})
	if err != nil {
		t.Fatal(err)
	}
	forced, err := probe.Run(context.Background(), e, plan, probe.Options{Chunk: 64})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range forced.Records {
		i := slices.IndexFunc(got, func(g *Record) bool { return g.Item == r.ID })
		if got[i].Results[1].LogProb != *r.LogProb {
			t.Errorf("%s: log-probability %v, score --decode forced gives %v", r.ID, got[i].Results[1].LogProb, *r.LogProb)
		}
	}
}

// A capacity that holds the whole prompt changes nothing: positions and keys
// are what they were. (Bits may differ where entries moved between tiles.)
func TestCapacityAboveThePromptIsFull(t *testing.T) {
	m, its, _ := items(t, 4)
	s := DefaultSetting()
	s.Scores = profile(m)
	vs, err := Variants([]string{"full", "streaming", "snapkv", "pyramidkv", "adasnapkv"}, []int{4096})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Run(context.Background(), m, its, s, vs, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range got {
		for _, v := range r.Results[1:] {
			if !slices.Equal(v.IDs, r.Results[0].IDs) || v.LogProb != r.Results[0].LogProb || v.Kept != r.Full {
				t.Errorf("%s, %s: %+v, full %+v of %+v", r.Item, v.Policy, v, r.Results[0], r.Full)
			}
		}
	}
}

// Kept is what budgets promise, computed here from the plan and the shape alone.
func TestKeptEqualsTheBudget(t *testing.T) {
	m, its, _ := items(t, 4)
	s := DefaultSetting()
	s.Scores = profile(m)
	vs, err := Variants([]string{"streaming", "snapkv", "headkv-r2", "headkv-r"}, []int{24, 64})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Run(context.Background(), m, its, s, vs, Options{})
	if err != nil {
		t.Fatal(err)
	}
	model := CacheModel(m.Config(), 4)
	var caches, size int64
	for _, l := range model.Layers {
		caches += int64(l.KVHeads)
		size = int64(l.KeyDim+l.ValueDim) * 4
	}
	for _, r := range got {
		for _, v := range r.Results {
			want := int64(v.Capacity) * caches
			if NeedsScores(v.Policy) {
				method := map[string]string{"headkv-r2": "headkv-r2", "headkv-r": "retrieval"}[v.Policy]
				p := allocate.DefaultParams()
				p.Capacity = v.Capacity
				plan, err := allocate.Make(allocate.HeadKV{Beta: 1.2, Temp: 1}, s.Scores.Of(method), model, p)
				if err != nil {
					t.Fatal(err)
				}
				want = plan.Totals(r.PromptTokens).Held
			}
			if v.Kept.Entries != want || v.Kept.Bytes != want*size {
				t.Errorf("%s, %s at %d: keeps %+v, the budget is %d entries of %d bytes", r.Item, v.Policy, v.Capacity, v.Kept, want, size)
			}
			if v.Allocated < v.Kept.Bytes || v.Allocated > v.Kept.Bytes+caches*(63*size+64)+v.Kept.Entries*8 {
				t.Errorf("%s, %s at %d: %d bytes allocated for %d", r.Item, v.Policy, v.Capacity, v.Allocated, v.Kept.Bytes)
			}
		}
	}
}

func stripTimes(rs []*Record) string {
	var b strings.Builder
	for _, r := range rs {
		c := *r
		c.Times = Prefill{}
		c.Results = slices.Clone(r.Results)
		for i := range c.Results {
			c.Results[i].Times = Steps{}
		}
		fmt.Fprintf(&b, "%+v\n", c)
	}
	return b.String()
}

// A run that was cut off, torn line included, goes on to the same artifacts;
// so does one without prefix reuse. Other settings are refused.
func TestResumedRunsGiveTheSameBytes(t *testing.T) {
	m, its, _ := items(t, 5)
	s := DefaultSetting()
	vs, err := Variants([]string{"full", "snapkv"}, []int{24, 40})
	if err != nil {
		t.Fatal(err)
	}
	write := func(dir string, rs []*Record) map[string]string {
		files, err := Write(dir, Rows(rs, s.Beta(), 1), Timings(rs))
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, f := range files {
			if filepath.Base(f) == "timings.csv" {
				continue
			}
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			out[filepath.Base(f)] = string(data)
		}
		return out
	}
	whole := t.TempDir()
	rs, err := Run(context.Background(), m, its, s, vs, Options{Dir: whole})
	if err != nil {
		t.Fatal(err)
	}
	want := write(whole, rs)

	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	_, err = Run(ctx, m, its, s, vs, Options{Dir: dir, Progress: func(done, _, _ int, _ *Record) {
		if done == 2 {
			cancel()
		}
	}})
	if !errors.Is(err, probe.ErrInterrupted) {
		t.Fatalf("a cancelled run: %v", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, Kind.File), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"item":"torn`)
	f.Close()
	rs, err = Run(context.Background(), m, its, s, vs, Options{Dir: dir, NoReuse: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range write(dir, rs) {
		if data != want[name] {
			t.Errorf("%s differs after resuming", name)
		}
	}
	manifests := [2]string{}
	for i, d := range []string{whole, dir} {
		data, err := os.ReadFile(filepath.Join(d, "run.json"))
		if err != nil {
			t.Fatal(err)
		}
		manifests[i] = string(data)
	}
	if manifests[0] != manifests[1] {
		t.Errorf("manifests differ:\n%s\n%s", manifests[0], manifests[1])
	}
	other := DefaultSetting()
	if err := other.Params.Put("kernel", "5"); err != nil {
		t.Fatal(err)
	}
	var mismatch *journal.MismatchError
	if _, err := Run(context.Background(), m, its, other, vs, Options{Dir: dir}); !errors.As(err, &mismatch) || !strings.Contains(err.Error(), "kernel: 7 there, 5 now") {
		t.Errorf("another kernel in the same folder: %v", err)
	}
}

// A prompt's results do not depend on the prompts before it.
func TestResultsDoNotDependOnReuse(t *testing.T) {
	m, its, _ := items(t, 6)
	vs, err := Variants([]string{"snapkv", "adasnapkv"}, []int{24})
	if err != nil {
		t.Fatal(err)
	}
	a, err := Run(context.Background(), m, its, DefaultSetting(), vs, Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Run(context.Background(), m, its, DefaultSetting(), vs, Options{NoReuse: true})
	if err != nil {
		t.Fatal(err)
	}
	if stripTimes(a) != stripTimes(b) {
		t.Error("reuse changes results")
	}
}

func TestRunRefuses(t *testing.T) {
	m, its, _ := items(t, 1)
	for _, tc := range []struct {
		names      []string
		capacities []int
		change     func(*Setting)
		want       string
	}{
		{[]string{"snapkw"}, []int{64}, nil, "known: full, streaming"},
		{[]string{"snapkv"}, nil, nil, "no policy and capacity"},
		{[]string{"snapkv"}, []int{64, 64}, nil, "named twice"},
		{[]string{"snapkv"}, []int{-1}, nil, "capacity -1"},
		{[]string{"snapkv"}, []int{8}, nil, "larger than the window of 8"},
		{[]string{"headkv-r2"}, []int{64}, nil, "--scores"},
		{[]string{"headkv-r2"}, []int{64}, func(s *Setting) { s.Scores = profile(m); s.Scores.Heads = s.Scores.Heads[:1] }, "the model has"},
	} {
		s := DefaultSetting()
		if tc.change != nil {
			tc.change(&s)
		}
		vs, err := Variants(tc.names, tc.capacities)
		if err == nil {
			_, err = Run(context.Background(), m, its, s, vs, Options{})
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v at %v: error %v, want one with %q", tc.names, tc.capacities, err, tc.want)
		}
	}
}

// A table says what made it: PyArrow and pandas show the footer's metadata,
// and every column has a description.
func TestParquetTablesDescribeThemselves(t *testing.T) {
	m, its, _ := items(t, 1)
	vs, err := Variants([]string{"full", "streaming"}, []int{24})
	if err != nil {
		t.Fatal(err)
	}
	s, dir := DefaultSetting(), t.TempDir()
	rs, err := Run(context.Background(), m, its, s, vs, Options{Dir: dir, Seed: 7, Params: map[string]string{"lengths": "64"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Write(dir, Rows(rs, s.Beta(), 7), Timings(rs)); err != nil {
		t.Fatal(err)
	}
	ablated := t.TempDir()
	masks := []Mask{{Choice: None}, {Choice: Top, Heads: []HeadID{{0, 0}}}}
	var ran []*Masked
	if ran, err = Ablate(context.Background(), m, its, masks, Options{Dir: ablated}); err != nil {
		t.Fatal(err)
	}
	effects, err := Effects(ran, masks, 7)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := WriteEffects(ablated, effects); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]string{
		filepath.Join(dir, "eval.parquet"):       {`"lengths":"64"`, `"seed":7`, `"policies":"full:0 streaming:24"`, `"sinks":"4"`},
		filepath.Join(ablated, "ablate.parquet"): {`"model":"headprof-tiny"`, `"mask top-1":"0-0"`},
	} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		if by := f.Metadata().CreatedBy; by != "headprof version "+export.Version {
			t.Errorf("%s was created by %q", filepath.Base(path), by)
		}
		meta, _ := f.Lookup("headprof.meta")
		for _, w := range want {
			if !strings.Contains(meta, w) {
				t.Errorf("%s does not say %s: %s", filepath.Base(path), w, meta)
			}
		}
		texts := rowTexts
		if strings.Contains(path, "ablate") {
			texts = effectTexts
		}
		for _, c := range f.Schema().Fields() {
			if texts[c.Name()].Description == "" {
				t.Errorf("%s: column %s has no description", filepath.Base(path), c.Name())
			}
		}
		if len(texts) != len(f.Schema().Fields()) {
			t.Errorf("%s has %d columns, %d are described", filepath.Base(path), len(f.Schema().Fields()), len(texts))
		}
	}
}
