package export

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"headprof/scoring"
)

// A CSV table's metadata goes nowhere, into its first line or beside it, and
// reading the file finds it.
func TestCSVMetadata(t *testing.T) {
	table, _ := run(t)
	p := plans(t, 64)
	for _, where := range []string{"", "comment", "beside"} {
		path := filepath.Join(t.TempDir(), "scores.csv")
		if err := Write(table, CSV, path, Options{CSVMeta: where}); err != nil {
			t.Fatal(err)
		}
		budgets := filepath.Join(t.TempDir(), "budgets.csv")
		if err := WriteBudgets(budgets, p, BudgetOptions{Model: "m", Method: "headkv-r2", CSVMeta: where}); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{path, budgets} {
			data, _ := os.ReadFile(file)
			if got := strings.HasPrefix(string(data), "# headprof: {"); got != (where == "comment") {
				t.Errorf("%q: the file begins %.30q", where, data)
			}
			if _, err := os.Stat(file + ".meta.json"); (err == nil) != (where == "beside") {
				t.Errorf("%q: a file beside it: %v", where, err)
			}
		}
		got := read(t, path)
		same(t, where, got, table)
		if where != "" && (got.Meta != table.Meta || !reflect.DeepEqual(got.Halves, table.Halves)) {
			t.Errorf("%q: %+v, %+v", where, got.Meta, got.Halves)
		}
		if where == "" && (got.Meta.Trials != 0 || got.Meta.Passed != 4 || got.Halves != nil) {
			t.Errorf("without metadata the columns tell %+v", got.Meta)
		}
		b, err := ReadBudgets(budgets)
		if err != nil {
			t.Fatal(err)
		}
		if said := b[0].Policy == "headkv" && b[0].Model == "m" && b[0].Method == "headkv-r2" && b[0].Beta == 2; said != (where != "") {
			t.Errorf("%q: budgets %+v", where, b[0])
		}
	}
}

// Nothing lies beside a device, to which a table may be written as well.
func TestNothingLiesBesideADevice(t *testing.T) {
	table, _ := run(t)
	path := filepath.Join(t.TempDir(), "null.csv")
	if err := os.Symlink(os.DevNull, path); err != nil {
		t.Skip("no links here: ", err)
	}
	if err := Write(table, CSV, path, Options{CSVMeta: "beside"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path + metaSuffix); err == nil {
		t.Error("metadata lies beside a device")
	}
}

func csvOf(t *testing.T, data, beside string) *scoring.Table {
	t.Helper()
	p, err := parse([]byte(data), []byte(beside))
	if err != nil {
		t.Fatal(err)
	}
	return p.Rows()
}

// The columns count; metadata adds to them, and a note says where both disagree.
func TestColumnsGoBeforeMetadata(t *testing.T) {
	const rows = "layer,head,mean,n,decode,fast\n0,0,1,7,greedy,false\n0,1,2,7,greedy,false\n"
	for _, c := range []struct {
		name, data, beside string
		want               scoring.Meta
		notes              []string
	}{
		{"columns alone", rows, "", scoring.Meta{Decode: "greedy", Passed: 7}, nil},
		{"metadata agrees", rows, `{"meta": {"model": "m", "decode": "greedy", "trials": 9, "passed": 7, "model_sha256": "ab"}}`,
			scoring.Meta{Model: "m", Decode: "greedy", Trials: 9, Passed: 7, ModelSHA: "ab"}, nil},
		{"all trials passed", rows, `{"meta": {"decode": "greedy", "trials": 7, "passed": 7}}`, scoring.Meta{Decode: "greedy", Trials: 7, Passed: 7}, nil},
		{"metadata says forced", rows, `{"meta": {"decode": "forced"}}`, scoring.Meta{Decode: "greedy", Passed: 7},
			[]string{"the column decode says greedy, the file's metadata forced; the column counts"}},
		{"metadata says fast", rows, `{"meta": {"fast": true}}`, scoring.Meta{Decode: "greedy", Passed: 7},
			[]string{"the column fast says false, the file's metadata true; the column counts"}},
		{"the column says fast", strings.ReplaceAll(rows, "false", "true"), `{"meta": {"model_sha256": "ab"}}`,
			scoring.Meta{Decode: "greedy", Passed: 7, Fast: true, ModelSHA: "ab"},
			[]string{"the column fast says true, the file's metadata false; the column counts"}},
		{"metadata of another program does not say that it was not fast", strings.ReplaceAll(rows, "false", "true"), `{"meta": {"model": "m"}}`,
			scoring.Meta{Model: "m", Decode: "greedy", Passed: 7, Fast: true}, nil},
		{"metadata counts others", rows, `{"meta": {"trials": 9, "passed": 6}}`, scoring.Meta{Decode: "greedy", Trials: 9, Passed: 7},
			[]string{"the column n says that 7 trials count, the file's metadata 6; the column counts"}},
		{"fewer trials than passed", rows, `{"meta": {"trials": 6}}`, scoring.Meta{Decode: "greedy", Passed: 7}, nil},
		{"nothing said", "layer,head,mean\n0,0,1\n", "", scoring.Meta{FastUnknown: true}, nil},
		{"metadata alone", "layer,head,mean\n0,0,1\n", `{"meta": {"model_sha256": "ab", "decode": "forced", "trials": 5, "passed": 5}}`,
			scoring.Meta{ModelSHA: "ab", Decode: "forced", Trials: 5, Passed: 5}, nil},
		{"metadata alone says fast", "layer,head,mean\n0,0,1\n", `{"meta": {"fast": true}}`, scoring.Meta{Fast: true}, nil},
		{"a comment goes before the file beside", "# headprof: {\"meta\": {\"model\": \"comment\"}}\nlayer,head,mean\n0,0,1\n", `{"meta": {"model": "beside"}}`,
			scoring.Meta{Model: "comment", FastUnknown: true}, nil},
		{"metadata of budgets", "layer,head,mean\n0,0,1\n", `{"format": "budgets/1", "meta": {"model": "m"}}`, scoring.Meta{FastUnknown: true}, nil},
		{"metadata of scores", "layer,head,mean\n0,0,1\n", `{"format": "scores/1", "meta": {"model": "m"}}`, scoring.Meta{Model: "m", FastUnknown: true}, nil},
	} {
		got := csvOf(t, c.data, c.beside)
		if got.Meta != c.want || strings.Join(got.Notes, "|") != strings.Join(c.notes, "|") {
			t.Errorf("%s: %+v, notes %q", c.name, got.Meta, got.Notes)
		}
	}
	for name, c := range map[string][2]string{
		"two ways of decoding": {"layer,head,mean,decode\n0,0,1,greedy\n0,1,1,forced\n", "decoded in different ways"},
		"fast and not":         {"layer,head,mean,fast\n0,0,1,true\n0,1,1,false\n", "some without"},
		"broken metadata":      {"# headprof: {\nlayer,head,mean\n0,0,1\n", "its metadata"},
	} {
		if _, err := parse([]byte(c[0]), nil); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Methods of needle trials share their trials, and where a profile has such
// methods its counts are theirs: "12 of 14 passed" must not count cases, which
// cannot fail. Without them the cases of each kind of prompt add up: 5 documents
// (qrhead-ndcg is qrhead's second form) and 3 repeats are 8. A method that
// nobody knows is taken for one of needle trials.
func TestTrialsAreCountedOncePerProbe(t *testing.T) {
	got := csvOf(t, "method,layer,head,mean,n\nheadkv-r2,0,0,1,12\nretrieval,0,0,1,12\nmine,0,0,1,11\nqrhead,0,0,1,5\ncore,0,0,1,5\n", "")
	if got.Meta.Passed != 12 {
		t.Errorf("%d trials count", got.Meta.Passed)
	}
	cases := csvOf(t, "method,layer,head,mean,n\nqrhead,0,0,1,5\nqrhead-ndcg,0,0,1,5\ncore,0,0,1,5\necho,0,0,1,3\n", "")
	if cases.Meta.Passed != 8 {
		t.Errorf("%d cases count", cases.Meta.Passed)
	}
	q := csvOf(t, "method,layer,head,mean\na,0,0,1\nb,0,0,1\n", `{"quantities": [{"method": "b", "label": "of b"}, {"method": "a", "label": "of a"}]}`)
	if q.Quantity("a").Label != "of a" || q.Quantity("b").Label != "of b" {
		t.Errorf("%+v", q.Quantities)
	}
}

// Arrow's readers find the schema in a message of its IPC format: a marker, the
// size, and that many bytes, padded to eight (Arrow, Columnar Format,
// "Encapsulated message format").
func TestArrowMessage(t *testing.T) {
	for n := range 9 {
		text := arrowSchema(parquet.SchemaOf(new(scoreRow)), scoreFields, map[string]string{"k": strings.Repeat("x", n)})
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		size := len(raw) - 8
		if binary.LittleEndian.Uint32(raw) != math.MaxUint32 || int(binary.LittleEndian.Uint32(raw[4:])) != size || size%8 != 0 {
			t.Errorf("marker %x, size %d of %d bytes", raw[:4], binary.LittleEndian.Uint32(raw[4:]), size)
		}
		// What lies behind the message's last byte that is not 0 is padding and
		// the 0 that ends a text.
		if end := len(strings.TrimRight(string(raw), "\x00")); len(raw)-end > 15 {
			t.Errorf("%d bytes of padding", len(raw)-end)
		}
		units := 0
		for _, f := range scoreFields {
			if f.Unit != "" {
				units++
			}
		}
		if got := strings.Count(string(raw), "unit\x00"); got != units {
			t.Errorf("%d columns have a unit, want %d", got, units)
		}
	}
}

// What a budget table does not know is null: how answers were decoded, and
// totals at a context where none is given.
func TestBudgetsSayWhatIsKnown(t *testing.T) {
	p := plans(t, 64)
	for _, decode := range []string{"", "forced"} {
		path := filepath.Join(t.TempDir(), "b.parquet")
		if err := WriteBudgets(path, p, BudgetOptions{Decode: decode}); err != nil {
			t.Fatal(err)
		}
		data, _ := os.ReadFile(path)
		f, _, err := parquetFrame(data, maxRows, "decode")
		if err != nil {
			t.Fatal(err)
		}
		v := f.values("decode")
		if isNull(v, 0) != (decode == "") || f.texts("decode")[0] != decode {
			t.Errorf("decode %q reads %+v", decode, v)
		}
	}
	totals := func(context int) map[string]any {
		path := filepath.Join(t.TempDir(), "b.json")
		if err := WriteBudgets(path, p, BudgetOptions{Context: context}); err != nil {
			t.Fatal(err)
		}
		data, _ := os.ReadFile(path)
		var f struct {
			Plans []struct{ Totals map[string]any }
		}
		if err := json.Unmarshal(data, &f); err != nil {
			t.Fatal(err)
		}
		return f.Plans[0].Totals
	}
	for _, key := range []string{"context", "held_entries", "full_entries", "share"} {
		if _, ok := totals(0)[key]; ok {
			t.Errorf("without a context there is a %s", key)
		}
	}
	// 3 layers of 2 caches of 1,000 tokens, 512 in the second.
	if got := totals(1000); got["context"] != 1000. || got["full_entries"] != 2*(1000.+512+1000) {
		t.Errorf("at 1,000 tokens: %v", got)
	}
}

// A trial's real depth and what stands before its needle come back; rows that
// are out of order, or without their place, are refused.
func TestTrialRows(t *testing.T) {
	table, trials := run(t)
	depth := 37.5
	trials[1].RealDepth, trials[1].Placement = &depth, "sentence"
	path := filepath.Join(t.TempDir(), "t.parquet")
	if err := WriteTrials(path, table, trials); err != nil {
		t.Fatal(err)
	}
	got, err := ReadTrials(path)
	if err != nil || !reflect.DeepEqual(got, trials) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, cut := range map[string]func(scores [][]float64) [][]float64{
		"a layer": func(s [][]float64) [][]float64 { return s[:2] },
		"a head":  func(s [][]float64) [][]float64 { return [][]float64{s[0], s[1], s[2][:3]} },
	} {
		_, trials := run(t)
		trials[0].Scores["retrieval"] = cut(trials[0].Scores["retrieval"])
		if err := WriteTrials(path, table, trials); err == nil || !strings.Contains(err.Error(), `trial "t0" has no retrieval score of layer 2`) {
			t.Errorf("a trial without %s: %v", name, err)
		}
	}
	type row struct {
		Trial  string   `parquet:"trial"`
		Needle string   `parquet:"needle"`
		Pass   bool     `parquet:"pass"`
		Layer  *int32   `parquet:"layer,optional"`
		Head   *int32   `parquet:"head,optional"`
		Method string   `parquet:"method"`
		Score  *float64 `parquet:"score,optional"`
	}
	at := func(layer, head int32) row {
		return row{"a", "n", true, &layer, &head, "m", new(1.5)}
	}
	for name, c := range map[string]struct {
		rows []row
		want string
	}{
		"in order":            {[]row{at(0, 0), at(0, 1), at(1, 0)}, "[[1.5 1.5] [1.5]]"},
		"no attention":        {[]row{at(1, 0), at(3, 0)}, "[[] [1.5] [] [1.5]]"},
		"no first head":       {[]row{at(0, 1)}, "layer 0, head 1 of trial \"a\" comes out of order"},
		"a head twice":        {[]row{at(0, 0), at(0, 0)}, "row 1: layer 0, head 0"},
		"a head left out":     {[]row{at(0, 0), at(0, 2)}, "row 1: layer 0, head 2"},
		"a head of a later":   {[]row{at(0, 0), at(2, 1)}, "row 1: layer 2, head 1"},
		"an earlier layer":    {[]row{at(0, 0), at(1, 0), at(0, 1)}, "row 2: layer 0, head 1"},
		"no layer":            {[]row{{Trial: "a", Method: "m", Head: new(int32(0)), Score: new(1.)}}, "row 0: layer -1"},
		"no layer, no head":   {[]row{at(0, 0), {Trial: "a", Method: "m", Score: new(1.)}}, "row 1: layer -1, head -1"},
		"no head":             {[]row{{Trial: "a", Method: "m", Layer: new(int32(0)), Score: new(1.)}}, "head -1"},
		"a score that is not": {[]row{{Trial: "a", Method: "m", Layer: new(int32(0)), Head: new(int32(0))}}, "the score is NaN"},
	} {
		file := filepath.Join(t.TempDir(), "rows.parquet")
		if err := parquet.WriteFile(file, c.rows); err != nil {
			t.Fatal(err)
		}
		got, err := ReadTrials(file)
		if strings.HasPrefix(c.want, "[") {
			if err != nil || fmt.Sprint(got[0].Scores["m"]) != c.want {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
