package export

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"headprof/scoring"
	"headprof/scoring/allocate"
)

func plans(t testing.TB, capacities ...int) []*allocate.Plan {
	t.Helper()
	table, _ := run(t)
	heads := table.Of("headkv-r2")
	var out []*allocate.Plan
	for _, c := range capacities {
		p, err := allocate.Make(allocate.HeadKV{Beta: 2, Temp: 1}, heads, allocate.ModelOf(heads), capacityOf(c))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func TestBudgetsReadBack(t *testing.T) {
	for _, capacities := range [][]int{{64}, {64, 128}} {
		p := plans(t, capacities...)
		for _, name := range []string{"b.csv", "b.json", "b.parquet"} {
			path := filepath.Join(t.TempDir(), name)
			if err := WriteBudgets(path, p, BudgetOptions{Model: "m", Decode: "forced", Context: 1000}); err != nil {
				t.Fatal(err)
			}
			got, err := ReadBudgets(path)
			if err != nil || len(got) != len(p) {
				t.Fatalf("%s: %+v, %v", name, got, err)
			}
			for i, b := range got {
				if !reflect.DeepEqual(b.Heads, p[i].PerHead()) {
					t.Errorf("%s, capacity %d: %+v, want %+v", name, capacities[i], b.Heads, p[i].PerHead())
				}
				if name != "b.csv" && b.Capacity != capacities[i] {
					t.Errorf("%s: capacity %d", name, b.Capacity)
				}
			}
		}
	}
}

func TestBudgetCSV(t *testing.T) {
	// Three heads by hand: capacity 20, window 8, beta 2: base 12, pool 6·3, floor 6.
	heads := []scoring.Head{{Head: 0, Mean: 1}, {Head: 1, KVHead: 1, Mean: 0}, {Head: 2, KVHead: 2, Mean: 2}}
	make1 := func(capacity int) *allocate.Plan {
		p, err := allocate.Make(allocate.HeadKV{Beta: 2, Temp: 1}, heads, allocate.ModelOf(heads), capacityOf(capacity))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	path := filepath.Join(t.TempDir(), "b.csv")
	if err := WriteBudgets(path, []*allocate.Plan{make1(20)}, BudgetOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); string(got) != "layer,head,kv_head,budget,entries\n0,0,0,12,20\n0,1,1,6,14\n0,2,2,18,26\n" {
		t.Errorf("one capacity: %s", got)
	}
	if err := WriteBudgets(path, []*allocate.Plan{make1(20), make1(14)}, BudgetOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); !strings.HasPrefix(string(got), "capacity,layer,head,kv_head,budget,entries\n20,0,0,0,12,20\n") || !strings.Contains(string(got), "\n14,0,0,0,6,14\n") {
		t.Errorf("two capacities: %s", got)
	}
	p := plans(t, 64)
	if err := WriteBudgets(path, p, BudgetOptions{PerKVHead: true}); err != nil {
		t.Fatal(err)
	}
	got, err := ReadBudgets(path)
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, b := range got[0].Heads {
		sum += int64(b.Entries)
	}
	if want := p[0].Totals(0).Entries; sum != want || len(got[0].Heads) != 6 {
		t.Errorf("rows per KV head add up to %d, the caches to %d", sum, want)
	}
}

func TestBudgetsRefuse(t *testing.T) {
	if err := WriteBudgets(filepath.Join(t.TempDir(), "b.txt"), plans(t, 64), BudgetOptions{}); err == nil || !strings.Contains(err.Error(), ".csv") {
		t.Errorf("name: %v", err)
	}
	if err := WriteBudgets("x.csv", nil, BudgetOptions{}); err == nil {
		t.Error("no plans")
	}
	for _, c := range []struct{ name, data, want string }{
		{"empty", "", "header"},
		{"rows", "layer,head,budget,entries\n", "no budgets"},
		{"columns", "layer,head,budget\n0,0,1\n", "entries"},
		{"less than the budget", "layer,head,budget,entries\n0,0,5,4\n", "line 2"},
		{"negative", "layer,head,budget,entries\n0,0,-5,4\n", "makes no sense"},
		{"far", "layer,head,budget,entries\n70000,0,1,4\n", "no model"},
		{"other JSON", `{"0-0": [1]}`, "format"},
		{"ragged JSON", `{"format":"headprof-budgets/1","plans":[{"budget":[[1,2]],"entries":[[1]],"kv_budget":[[1]]}]}`, "do not fit"},
		{"short JSON", `{"format":"headprof-budgets/1","plans":[{"budget":[[1,2]],"entries":[],"kv_budget":[[1]]}]}`, "layers"},
		{"no plans", `{"format":"headprof-budgets/1"}`, "no budgets"},
		{"parquet", "PAR1xxxxPAR1", "claims"},
	} {
		if _, err := parseBudgets([]byte(c.data), nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func capacityOf(n int) allocate.Params {
	p := allocate.DefaultParams()
	p.Capacity = n
	return p
}
