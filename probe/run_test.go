package probe

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"headprof/needle"
	"headprof/probe/journal"
	"headprof/scoring"
)

func mustRun(t testing.TB, m *fakeModel, p *Plan, o Options) *Result {
	t.Helper()
	r, err := Run(context.Background(), m, p, o)
	if err != nil {
		t.Fatal(err)
	}
	if m.open != 0 {
		t.Errorf("%d sessions were left open", m.open)
	}
	return r
}

// outputs is a run folder's files without what may differ: the seconds.
func outputs(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	for _, name := range []string{journal.ManifestName, trialKind.File} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		b.Write(regexp.MustCompile(`"seconds":[0-9.e-]+`).ReplaceAll(data, []byte(`"seconds":0`)))
	}
	return b.String()
}

func rules() map[string]Rules {
	return map[string]Rules{
		"f1": greedyRules(), "window": {Decode: Greedy, Judge: needle.Window{}}, "forced": {Decode: Forced},
		"thinking": thinkingRules(newFake(), 24, Greedy), "thinking, forced": thinkingRules(newFake(), 24, Forced),
	}
}

// Reuse, drafts, chunks and blocks change the time of a run and no byte of it.
func TestNothingThatSavesTimeChangesTheOutput(t *testing.T) {
	for name, rule := range rules() {
		for _, block := range []int{0, 7} {
			m := newFake()
			m.thinks = rule.Thinking != nil
			g := testGrid(t)
			g.Needles = g.Needles[:2]
			g.Haystacks = append(g.Haystacks, testHaystack(t, "other", 700))
			p := testPlan(t, m, g, PlanOptions{Rules: rule, Block: block, Seed: 3})
			plain, fast := t.TempDir(), t.TempDir()
			m.computed = 0
			r := mustRun(t, m, p, Options{Dir: plain, NoReuse: true, NoDraft: true})
			slow := m.computed
			want := outputs(t, plain)
			m.computed = 0
			var last Progress
			mustRun(t, m, p, Options{Dir: fast, Progress: func(p Progress) { last = p }})
			if got := outputs(t, fast); got != want {
				t.Errorf("%s, block %d: reuse and drafts change the output:\n%s", name, block, firstDifference(want, got))
			}
			if last.TokensDone != last.TokensTotal || last.Done != last.Total || last.Passed != r.Passed {
				t.Errorf("%s, block %d: progress ends at %d of %d tokens, %d of %d trials, %d passed (of %d)", name, block, last.TokensDone, last.TokensTotal, last.Done, last.Total, last.Passed, r.Passed)
			}
			if name != "forced" && r.Passed == 0 {
				t.Errorf("%s: nothing passed, so the test shows little", name)
			}
			if block == 0 && rule.Thinking == nil && m.computed > slow*5/8 {
				t.Errorf("%s: %d tokens with reuse, %d without", name, m.computed, slow)
			}
			if block == 0 {
				continue
			}
			one := *p
			one.OneCache = true
			dir := t.TempDir()
			mustRun(t, m, &one, Options{Dir: dir})
			if got := outputs(t, dir); got != want {
				t.Errorf("%s: one cache changes the output:\n%s", name, firstDifference(want, got))
			}
			two, _ := p.EstimateCost(true)
			less, _ := one.EstimateCost(true)
			if less.Peak >= two.Peak || less.Planned <= two.Planned {
				t.Errorf("one cache holds %d tokens and computes %d, two hold %d and compute %d", less.Peak, less.Planned, two.Peak, two.Planned)
			}
			for _, o := range []Options{{NoReuse: true}, {NoDraft: true}, {Chunk: 1}, {Chunk: 64}, {Chunk: 100000}} {
				o.Dir = t.TempDir()
				mustRun(t, m, p, o)
				if got := outputs(t, o.Dir); got != want {
					t.Errorf("%s, block %d, %+v changes the output:\n%s", name, block, o, firstDifference(want, got))
				}
			}
		}
	}
}

func firstDifference(a, b string) string {
	la, lb := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(la), len(lb)) {
		if la[i] != lb[i] {
			return "- " + la[i][:min(600, len(la[i]))] + "\n+ " + lb[i][:min(600, len(lb[i]))]
		}
	}
	return "one is longer"
}

// In one block the plan computes each node of the tree of prompts once.
func TestPlannedTokensAreTheTreeOfPrompts(t *testing.T) {
	m := newFake()
	g := testGrid(t)
	p := testPlan(t, m, g, PlanOptions{})
	type node struct {
		parent int
		token  int32
	}
	nodes := map[node]int{}
	naive := 0
	for _, tr := range p.Trials {
		prompt, _ := tr.Prompt()
		at := 0
		for _, id := range prompt {
			n := node{at, id}
			if nodes[n] == 0 {
				nodes[n] = len(nodes) + 1
			}
			at = nodes[n]
		}
		naive += len(prompt)
	}
	c, err := p.EstimateCost(true)
	if err != nil {
		t.Fatal(err)
	}
	// Needles that begin alike cost their beginning twice when another stands between.
	if int(c.Naive) != naive || int(c.Planned) < len(nodes) || int(c.Planned) > len(nodes)+len(nodes)/50 {
		t.Errorf("planned %d of %d tokens; the tree of prompts has %d nodes, naive is %d", c.Planned, c.Naive, len(nodes), naive)
	}
	m.computed = 0
	mustRun(t, m, p, Options{})
	if m.computed < int(c.Planned) || m.computed > int(c.Planned)+len(p.Trials)*60 {
		t.Errorf("computed %d tokens, planned %d", m.computed, c.Planned)
	}
	blocks := testPlan(t, m, g, PlanOptions{Block: 6})
	b, err := blocks.EstimateCost(true)
	if err != nil {
		t.Fatal(err)
	}
	if b.Planned < c.Planned || b.Planned > c.Naive*7/10 {
		t.Errorf("in blocks: %d planned; in one: %d; naive: %d", b.Planned, c.Planned, c.Naive)
	}
}

// Greedy decoding by hand: the reference is written down without drafts,
// reuse or observer.
func TestTrialAgainstPlainDecoding(t *testing.T) {
	m := newFake()
	p := testPlan(t, m, testGrid(t), PlanOptions{})
	r := mustRun(t, m, p, Options{})
	byID := map[string]*Record{}
	for _, rec := range r.Records {
		byID[rec.ID] = rec
	}
	for _, tr := range p.Trials {
		prompt, _ := tr.Prompt()
		s, _ := m.NewSession(0)
		s.Extend(context.Background(), prompt[:len(prompt)-1], Watch{})
		feed := prompt[len(prompt)-1]
		var ids []int32
		k := tr.Span.End - tr.Span.Start
		retrieval := [fakeLayers][fakeHeads]float64{}
		for range tr.AnswerIDs {
			logits, _ := s.Extend(context.Background(), []int32{feed}, Watch{Logits: []int{s.Len()}})
			best := 0
			for i, v := range logits[0] {
				if v > logits[0][best] {
					best = i
				}
			}
			f := s.(*fakeSession)
			for l := range fakeLayers {
				for h := range fakeHeads {
					row := f.row(l, h, s.Len()-1)
					top := 0
					for i, w := range row.Weights {
						if w > row.Weights[top] {
							top = i
						}
					}
					at := row.First + top
					if at >= tr.Span.Start && at < tr.Span.End && f.tokens[at] == int32(best) {
						retrieval[l][h] += 1 / float64(k)
					}
				}
			}
			if best == fakeEnd || best == fakeNewline {
				break
			}
			ids = append(ids, int32(best))
			feed = int32(best)
		}
		s.Close()
		rec := byID[tr.ID]
		if len(ids) != len(rec.IDs) || len(ids) > 0 && !reflect.DeepEqual(ids, rec.IDs) {
			t.Errorf("%s: ids %v, want %v", tr.ID, rec.IDs, ids)
		}
		for l := range fakeLayers {
			for h := range fakeHeads {
				if d := float64(rec.Scores["retrieval"][l][h]) - retrieval[l][h]; d > 1e-6 || d < -1e-6 {
					t.Errorf("%s: retrieval of %d-%d is %v, want %v", tr.ID, l, h, rec.Scores["retrieval"][l][h], retrieval[l][h])
				}
			}
		}
	}
}

func TestResumeAfterCancel(t *testing.T) {
	m := newFake()
	resumed(t, m, testPlan(t, m, testGrid(t), PlanOptions{Block: 10, Seed: 2}))
	m = thinkingFake()
	resumed(t, m, testPlan(t, m, testGrid(t), PlanOptions{Block: 10, Seed: 2, Rules: thinkingRules(m, 24, Greedy)}))
}

// resumed stops a plan after so many trials, and runs the rest.
func resumed(t *testing.T, m *fakeModel, p *Plan) {
	t.Helper()
	whole := t.TempDir()
	want := mustRun(t, m, p, Options{Dir: whole})
	for after := 0; after < len(p.Trials); after += 5 {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(context.Background())
		_, err := Run(ctx, m, p, Options{Dir: dir, Progress: func(p Progress) {
			if p.Done >= after {
				cancel()
			}
		}})
		cancel()
		if !errors.Is(err, ErrInterrupted) {
			t.Fatalf("cancelled after %d trials: %v", after, err)
		}
		if m.open != 0 {
			t.Errorf("%d sessions were left open", m.open)
		}
		got := mustRun(t, m, p, Options{Dir: dir, NoReuse: after%2 == 1})
		if outputs(t, dir) != outputs(t, whole) {
			t.Errorf("resumed after %d trials, the files differ", after)
		}
		if !reflect.DeepEqual(got.Scores, want.Scores) {
			t.Errorf("resumed after %d trials, the scores differ", after)
		}
	}
	// A finished run runs nothing again.
	m.computed = 0
	mustRun(t, m, p, Options{Dir: whole})
	if m.computed != 0 {
		t.Errorf("a finished run computed %d tokens more", m.computed)
	}
}

func TestTornLastLine(t *testing.T) {
	m := newFake()
	g := testGrid(t)
	g.Count = 5
	p := testPlan(t, m, g, PlanOptions{})
	whole := t.TempDir()
	mustRun(t, m, p, Options{Dir: whole})
	want := outputs(t, whole)
	data, err := os.ReadFile(filepath.Join(whole, trialKind.File))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(whole, trialKind.File)
	for cut := len(data); cut > 0; cut -= 97 {
		if err := os.WriteFile(path, data[:cut], 0o666); err != nil {
			t.Fatal(err)
		}
		mustRun(t, m, p, Options{Dir: whole})
		if outputs(t, whole) != want {
			t.Fatalf("cut at byte %d of %d: the resumed run differs", cut, len(data))
		}
	}
	// A power cut may leave zeros, with or without an end of line.
	for _, tail := range []string{"\x00\x00\x00", "\x00\x00\n", `{"id":"n0` + "\n"} {
		os.WriteFile(path, append(append([]byte(nil), data...), tail...), 0o666)
		mustRun(t, m, p, Options{Dir: whole})
		if outputs(t, whole) != want {
			t.Errorf("tail %q: the resumed run differs", tail)
		}
	}
}

// damage replaces what stands once in a line.
func damage(t *testing.T, line []byte, old, now string) []byte {
	t.Helper()
	if bytes.Count(line, []byte(old)) != 1 {
		t.Fatalf("%q does not stand once in %s", old, line)
	}
	return bytes.Replace(line, []byte(old), []byte(now), 1)
}

func TestDamagedJournalIsRefused(t *testing.T) {
	m := newFake()
	g := testGrid(t)
	g.Count = 4
	p := testPlan(t, m, g, PlanOptions{})
	dir := t.TempDir()
	mustRun(t, m, p, Options{Dir: dir})
	path := filepath.Join(dir, trialKind.File)
	data, _ := os.ReadFile(path)
	lines := bytes.SplitAfter(data, []byte("\n"))[:4]
	join := func(l ...[]byte) []byte { return bytes.Join(l, nil) }
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"garbage inside", join(lines[0], []byte("{\"id\": oops}\n"), lines[2], lines[3]), "trials.jsonl:2: not JSON"},
		{"a line of zeros inside", join(lines[0], []byte("\x00\x00\x00\n"), lines[2]), "trials.jsonl:2: not JSON"},
		{"a line lost", join(lines[0], lines[2], lines[3]), `trials.jsonl:2: the trial is "`},
		{"lines swapped", join(lines[1], lines[0]), `trials.jsonl:1: the trial is "`},
		// Bytes that leave a line JSON: the plan says what must stand there.
		{"a changed index", join(lines[0], damage(t, lines[1], `"index":`, `"index":1`), lines[2]), "trials.jsonl:2: trial "},
		{"a changed span", join(lines[0], damage(t, lines[1], `"span":[`, `"span":[1`), lines[2]), "trials.jsonl:2: trial "},
		{"a changed length", join(lines[0], lines[1], damage(t, lines[2], `"length":`, `"length":1`), lines[3]), "trials.jsonl:3: trial "},
		{"a changed depth", join(damage(t, lines[0], `"depth":`, `"depth":1`), lines[1]), "trials.jsonl:1: trial "},
		{"a changed answer", join(damage(t, lines[0], `"answer_ids":[`, `"answer_ids":[1,`), lines[1]), "trials.jsonl:1: trial "},
		{"a changed prompt", join(damage(t, lines[0], `"prompt_tokens":`, `"prompt_tokens":1`), lines[1]), "trials.jsonl:1: trial "},
		{"another point", join(damage(t, lines[0], `"scores":`, `"also":[{"id":"x"}],"scores":`), lines[1]), "trials.jsonl:1: trial "},
		{"a byte of a text", join(lines[0], damage(t, lines[1], `"text":"`, "\"text\":\"\xff"), lines[2]), "trials.jsonl:2: invalid UTF-8"},
		{"no scores", join([]byte("{\"id\":\"x\"}\n"), lines[1]), `trials.jsonl:1: "scores" is missing`},
		{"another model's shape", join(lines[0], bytes.Replace(lines[1], []byte(`"headkv-r2":[[`), []byte(`"headkv-r2":[[0.5,`), 1)), "has heads"},
		{"too many trials", join(lines[0], lines[1], lines[2], lines[3], lines[3]), "more than the plan's 4"},
	} {
		if err := os.WriteFile(path, c.data, 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := Run(context.Background(), m, p, Options{Dir: dir})
		if c.name == "another model's shape" {
			c.want = "layer 0, have 5 heads, the model has 4"
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(after, c.data) {
			t.Errorf("%s: the refused journal was changed", c.name)
		}
	}
}

func TestAnotherRunIsRefused(t *testing.T) {
	dir := t.TempDir()
	base := func() (*fakeModel, Grid, PlanOptions, Options) {
		g := testGrid(t)
		g.Count = 4
		return newFake(), g, PlanOptions{Params: map[string]string{"lengths": "128,256,384"}, Seed: 1}, Options{Dir: dir, Version: "1", Settings: map[string]string{"kv-type": "f16"}}
	}
	m, g, po, o := base()
	mustRun(t, m, testPlan(t, m, g, po), o)
	before := outputs(t, dir)
	for _, c := range []struct {
		name   string
		change func(m *fakeModel, g *Grid, po *PlanOptions, o *Options)
		want   string
	}{
		{"model", func(m *fakeModel, g *Grid, po *PlanOptions, o *Options) { m.sha = "beef" }, "model: fake (sha256 f00d) there, fake (sha256 beef) now"},
		{"setting", func(m *fakeModel, g *Grid, po *PlanOptions, o *Options) { o.Settings["kv-type"] = "f32" }, "kv-type: f16 there, f32 now"},
		{"new setting", func(m *fakeModel, g *Grid, po *PlanOptions, o *Options) { o.Settings["fast"] = "on" }, "fast: (none) there, on now"},
		{"mode", func(m *fakeModel, g *Grid, po *PlanOptions, o *Options) { po.Rules.Decode = Forced }, "decode: greedy there, forced now"},
		{"judge", func(m *fakeModel, g *Grid, po *PlanOptions, o *Options) {
			po.Rules = Rules{Decode: Greedy, Judge: needle.Window{}}
		}, "judge: f1 there, window now"},
		{"methods", func(m *fakeModel, g *Grid, po *PlanOptions, o *Options) {
			o.Methods = []scoring.Method{scoring.Retrieval{}}
		}, "methods: headkv-r2,retrieval,semantic,r2-mass there, retrieval now"},
		{"plan", func(m *fakeModel, g *Grid, po *PlanOptions, o *Options) {
			po.Params["lengths"] = "128,256"
			g.Lengths = g.Lengths[:2]
		}, "lengths: 128,256,384 there, 128,256 now"},
		{"prompts alone", func(m *fakeModel, g *Grid, po *PlanOptions, o *Options) { g.Needles[0].Question = "How?" }, "plan (its prompts or their order)"},
		{"seed", func(m *fakeModel, g *Grid, po *PlanOptions, o *Options) { po.Seed = 9 }, "seed: 1 there, 9 now"},
		{"version", func(m *fakeModel, g *Grid, po *PlanOptions, o *Options) { o.Version = "2" }, "headprof version: 1 there, 2 now"},
	} {
		m, g, po, o := base()
		c.change(m, &g, &po, &o)
		_, err := Run(context.Background(), m, testPlan(t, m, g, po), o)
		var mismatch *journal.MismatchError
		if !errors.As(err, &mismatch) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "--out") {
			t.Errorf("%s: %v, want %q and a remedy", c.name, err, c.want)
		}
		if outputs(t, dir) != before {
			t.Errorf("%s: the refused run changed the folder", c.name)
		}
	}
	// What does not change results does not matter.
	m, g, po, o = base()
	o.Environment, o.Chunk, o.NoDraft = map[string]string{"threads": "7"}, 9, true
	mustRun(t, m, testPlan(t, m, g, po), o)
	if outputs(t, dir) != before {
		t.Error("a run with other threads changed a finished folder")
	}
}

func TestFoldersThatAreNoRuns(t *testing.T) {
	m := newFake()
	p := testPlan(t, m, testGrid(t), PlanOptions{})
	run := func(dir string) error {
		_, err := Run(context.Background(), m, p, Options{Dir: dir})
		return err
	}
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, trialKind.File), []byte("{}\n"), 0o666)
	if err := run(dir); err == nil || !strings.Contains(err.Error(), "holds trials.jsonl but no run.json") {
		t.Errorf("journal without a manifest: %v", err)
	}
	dir = t.TempDir()
	os.WriteFile(filepath.Join(dir, journal.ManifestName), []byte("{"), 0o666)
	if err := run(dir); err == nil || !strings.Contains(err.Error(), "is not a run's manifest") {
		t.Errorf("broken manifest: %v", err)
	}
	os.WriteFile(filepath.Join(dir, journal.ManifestName), []byte(`{"format":99}`), 0o666)
	if err := run(dir); err == nil || !strings.Contains(err.Error(), "format 99") {
		t.Errorf("later format: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o666)
	if err := run(file); err == nil || !strings.Contains(err.Error(), "cannot write "+file) {
		t.Errorf("a file as folder: %v", err)
	}
	if _, err := ReadRun(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is not a run's folder") {
		t.Errorf("reading an empty folder: %v", err)
	}
}

func TestEngineErrors(t *testing.T) {
	m := newFake()
	p := testPlan(t, m, testGrid(t), PlanOptions{})
	dir := t.TempDir()
	m.fail, m.failAt = errors.New("device lost"), 40
	r, err := Run(context.Background(), m, p, Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "device lost") || !strings.Contains(err.Error(), "trial n") {
		t.Errorf("engine error: %v", err)
	}
	if r == nil || len(r.Records) == 0 {
		t.Error("trials before the error are lost")
	}
	m.fail = nil
	mustRun(t, m, p, Options{Dir: dir})
	m.poison = true
	if _, err = Run(context.Background(), m, p, Options{}); err == nil || !strings.Contains(err.Error(), "no finite logits") {
		t.Errorf("NaN logits: %v", err)
	}
}

func TestShards(t *testing.T) {
	m := newFake()
	p := testPlan(t, m, testGrid(t), PlanOptions{Block: 5, Seed: 4})
	whole := t.TempDir()
	want := mustRun(t, m, p, Options{Dir: whole})
	var dirs []string
	for i := 1; i <= 3; i++ {
		s, err := p.Shard(i, 3)
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, t.TempDir())
		mustRun(t, m, s, Options{Dir: dirs[i-1]})
	}
	out := t.TempDir()
	got, err := Merge(out, []string{dirs[2], dirs[0], dirs[1]})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Scores, want.Scores) || outputs(t, out) != outputs(t, whole) {
		t.Error("merged shards differ from a run in one go")
	}
	read, err := ReadRun(out)
	if err != nil || !reflect.DeepEqual(read.Scores, want.Scores) {
		t.Errorf("a run read back differs: %v", err)
	}
	other := t.TempDir()
	s, _ := testPlan(t, m, testGrid(t), PlanOptions{Block: 5, Seed: 99}).Shard(2, 3)
	mustRun(t, m, s, Options{Dir: other})
	unfinished := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	s, _ = p.Shard(2, 3)
	Run(ctx, m, s, Options{Dir: unfinished, Progress: func(p Progress) { cancel() }})
	for _, c := range []struct {
		name string
		dirs []string
		want string
	}{
		{"missing", dirs[:2], "missing: 3\n"},
		{"twice", []string{dirs[0], dirs[0], dirs[1]}, "doubled: 1, in "},
		{"whole", []string{whole}, "not a shard"},
		{"other plan", []string{dirs[0], other, dirs[2]}, "seed is 4 there and 99 here"},
		{"unfinished", []string{dirs[0], unfinished, dirs[2]}, "unfinished: 2, in "},
		{"none", nil, "no folders"},
	} {
		if _, err := Merge("", c.dirs); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	// Of a plan of one block, shards are neighbours: the merged journal is that
	// of one run, and little is computed twice.
	for _, of := range []int{1, 2, 5, 36} {
		p := testPlan(t, m, testGrid(t), PlanOptions{Seed: 4})
		whole, out := t.TempDir(), t.TempDir()
		mustRun(t, m, p, Options{Dir: whole})
		dirs = nil
		for i := of; i >= 1; i-- {
			s, err := p.Shard(i, of)
			if err != nil || len(s.Trials) == 0 {
				t.Fatalf("shard %d of %d: %v", i, of, err)
			}
			dirs = append(dirs, t.TempDir())
			mustRun(t, m, s, Options{Dir: dirs[len(dirs)-1]})
		}
		if _, err := Merge(out, dirs); err != nil || outputs(t, out) != outputs(t, whole) {
			t.Errorf("%d shards merged differ from a run in one go: %v", of, err)
		}
	}
	for _, in := range []string{"", "1", "0/3", "4/3", "a/b", "1/3x", "-1/3", "1/0"} {
		if _, _, err := journal.ParseShard(in); err == nil || !strings.Contains(err.Error(), "write WHICH/OF") {
			t.Errorf("shard %q: %v", in, err)
		}
	}
	if _, err := p.Shard(37, 37); err == nil || !strings.Contains(err.Error(), "at most as many shards") {
		t.Errorf("more shards than trials: %v", err)
	}
}

func TestEarlyStop(t *testing.T) {
	m := newFake()
	p := testPlan(t, m, testGrid(t), PlanOptions{Block: 6, Seed: 4})
	var asked []int
	o := Options{Dir: t.TempDir(), Stop: func(s []scoring.TrialScore) (bool, string) {
		asked = append(asked, len(s))
		return len(s) >= 18, "enough"
	}}
	r := mustRun(t, m, p, o)
	if !reflect.DeepEqual(asked, []int{6, 12, 18}) || len(r.Records) != 18 || r.Stopped == nil || *r.Stopped != (journal.Stop{Trials: 18, Of: 36, Why: "enough"}) {
		t.Errorf("asked at %v, ran %d trials, stopped %+v", asked, len(r.Records), r.Stopped)
	}
	want := outputs(t, o.Dir)
	lengths := map[int]int{}
	for _, s := range r.Scores {
		lengths[s.Length]++
	}
	if !reflect.DeepEqual(lengths, map[int]int{128: 6, 256: 6, 384: 6}) {
		t.Errorf("a stopped run's lengths are %v", lengths)
	}
	// Cut off at any trial and resumed, it stops at the same place.
	for _, after := range []int{3, 12, 17, 18} {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(context.Background())
		q := o
		q.Dir = dir
		q.Progress = func(p Progress) {
			if p.Done >= after {
				cancel()
			}
		}
		Run(ctx, m, p, q)
		q.Progress = nil
		mustRun(t, m, p, q)
		cancel()
		if outputs(t, dir) != want {
			t.Errorf("cut off after %d trials, the stopped run differs", after)
		}
	}
	s, _ := p.Shard(1, 2)
	if _, err := Run(context.Background(), m, s, o); err == nil || !strings.Contains(err.Error(), "a shard cannot stop early") {
		t.Errorf("shard with an early stop: %v", err)
	}
}

// The rule that ships: with a bound that anything meets it ends at the first
// check with 20 trials that count, with one that nothing meets never.
func TestUntilStable(t *testing.T) {
	m := newFake()
	for _, c := range []struct {
		bound   scoring.Bound
		needles int
		want    int
		why     string
	}{
		{scoring.Bound{RankWidth: 1}, 3, 20, "resampled needles and trials keep"},
		{scoring.Bound{Overlap: 2}, 3, 36, ""},
		// A bound that asks for more needles than the plan has is about these.
		{scoring.Bound{RankWidth: 1, MinNeedles: 4}, 3, 20, "for the plan's 3 needles, resampled trials keep"},
		// One of its needles has not passed yet.
		{scoring.Bound{RankWidth: 1, MinNeedles: 5}, 4, 36, ""},
	} {
		p := testPlan(t, m, testGrid(t), PlanOptions{Rules: Rules{Decode: Forced}, Block: 10})
		r := mustRun(t, m, p, Options{Stop: UntilStable("headkv-r2", 0, c.bound, c.needles, 1)})
		if len(r.Records) != c.want || (r.Stopped != nil) != (c.want < 36) {
			t.Errorf("bound %+v: stopped after %d trials, want %d (%+v)", c.bound, len(r.Records), c.want, r.Stopped)
		}
		if r.Stopped != nil && !strings.Contains(r.Stopped.Why, "the top 1 heads by headkv-r2 are stable: "+c.why) {
			t.Errorf("reason: %s", r.Stopped.Why)
		}
	}
}

func TestWarnings(t *testing.T) {
	kinds := func(r *Result) (out []WarningKind) {
		for _, w := range r.Warnings() {
			out = append(out, w.Kind)
			if w.Text == "" {
				t.Errorf("%s has no text", w.Kind)
			}
		}
		return out
	}
	records := func(n, passed int, flags ...string) []*Record {
		var out []*Record
		for i := range n {
			out = append(out, &Record{ID: "x", Index: i, IDs: []int32{1}, Pass: i < passed, Flags: flags})
		}
		return out
	}
	silent := func(n int) []*Record {
		out := records(n, 0)
		for _, r := range out {
			r.IDs = nil
		}
		return out
	}
	for _, c := range []struct {
		name string
		r    *Result
		want []WarningKind
	}{
		{"fine", newResult(nil, records(40, 30), false, 40), nil},
		{"half", newResult(nil, records(60, 29), false, 60), []WarningKind{LowPassRate}},
		{"few", newResult(nil, records(20, 19), false, 20), []WarningKind{FewPassed}},
		{"none", newResult(nil, records(20, 0), false, 20), []WarningKind{NothingPassed}},
		{"empty", newResult(nil, append(records(40, 40), silent(41)...), false, 81), []WarningKind{EmptyAnswers, LowPassRate}},
		{"sink", newResult(nil, append(records(40, 40), records(2, 2, FlagSink)...), false, 42), []WarningKind{SinkLeftOut}},
		{"sink kept", newResult(nil, append(records(40, 40), records(2, 2, FlagSink)...), true, 42), nil},
	} {
		if got := kinds(c.r); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func FuzzJournal(f *testing.F) {
	line := `{"id":"a","index":0,"needle":"n","length":9,"depth":0,"prompt_tokens":9,"span":[1,2],"answer_ids":[1],"ids":[1],"text":"x","f1":1,"pass":true,"steps":[0,1],"top5":[[1,2.5]],"scores":{"headkv-r2":[[0.5]]},"seconds":1}` + "\n"
	for _, s := range []string{line, line + line, line[:60], line + "{}\n" + line, line + "\x00\n", "", "\n", "null\n", `{"id":"a","scores":{"r":null}}` + "\n", `{"id":"a","scores":{"r":[[]]},"top5":[[]]}` + "\n\n"} {
		f.Add([]byte(s))
	}
	shape := &journal.Manifest{Model: journal.Model{Layers: 1, Heads: 1}}
	f.Fuzz(func(t *testing.T, data []byte) {
		records, size, err := trialKind.Read("j", bytes.NewReader(data), shape)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "j:") {
				t.Errorf("error does not name the file: %v", err)
			}
			return
		}
		if size < 0 || size > int64(len(data)) || size > 0 && data[size-1] != '\n' {
			t.Fatalf("whole lines end at %d of %d bytes", size, len(data))
		}
		again, n, err := trialKind.Read("j", bytes.NewReader(data[:size]), shape)
		if err != nil || n != size || !reflect.DeepEqual(records, again) {
			t.Fatalf("the part that was kept reads differently: %v", err)
		}
		for _, r := range records {
			newResult(nil, []*Record{r}, false, 1)
		}
	})
}

// The scores of a trial's scored steps sum to its own; every step that produced
// a token is there, and comes before the trial is in the journal.
func TestStepsSumToScores(t *testing.T) {
	for _, decode := range []Decode{Greedy, Forced} {
		m := newFake()
		rules := Rules{Decode: decode}
		if decode == Greedy {
			rules.Judge = needle.Window{}
		}
		dir := t.TempDir()
		given := map[string]bool{}
		r := mustRun(t, m, testPlan(t, m, testGrid(t), PlanOptions{Rules: rules}), Options{Dir: dir, Steps: func(rec *Record, steps []Step) error {
			if journal, _ := os.ReadFile(filepath.Join(dir, "trials.jsonl")); bytes.Contains(journal, []byte(`"id":"`+rec.ID+`"`)) {
				t.Errorf("%s is in the journal already", rec.ID)
			}
			given[rec.ID] = true
			if decode == Forced && len(steps) != len(rec.AnswerIDs) || len(steps) < rec.Steps[1] {
				t.Errorf("%s %s: %d steps, scored %v", decode, rec.ID, len(steps), rec.Steps)
			}
			for method, table := range rec.Scores {
				for l := range table {
					for h, want := range table[l] {
						var sum float64
						for i, s := range steps {
							if s.Step != i || s.Scored != (i >= rec.Steps[0] && i < rec.Steps[1]) {
								t.Fatalf("%s: step %d of %v is %+v", rec.ID, i, rec.Steps, s)
							}
							if s.Scored {
								sum += s.Scores[method][l][h]
							}
						}
						if float32(sum) != float32(want) {
							t.Errorf("%s %s: %s of %d-%d is %v, its steps sum to %v", decode, rec.ID, method, l, h, want, sum)
						}
					}
				}
			}
			return nil
		}})
		if len(given) != len(r.Records) || r.Manifest.Settings["per-step"] != "on" {
			t.Errorf("%s: steps of %d trials of %d, settings %v", decode, len(given), len(r.Records), r.Manifest.Settings)
		}
	}
}
