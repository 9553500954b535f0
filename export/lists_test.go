package export

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headprof/scoring"
)

// What QRHead's detection writes: heads with scores, best first.
func TestScoreList(t *testing.T) {
	p, err := parse([]byte(`[["1-0", 0.5], ["0-1", [0.25]]]`), nil)
	if err != nil || p.List == nil {
		t.Fatalf("%+v, %v", p, err)
	}
	got := p.List
	if len(got.Heads) != 2 || got.Heads[0].Layer != 0 || got.Heads[0].Head != 1 || got.Heads[0].Mean != .25 || got.Heads[1].Mean != .5 || got.Heads[1].Rank != 1 {
		t.Errorf("%+v", got.Heads)
	}
	if h := got.Heads[0]; h.Method != "qrhead" || h.KVHead != scoring.Unknown || !math.IsNaN(h.Low) || got.Model != nil || !got.Meta.FastUnknown {
		t.Errorf("what the list does not say: %+v, %+v", h, got.Meta)
	}
	for data, want := range map[string]string{
		`[["1-0", 0.5], ["1-0", 1]]`: "appears twice",
		`[[0, 0.5]]`:                 "entry 0: 0 is not a head",
		`[["0-0", 1], ["a", 0.5]]`:   "entry 1: the key \"a\"",
		`[["0-0", 1], ["0-1", "x"]]`: "entry 1: \"x\" is not a score",
		`[["0-0", [1, 2]]]`:          "entry 0: [1, 2] is not a score",
		`[["0-0"]]`:                  "not a score",
		`[{"0-0": 1}]`:               "not a JSON list of the form",
		`[]`:                         "no scores",
		`[["0-0", 1]`:                "not a JSON list",
	} {
		if _, err := parse([]byte(data), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", data, err, want)
		}
	}
}

// A list that this program wrote tells the model's shape and how the scores were made.
func TestQRHeadListSaysWhereItIsFrom(t *testing.T) {
	table, _ := run(t)
	p, err := Read(write(t, table, QRHead, "heads.yaml", Options{Top: new(12)}))
	if err != nil || p.List == nil {
		t.Fatalf("%+v, %v", p, err)
	}
	m := p.List.Meta
	if p.List.Model.String() != "3x4/2" || m.Decode != "forced" || !m.Fast || m.FastUnknown || m.Trials != 5 || m.Passed != 4 || m.Model != `org/Tiny "x"` {
		t.Errorf("shape %v, %+v", p.List.Model, m)
	}
	// Without any of that, the comment says how many heads, and the method.
	bare := &scoring.Table{Meta: scoring.Meta{FastUnknown: true}, Heads: []scoring.Head{{Method: "m", Layer: 1, KVHead: scoring.Unknown, Mean: 1}, {Method: "m", Layer: 2, KVHead: scoring.Unknown}}}
	path := write(t, bare, QRHead, "bare.yaml", Options{Top: new(1)})
	if data, _ := os.ReadFile(path); string(data) != "# headprof: top 1 of 2 heads, method \"m\"\nattn_head_set: \"1-0\"\nmodel_base_class: \"\"\nmodel_name_or_path: \"\"\n" {
		t.Errorf("%s", data)
	}
	if p, err = Read(path); err != nil || p.List.Model != nil || !p.List.Meta.FastUnknown || p.List.Meta.Passed != 0 || p.List.Meta.Model != "bare" {
		t.Errorf("%+v, %v", p.List, err)
	}
	for comment, want := range map[string]scoring.Meta{
		"fast false":                    {},
		"107 trials count":              {Passed: 107, FastUnknown: true},
		"1 trial counts":                {Passed: 1, FastUnknown: true},
		"decode \"greedy\", fast false": {Decode: "greedy"},
	} {
		p, err := parse([]byte("# headprof: "+comment+"\nattn_head_set: \"0-0\"\n"), nil)
		if err != nil || p.List.Meta != want {
			t.Errorf("%s: %+v, %v", comment, p, err)
		}
	}
	if err := Write(table, QRHead, path, Options{Top: new(0)}); err == nil {
		t.Error("a list of no heads")
	}
}

// Scalars of YAML 1.2, sections 7.3.1 to 7.3.3.
func TestYAMLStrings(t *testing.T) {
	for text, want := range map[string]string{
		` plain `:          "plain",
		` plain # comment`: "plain",
		` a#b`:             "a#b",
		` "double"`:        "double",
		` "a \"b\"" # c`:   `a "b"`,
		` 'single' # c`:    "single",
		` 'a "b"'`:         `a "b"`,
		` ''`:              "",
		` ""`:              "",
		``:                 "",
		` 'no end`:         "no end",
		` "no end`:         "no end",
		` "a\qb"`:          `a\qb`, // no escape that YAML or Go knows
	} {
		if got := yamlString(text); got != want {
			t.Errorf("%q reads %q, want %q", text, got, want)
		}
	}
}

// Where heads are missing a table is a list of those it has; where methods
// cover different heads, too.
func TestTablesWithGapsAreLists(t *testing.T) {
	for data, list := range map[string]bool{
		"layer,head,mean\n0,0,1\n0,1,2\n":                                  false,
		"layer,head,mean\n0,1,2\n":                                         true,
		"layer,head,mean\n0,0,1\n2,0,1\n":                                  true, // no layer 1
		"method,layer,head,mean\na,0,0,1\nb,0,0,1\n":                       false,
		"method,layer,head,mean\na,0,0,1\nb,0,0,1\nb,0,1,1\n":              true,
		"method,layer,head,kv_head,mean\na,0,0,0,1\na,0,1,0,1\nb,0,,0,1\n": false, // b scores KV heads
	} {
		p, err := parse([]byte(data), nil)
		if err != nil || (p.List != nil) != list {
			t.Errorf("%q: %+v, %v", data, p, err)
		}
	}
	for data, want := range map[string]string{
		"layer,head,mean\n0,0,\n":                     "no head has a score",
		"method,layer,head,mean\na,0,0,1\nb,0,0,NA\n": "no head has a score under the method b",
		"layer,head,mean\n,0,1\n":                     "no model has layer -1",
		"layer,head,mean\n4096,0,1\n":                 "no model has layer 4096",
		"layer,head,mean\n0,16384,1\n":                "no model has layer 0, head 16384",
		"layer,head,kv_head,mean\n0,1,2,1\n":          "no model has layer 0, head 1 with KV head 2",
		"layer,head,window,mean\n0,0,-2,1\n":          "no model",
		"layer,head,mean\n0,0,1\n0,0,1\n":             "layer 0, head 0 appears twice",
		"layer,head,mean\n0,0,inf\n":                  "is +Inf",
		"layer,head,mean,mean\n0,0,1,1\n":             "names the column \"mean\" twice",
		"layer,head,mean,n\n0,0,1,2147483648\n":       "n is \"2147483648\", not a whole number",
		"method,layer,head,mean" + methods(65) + "\n": "more than 64 methods",
	} {
		if _, err := parse([]byte(data), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", data, err, want)
		}
	}
	for _, data := range []string{
		"layer,head,mean,,\n0,0,1,,\n", // spreadsheets leave empty columns
		"layer,head,mean,n\n0,0,1,2147483647\n",
		"method,layer,head,mean" + methods(64) + "\n",
		"0 0.5\n1 1\n", // DuoAttention's table may begin with 0
	} {
		if p, err := parse([]byte(data), nil); err != nil || p.Table == nil {
			t.Errorf("%.60q: %v", data, err)
		}
	}
}

// methods makes rows of n methods.
func methods(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("\nm" + string(rune('A'+i)) + ",0,0,1")
	}
	return b.String()
}

// Spreadsheets of many countries put semicolons between values and commas in
// numbers; a text keeps its commas.
func TestSemicolonsAndDecimalCommas(t *testing.T) {
	p, err := parse([]byte("method;layer;head;mean\na,1;0;0;0,5\na,1;0;1;-1,25e-1\n1,2,3;0;0;7\n"), nil)
	if err != nil || len(p.Rows().Heads) != 3 {
		t.Fatalf("%+v, %v", p, err)
	}
	for i, want := range []scoring.Head{{Method: "a,1", Mean: .5}, {Method: "a,1", Mean: -.125}, {Method: "1,2,3", Mean: 7}} {
		if h := p.Rows().Heads[i]; h.Method != want.Method || h.Mean != want.Mean {
			t.Errorf("row %d: %+v", i, h)
		}
	}
	// Commas go first where a header has as many of each; a quoted 0,5 is then no number.
	if p, err := parse([]byte("layer,head,mean,a;b;c;d\n0,0,1,x\n"), nil); err != nil || p.Table == nil {
		t.Errorf("semicolons in a name: %v", err)
	}
	if _, err := parse([]byte("layer,head,mean\n0,0,\"0,5\"\n"), nil); err == nil || !strings.Contains(err.Error(), `mean is "0,5", not a number`) {
		t.Errorf("a decimal comma between commas: %v", err)
	}
}

func TestBudgetRowsThatMakeNoSense(t *testing.T) {
	const header = "capacity,layer,head,kv_head,budget,entries\n"
	for row, want := range map[string]string{
		",,0,0,1,4":                "no model has layer -1",
		",4096,0,0,1,4":            "no model has layer 4096",
		",0,16384,0,1,4":           "head 16384",
		",0,0,,1,4":                "",
		",0,,0,1,4":                "",
		",0,0,1,1,4":               "with KV head 1",
		",0,,,1,4":                 "head -1",
		",0,0,0,,4":                "budget -1",
		",0,0,0,1,":                "of -1 entries",
		"-1,0,0,0,1,4":             "makes no sense",
		"0,0,0,0,0,0":              "",
		"0,0,0,0,4,4":              "",
		"0,0,0,0,0,2147483647":     "",
		"9,4095,16383,0,5,2000000": "",
	} {
		got, err := parseBudgets([]byte(header+row+"\n"), nil)
		if want == "" && (err != nil || len(got) != 1 || len(got[0].Heads) != 1) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %+v, %v, want %q", row, got, err, want)
		}
	}
	// A byte order mark, as spreadsheets write it, is no part of the header.
	path := filepath.Join(t.TempDir(), "b.csv")
	os.WriteFile(path, []byte("\xef\xbb\xbflayer,head,budget,entries\n0,0,1,4\n"), 0o600)
	if got, err := ReadBudgets(path); err != nil || got[0].Heads[0].Window != 3 {
		t.Errorf("with a byte order mark: %+v, %v", got, err)
	}
}

// Three KV heads per layer; equal sizes of first and last tokens are allowed,
// and what config.json says of the source is read back.
func TestDuoAttentionOfOddWidth(t *testing.T) {
	table := &scoring.Table{Meta: scoring.Meta{Model: "m", FastUnknown: true}}
	for i, v := range []float64{4, 1, 2, 3, 0, 4} {
		table.Heads = append(table.Heads, scoring.Head{Method: "retrieval", Layer: i / 3, Head: i % 3, KVHead: i % 3, Mean: v})
	}
	dir := filepath.Join(t.TempDir(), "duo")
	if err := Write(table, DuoAttention, dir, Options{Sink: new(8), Recent: new(8)}); err != nil {
		t.Fatal(err)
	}
	if tsv, _ := os.ReadFile(filepath.Join(dir, duoScores)); string(tsv) != "1\t0.25\t0.5\n0.75\t0\t1\n" {
		t.Errorf("tsv %q", tsv)
	}
	got := read(t, dir)
	if q := got.Quantity("duoattention"); q.Label != "retrieval, max of the group, scale max" || !q.PerKVHead || !got.Meta.FastUnknown {
		t.Errorf("%+v, %+v", q, got.Meta)
	}
	// DuoAttention's own folder has sizes alone: gates of unknown making.
	os.WriteFile(filepath.Join(dir, duoConfig), []byte(`{"sink_size": 64, "recent_size": 256, "fast": true}`), 0o600)
	got = read(t, dir)
	if q := got.Quantity("duoattention"); q.Label != "gate" || !got.Meta.Fast || got.Meta.FastUnknown || got.Meta.Streaming.Recent != 256 {
		t.Errorf("%+v, %+v", q, got.Meta)
	}
}
