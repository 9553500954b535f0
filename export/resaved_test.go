package export

import (
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"headprof/fixtures/reference"
	"headprof/scoring"
)

// A table says the same after any other tool saved it: the files of
// testdata/resaved are scores.csv, saved by pandas, Polars, DuckDB, PyArrow and
// as spreadsheets and R save (make.py there).
func TestResaved(t *testing.T) {
	const dir = "testdata/resaved"
	want := handRead(t, filepath.Join(dir, "scores.csv"))
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		if f.Name() == "make.py" {
			continue
		}
		p, err := Read(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Error(err)
			continue
		}
		if p.Table == nil || len(p.Table.Heads) != len(want) {
			t.Errorf("%s is not the whole table", f.Name())
			continue
		}
		if m := p.Table.Meta; m.Decode != "forced" || !m.Fast || m.FastUnknown || m.Passed != 12 {
			t.Errorf("%s: %+v", f.Name(), m)
		}
		if len(p.Table.Notes) > 0 {
			t.Errorf("%s: %q", f.Name(), p.Table.Notes)
		}
		for i, got := range p.Table.Heads {
			if got.Trials = nil; !equalHeads(got, want[i]) {
				t.Errorf("%s, row %d: %+v, want %+v", f.Name(), i, got, want[i])
			}
		}
	}
}

func equalHeads(a, b scoring.Head) bool {
	return a.Method == b.Method && a.Layer == b.Layer && a.Head == b.Head && a.KVHead == b.KVHead && a.Window == b.Window &&
		a.Mean == b.Mean && a.StdErr == b.StdErr && a.Low == b.Low && a.High == b.High && a.N == b.N &&
		a.Rank == b.Rank && a.RankLow == b.RankLow && a.RankHigh == b.RankHigh && a.Share == b.Share
}

// handRead reads scores.csv column by column, without the code under test.
func handRead(t *testing.T, path string) []scoring.Head {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(strings.NewReader(string(data))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []scoring.Head
	for _, l := range lines[1:] {
		n := func(i int) int { v, _ := strconv.Atoi(l[i]); return v }
		x := func(i int) float64 { v, _ := strconv.ParseFloat(l[i], 64); return v }
		out = append(out, scoring.Head{
			Layer: n(0), Head: n(1), KVHead: n(2), Method: l[3], Mean: x(4), StdErr: x(5), N: n(6), Rank: n(7),
			Low: x(8), High: x(9), RankLow: n(10), RankHigh: n(11), Share: x(12), Window: n(13),
		})
	}
	return out
}

// PyArrow sees each column's description and unit, and the table's metadata.
func TestArrowSchema(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err == nil {
		err = exec.Command(python, "-c", "import pyarrow").Run()
	}
	if err != nil {
		reference.Missing(t, "python3 with pyarrow is needed to read the Arrow schema: "+err.Error())
	}
	table, _ := run(t)
	path := write(t, table, Parquet, "t.parquet", Options{})
	const program = `import sys, pyarrow.parquet as q
s = q.read_schema(sys.argv[1])
print(",".join(k.decode() for k in sorted(s.metadata)))
print(s.field("window").metadata)
print(s.field("ci_low").metadata[b"unit"].decode(), q.read_metadata(sys.argv[1]).created_by)
print(all(f.metadata[b"description"] for f in s))`
	out, err := exec.Command(python, "-c", program, path).CombinedOutput()
	const want = `headprof.format,headprof.halves,headprof.meta,headprof.quantities
{b'description': b'keys the layer sees, 0: all; null where not known', b'unit': b'tokens'}
as mean headprof version devel
True
`
	if got := strings.ReplaceAll(string(out), "headprof version "+Version, "headprof version devel"); err != nil || got != want {
		t.Errorf("%s, %v", out, err)
	}
}
