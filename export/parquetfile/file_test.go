package parquetfile

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func files(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.parquet")
	if err != nil || len(paths) != 4 {
		t.Fatal(paths, err)
	}
	out := map[string][]byte{}
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(p)] = data
	}
	return out
}

// Files by PyArrow, with every compression, page version and encoding that the
// reader knows; testdata/make.py says what they hold.
func TestPyArrowFiles(t *testing.T) {
	for name, data := range files(t) {
		f, err := Open(data, 1000)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if f.Rows != 300 || f.Has("nested") || f.Has("element") || !f.Has("bool") {
			t.Errorf("%s: %d rows, %v", name, f.Rows, f.columns)
		}
		column := func(c string) *Values {
			v, err := f.Column(c)
			if err != nil {
				t.Fatalf("%s, %s: %v", name, c, err)
			}
			return v
		}
		ints, longs, doubles, floats, texts, bools := column("int"), column("long"), column("double"), column("float"), column("text"), column("bool")
		for i := range 300 {
			missing, silent := i%5 == 0, i%7 == 0
			if ints.Ints[i] != int64(i*7%50) ||
				longs.Null[i] != missing || !missing && longs.Ints[i] != int64(i)*1e9 ||
				math.Abs(doubles.Floats[i]-math.Sin(float64(i))) > 1e-15 || floats.Floats[i] != float64(i)/4 ||
				texts.Null[i] != silent || !silent && texts.Strings[i] != fmt.Sprintf("n%d", i%9) ||
				bools.Bools[i] != (i%3 == 0) {
				t.Fatalf("%s: row %d is wrong", name, i)
			}
		}
		if _, err := Open(data, 299); err == nil {
			t.Error("more rows than the limit")
		}
		if _, err := f.Column("none"); err == nil {
			t.Error("an absent column")
		}
	}
}

// Cut anywhere, a file is refused: its footer stands at the end.
func TestCutFiles(t *testing.T) {
	for name, data := range files(t) {
		for n := 0; n < len(data); n += 1 + len(data)/200 {
			if _, err := Open(data[:n], 1000); err == nil {
				t.Errorf("%s opened when cut to %d of %d bytes", name, n, len(data))
			}
		}
	}
}

// FuzzFile reads every column of whatever opens.
func FuzzFile(f *testing.F) {
	for _, data := range files(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		file, err := Open(data, 1<<20)
		if err != nil {
			return
		}
		for name := range file.columns {
			v, err := file.Column(name)
			if err != nil {
				continue
			}
			n := max(len(v.Ints), len(v.Floats), len(v.Strings), len(v.Bools))
			if n != file.Rows && file.Rows > 0 || v.Null != nil && len(v.Null) != file.Rows {
				t.Fatalf("%d values in %d rows", n, file.Rows)
			}
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Fatalf("%d bytes took %v", len(data), d)
		}
	})
}
