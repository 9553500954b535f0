package export

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"headprof/runner/shape"
	"headprof/scoring"
)

// run makes a small run: 3 layers, 4 heads in groups of two, 5 trials of 3
// needles, the fourth failed, two methods, sliding window in layer 1.
func run(t testing.TB) (*scoring.Table, []scoring.TrialScore) {
	t.Helper()
	var trials []scoring.TrialScore
	for i := range 5 {
		x := scoring.TrialScore{
			ID: "t" + string(rune('0'+i)), Needle: "n" + string(rune('0'+i/2)), Length: 512 * (i + 1), Depth: 100 * float64(i) / 3,
			Pass: i != 3, Scores: map[string][][]float64{},
		}
		for _, m := range []string{"headkv-r2", "retrieval"} {
			var layers [][]float64
			for l := range 3 {
				var heads []float64
				for h := range 4 {
					v := math.Sin(float64(1+i+7*l+3*h+len(m))) / 3
					heads = append(heads, max(0, v))
				}
				layers = append(layers, heads)
			}
			x.Scores[m] = layers
		}
		trials = append(trials, x)
	}
	table, err := scoring.Aggregate(trials, scoring.Options{
		Shape: shape.Model{{Heads: 4, KVHeads: 2}, {Heads: 4, KVHeads: 2, Window: 512}, {Heads: 4, KVHeads: 2}}, Resamples: 100, Seed: 9,
		Meta: scoring.Meta{Model: "org/Tiny \"x\"", Decode: "forced", Judge: "window", Fast: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return table, trials
}

// same compares tables but for the scores of single trials; NaN equals NaN.
func same(t *testing.T, name string, got, want *scoring.Table) {
	t.Helper()
	if len(got.Heads) != len(want.Heads) {
		t.Fatalf("%s: %d rows, want %d", name, len(got.Heads), len(want.Heads))
	}
	for i := range want.Heads {
		g, w := got.Heads[i], want.Heads[i]
		g.Trials, w.Trials = nil, nil
		for _, v := range []*float64{&g.StdErr, &w.StdErr, &g.Low, &w.Low, &g.High, &w.High} {
			if math.IsNaN(*v) {
				*v = -1
			}
		}
		if !reflect.DeepEqual(g, w) {
			t.Fatalf("%s: row %d is %+v, want %+v", name, i, g, w)
		}
	}
}

func write(t *testing.T, table *scoring.Table, f Format, name string, o Options) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := Write(table, f, path, o); err != nil {
		t.Fatal(err)
	}
	return path
}

// read reads a table or the rows of a list.
func read(t *testing.T, path string) *scoring.Table {
	t.Helper()
	p, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return p.Rows()
}

// parsed does the same with bytes.
func parsed(data string) (*scoring.Table, error) {
	p, err := parse([]byte(data), nil)
	if err != nil {
		return nil, err
	}
	return p.Rows(), nil
}

func TestTablesReadBack(t *testing.T) {
	table, _ := run(t)
	got := read(t, write(t, table, Parquet, "a.bin", Options{}))
	same(t, "parquet", got, table)
	if got.Meta != table.Meta {
		t.Errorf("parquet metadata %+v, want %+v", got.Meta, table.Meta)
	}
	if !reflect.DeepEqual(got.Halves, table.Halves) {
		t.Errorf("halves %+v, want %+v", got.Halves, table.Halves)
	}

	path := write(t, table, CSV, "a.txt", Options{})
	got = read(t, path)
	same(t, "csv", got, table)
	if got.Meta.Decode != "forced" || !got.Meta.Fast {
		t.Errorf("csv does not say how: %+v", got.Meta)
	}
	data, _ := os.ReadFile(path)
	lines, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil || strings.Join(lines[0], ",") != "layer,head,kv_head,method,mean,std_error,n,rank,ci_low,ci_high,rank_low,rank_high,share,window,decode,fast" {
		t.Errorf("csv header %v, %v", lines[0], err)
	}
}

func TestPublishedForm(t *testing.T) {
	table, trials := run(t)
	path := write(t, table, HeadKV, "x.json", Options{Method: "retrieval"})
	data, _ := os.ReadFile(path)
	if bytes.Count(data, []byte("\n")) != 1 || !bytes.HasPrefix(data, []byte(`{"0-0": [`)) {
		t.Errorf("not one line: %.60q", data)
	}
	got := read(t, path)
	if got.Meta.Passed != 4 || got.Meta.Model != "x" || got.Heads[0].Method != "published" {
		t.Errorf("meta %+v", got.Meta)
	}
	for i, h := range got.Heads {
		w := table.Of("retrieval")[i]
		if math.Abs(h.Mean-w.Mean) > 1e-15 || math.Abs(h.StdErr-w.StdErr) > 1e-15 || h.Rank != w.Rank || h.N != 4 {
			t.Errorf("row %d: %+v, want %+v", i, h, w)
		}
		// The lists hold the passing trials in the plan's order.
		if h.Trials[3] != trials[4].Scores["retrieval"][h.Layer][h.Head] {
			t.Errorf("row %d: last trial %v", i, h.Trials)
		}
	}
	// As Retrieval-Head publishes: whole numbers among the scores; other
	// tools write one number per head, on several lines.
	for _, text := range []string{"{\"0-0\": [0, 0.5], \"0-1\": [1, 0]}", "{\n  \"0-1\": 0.5,\n  \"0-0\": 0.25\n}\n"} {
		got, err := parsed(text)
		if err != nil || len(got.Heads) != 2 || got.Heads[1].Mean != .5 || got.Heads[0].Mean != .25 {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestDuoAttentionFolder(t *testing.T) {
	table, _ := run(t)
	// Scores by hand: groups' best 4 2 | 1 3 of 2 layers; top 4.
	for i := range table.Heads {
		table.Heads[i].Mean = 0
	}
	table.Heads = table.Heads[:8]
	for i, v := range []float64{4, 1, 0, 2, 1, 1, 3, 2} {
		table.Heads[i].Mean = v
	}
	dir := filepath.Join(t.TempDir(), "new", "duo")
	if err := Write(table, DuoAttention, dir, Options{Sink: new(4), Recent: new(16)}); err != nil {
		t.Fatal(err)
	}
	tsv, _ := os.ReadFile(filepath.Join(dir, "full_attention_heads.tsv"))
	if string(tsv) != "1\t0.5\n0.25\t0.75\n" {
		t.Errorf("tsv %q", tsv)
	}
	config, _ := os.ReadFile(filepath.Join(dir, "config.json"))
	if want := `{"sink_size":4,"recent_size":16,"model_name":"org/Tiny \"x\"","source":"headprof","method":"headkv-r2","reduce":"max","scale":"max","decode":"forced","fast":true,"trials":5,"passed":4}` + "\n"; string(config) != want {
		t.Errorf("config %s", config)
	}
	got := read(t, dir)
	if len(got.Heads) != 4 || got.Heads[3].Mean != .75 || got.Meta.Decode != "forced" || got.Meta.Model != "org/Tiny \"x\"" || got.Heads[3].KVHead != 1 {
		t.Errorf("read back %+v", got)
	}
	if s := got.Meta.Streaming; s == nil || s.Sink != 4 || s.Recent != 16 {
		t.Errorf("sizes %+v", s)
	}
	// 0 means 0; nothing at all is refused.
	for want, o := range map[string]Options{
		`"sink_size":0,"recent_size":9`: {Sink: new(0), Recent: new(9)},
		`"sink_size":3,"recent_size":0`: {Sink: new(3), Recent: new(0)},
	} {
		if err := Write(table, DuoAttention, dir, o); err != nil {
			t.Fatal(err)
		}
		if config, _ = os.ReadFile(filepath.Join(dir, "config.json")); !strings.Contains(string(config), want) {
			t.Errorf("config %s, want %s", config, want)
		}
	}
	if err := Write(table, DuoAttention, dir, Options{Sink: new(0), Recent: new(0)}); !errors.Is(err, ErrStreaming) {
		t.Errorf("no token kept: %v", err)
	}
	// Ranks 1 3 | 4 2 spread over [0, 1]; means 2.5 1 | 1 2.5 of 2.5.
	for want, o := range map[string]Options{
		"1\t0.3333333333333333\n0\t0.6666666666666666\n": {Scale: "rank"},
		"1\t0.4\n0.4\t1\n": {Reduce: "mean"},
	} {
		if err := Write(table, KVPress, dir, o); err != nil {
			t.Fatal(err)
		}
		if tsv, _ = os.ReadFile(filepath.Join(dir, "full_attention_heads.tsv")); string(tsv) != want {
			t.Errorf("%+v: %q", o, tsv)
		}
	}
	// As published, with learned gates just outside [0, 1].
	got, err := parsed("-9.58e-05\t1.000000000000000000e+00\n# note\n\n5.5e-01\t1.1e+00\n")
	if err != nil || got.Heads[0].Mean != 0 || got.Heads[2].Mean != .55 || got.Heads[3].Mean != 1 {
		t.Errorf("published gates: %+v, %v", got, err)
	}
}

func TestQRHeadList(t *testing.T) {
	table, _ := run(t)
	path := write(t, table, QRHead, "heads.yaml", Options{Top: new(2)})
	data, _ := os.ReadFile(path)
	heads := table.Of("headkv-r2")
	var best [2]scoring.Head
	for _, h := range heads {
		if h.Rank <= 2 {
			best[h.Rank-1] = h
		}
	}
	want := "attn_head_set: \"" + key(best[0]) + "," + key(best[1]) + "\"\nmodel_base_class: \"Tiny \\\"x\\\"\"\nmodel_name_or_path: \"org/Tiny \\\"x\\\"\"\n"
	comment, rest, _ := strings.Cut(string(data), "\n")
	if rest != want || !strings.Contains(comment, `decode "forced"`) {
		t.Errorf("yaml %s, want %s", data, want)
	}
	got := read(t, path)
	for _, h := range got.Heads {
		want := 0.0
		for i, b := range best {
			if h.Layer == b.Layer && h.Head == b.Head {
				want = 1 - float64(i)/2
			}
		}
		if h.Mean != want {
			t.Errorf("%d-%d: %v, want %v", h.Layer, h.Head, h.Mean, want)
		}
	}
	// As QRHead publishes it.
	got, err := parsed("# Default configuration\n\nattn_head_set: \"1-1,0-1,1-0\" # top3\nmodel_base_class: \"X\"\nmodel_name_or_path: \"org/X\"")
	if err != nil || len(got.Heads) != 3 || got.Heads[2].Rank != 1 || got.Heads[0].Rank != 2 || got.Meta.Model != "org/X" {
		t.Errorf("published list: %+v, %v", got, err)
	}
}

func key(h scoring.Head) string {
	return strings.Join([]string{string(rune('0' + h.Layer)), string(rune('0' + h.Head))}, "-")
}

func TestRunFolder(t *testing.T) {
	table, trials := run(t)
	a, b := t.TempDir(), t.TempDir()
	paths, err := WriteRun(a, table, trials, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := WriteRun(b, table, trials, nil); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range paths {
		names = append(names, filepath.Base(p))
		x, _ := os.ReadFile(p)
		y, _ := os.ReadFile(filepath.Join(b, filepath.Base(p)))
		if len(x) == 0 || !bytes.Equal(x, y) {
			t.Errorf("%s differs between two writes", filepath.Base(p))
		}
	}
	if got := strings.Join(names, " "); got != "scores.parquet scores.csv trials.parquet headkv.json retrieval.json" {
		t.Errorf("files %s", got)
	}
	if entries, _ := os.ReadDir(a); len(entries) != 5 {
		t.Errorf("the folder holds %v", entries)
	}
	same(t, "folder", read(t, a), table)
	os.Remove(filepath.Join(a, "scores.parquet"))
	same(t, "folder without Parquet", read(t, a), table)
	got, err := ReadTrials(filepath.Join(a, "trials.parquet"))
	if err != nil || !reflect.DeepEqual(got, trials) {
		t.Errorf("trials %+v, %v", got, err)
	}
	if _, err := Read(t.TempDir()); err == nil || !strings.Contains(err.Error(), "holds no scores") {
		t.Errorf("an empty folder: %v", err)
	}
}

// A write that fails leaves the old file and no temporary one.
func TestWriteIsAllOrNothing(t *testing.T) {
	table, trials := run(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "trials.parquet")
	if err := WriteTrials(path, table, trials); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	trials[2].Scores = nil
	if err := WriteTrials(path, table, trials); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a trial without scores: %v", err)
	}
	after, _ := os.ReadFile(path)
	if entries, _ := os.ReadDir(dir); len(entries) != 1 || !bytes.Equal(before, after) {
		t.Errorf("left behind: %v", entries)
	}
	if err := Write(table, CSV, filepath.Join(dir, "none", "x.csv"), Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such folder: %v", err)
	}
}

func TestWriteRefuses(t *testing.T) {
	table, _ := run(t)
	dir := t.TempDir()
	zero := &scoring.Table{Heads: []scoring.Head{{Method: "m"}}}
	for _, c := range []struct {
		name   string
		table  *scoring.Table
		format Format
		o      Options
		want   string
	}{
		{"format", table, "xlsx", Options{}, "no format"},
		{"method", table, HeadKV, Options{Method: "x"}, "it has headkv-r2, retrieval"},
		{"empty", &scoring.Table{}, CSV, Options{}, "no scores"},
		{"zero scores", zero, DuoAttention, Options{}, "every score is 0"},
		{"reduce", table, DuoAttention, Options{Reduce: "x"}, "no reduction"},
		{"scale", table, DuoAttention, Options{Scale: "x"}, "no scale"},
		{"sink", table, DuoAttention, Options{Sink: new(-1)}, "keeps at least one token"},
		{"top", table, QRHead, Options{Top: new(13)}, "13 heads"},
	} {
		if err := Write(c.table, c.format, filepath.Join(dir, "x"), c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	table, trials := run(t)
	parquet, _ := os.ReadFile(write(t, table, Parquet, "x", Options{}))
	long := filepath.Join(t.TempDir(), "t.parquet")
	if err := WriteTrials(long, table, trials); err != nil {
		t.Fatal(err)
	}
	trialBytes, _ := os.ReadFile(long)
	for _, c := range []struct{ name, data, want string }{
		{"empty", "", "empty"},
		{"prose", "hello", "none of the known formats"},
		{"key", `{"a": [1]}`, "layer-head"},
		{"huge key", `{"99999999-0": [1]}`, "layer-head"},
		{"twice", `{"0-0": [1], "0-0": [1]}`, "twice"},
		{"no trials", `{"0-0": []}`, "empty"},
		{"null", `{"0-0": [null]}`, "null"},
		{"text", `{"0-0": ["a"]}`, "0-0"},
		{"NaN", `{"0-0": [NaN]}`, "0-0"},
		{"cut", `{"0-0": [1], "0-1": [`, "0-1"},
		{"unclosed", `{"0-0": [1]`, "does not end"},
		{"more", `{"0-0": [1]} {}`, "follows"},
		{"no object", `{}`, "no scores"},
		{"ragged tsv", "1\t2\n3\n", "line 2 has 1 values"},
		{"tsv text", "1\tx\n", "not a number"},
		{"tsv NaN", "1\tnan\n", "not a number"},
		{"csv columns", "layer,mean\n0,1\n", "no column \"head\""},
		{"csv without scores", "layer,head\n0,0\n", "no score"},
		{"csv number", "layer,head,mean\n0,0,x\n", "line 2: mean"},
		{"csv integer", "layer,head,mean\n0,1.5,1\n", "line 2: head"},
		{"csv NaN", "layer,head,mean\n0,0,NaN\n", "no head has a score"},
		{"csv ragged", "layer,head,mean\n0,0\n", "fields"},
		{"csv far", "layer,head,mean\n2000000,0,1\n", "no model"},
		{"yaml", "attn_head_set: full_heads\n", "lists no heads"},
		{"yaml twice", "attn_head_set: \"1-1,1-1\"\n", "listed twice"},
		{"yaml far", "attn_head_set: \"65535-65535\"\n", "no model"},
		{"parquet cut", string(parquet[:len(parquet)/2]), "cut short"},
		{"parquet of trials", string(trialBytes), "no column \"mean\""},
		{"parquet magic", "PAR1PAR1", "cut short"},
	} {
		if _, err := parsed(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	path := filepath.Join(t.TempDir(), "x.json")
	os.WriteFile(path, []byte("{"), 0o600)
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("the error does not name the file: %v", err)
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := ReadTrials(path); err == nil {
		t.Error("JSON as trials")
	}
}
