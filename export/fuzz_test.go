package export

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// bounded fails an input that takes longer to read than any small file may.
func bounded(t *testing.T, data []byte, read func([]byte)) {
	start := time.Now()
	read(data)
	if d := time.Since(start); d > 10*time.Second {
		t.Fatalf("%d bytes took %v", len(data), d)
	}
}

// FuzzRead feeds the table readers (JSON, TSV, CSV, YAML and Parquet, told
// apart by content). Whatever is read must survive being written and read again.
func FuzzRead(f *testing.F) {
	table, trials := run(f)
	dir := f.TempDir()
	if _, err := WriteRun(dir, table, trials, nil); err != nil {
		f.Fatal(err)
	}
	if err := Write(table, DuoAttention, filepath.Join(dir, "duo"), Options{}); err != nil {
		f.Fatal(err)
	}
	if err := Write(table, QRHead, filepath.Join(dir, "heads.yaml"), Options{Top: new(5)}); err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{"scores.parquet", "scores.csv", "headkv.json", "duo/full_attention_heads.tsv", "heads.yaml"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		bounded(t, data, func(data []byte) {
			got, err := parsed(string(data))
			if err != nil {
				return
			}
			if len(got.Heads) > 10000 {
				return
			}
			path := filepath.Join(t.TempDir(), "again")
			if err := Write(got, CSV, path, Options{}); err != nil {
				t.Fatal(err)
			}
			p, err := Read(path)
			if err != nil {
				t.Fatal(err)
			}
			again := p.Rows()
			if len(again.Heads) != len(got.Heads) || again.Heads[0].Mean != got.Heads[0].Mean {
				t.Fatalf("%+v became %+v", got.Heads[0], again.Heads[0])
			}
		})
	})
}

// FuzzReadTrials feeds the reader of trials.parquet.
func FuzzReadTrials(f *testing.F) {
	table, trials := run(f)
	path := filepath.Join(f.TempDir(), "t.parquet")
	if err := WriteTrials(path, table, trials[:2]); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		bounded(t, data, func(data []byte) { parseTrials(data) })
	})
}

// FuzzReadBudgets feeds the readers of budget files.
func FuzzReadBudgets(f *testing.F) {
	p := plans(f, 64, 128)
	for _, name := range []string{"b.csv", "b.json", "b.parquet"} {
		path := filepath.Join(f.TempDir(), name)
		if err := WriteBudgets(path, p, BudgetOptions{}); err != nil {
			f.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		bounded(t, data, func(data []byte) { parseBudgets(data, nil) })
	})
}
