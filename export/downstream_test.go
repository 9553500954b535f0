package export

import (
	"encoding/json"
	"headprof/fixtures/reference"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"
)

// The exported files, loaded as their consumers load them: NumPy's loadtxt and
// json as HeadKV, Retrieval-Head, DuoAttention, kvpress and QRHead call them.
func TestDownstreamLoaders(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err == nil {
		err = exec.Command(python, "-c", "import numpy").Run()
	}
	if err != nil {
		reference.Missing(t, "python3 with numpy is needed to load the files as their consumers do: "+err.Error())
	}
	load := func(into any, arguments ...string) {
		t.Helper()
		command := exec.Command(python, append([]string{"testdata/load_downstream.py"}, arguments...)...)
		command.Stderr = os.Stderr
		out, err := command.Output()
		if err != nil {
			t.Fatalf("%v: %v", arguments, err)
		}
		if err := json.Unmarshal(out, into); err != nil {
			t.Fatalf("%v: %v in %s", arguments, err, out)
		}
	}
	table, _ := run(t)
	heads := table.Of("headkv-r2")
	best := heads[0]
	for _, h := range heads {
		if h.Rank == 1 {
			best = h
		}
	}

	var published struct {
		Share    [][]float64
		Best     []int
		BestMean float64 `json:"best_mean"`
	}
	load(&published, "headkv", write(t, table, HeadKV, "headkv.json", Options{}), "3", "4")
	if !reflect.DeepEqual(published.Best, []int{best.Layer, best.Head}) || abs(published.BestMean-best.Mean) > 1e-12 {
		t.Errorf("HeadKV sees %v with %v, want %d-%d with %v", published.Best, published.BestMean, best.Layer, best.Head, best.Mean)
	}
	for _, h := range heads {
		if abs(published.Share[h.Layer][h.Head]-h.Share) > 1e-12 {
			t.Errorf("HeadKV's share of %d-%d: %v, want %v", h.Layer, h.Head, published.Share[h.Layer][h.Head], h.Share)
		}
	}

	dir := filepath.Join(t.TempDir(), "duo")
	if err := Write(table, DuoAttention, dir, Options{Sink: new(8), Recent: new(32)}); err != nil {
		t.Fatal(err)
	}
	var duo struct {
		Shape  []int
		Scores [][]float64
		Sink   int `json:"sink_size"`
		Recent int `json:"recent_size"`
	}
	load(&duo, "duoattention", dir)
	if !reflect.DeepEqual(duo.Shape, []int{3, 2}) || duo.Scores[best.Layer][best.KVHead] != 1 || duo.Sink != 8 || duo.Recent != 32 {
		t.Errorf("DuoAttention sees %+v", duo)
	}

	var qr struct {
		Heads [][]int
		Model string `json:"model_name_or_path"`
	}
	load(&qr, "qrhead", write(t, table, QRHead, "heads.yaml", Options{Top: new(3)}))
	if len(qr.Heads) != 3 || !reflect.DeepEqual(qr.Heads[0], []int{best.Layer, best.Head}) || qr.Model != table.Meta.Model {
		t.Errorf("QRHead sees %+v", qr)
	}

	path := filepath.Join(t.TempDir(), "budget.csv")
	p := plans(t, 64)
	if err := WriteBudgets(path, p, BudgetOptions{PerKVHead: true}); err != nil {
		t.Fatal(err)
	}
	var budget struct {
		Columns []string
		Entries int64
	}
	load(&budget, "budget", path)
	if !reflect.DeepEqual(budget.Columns, []string{"layer", "head", "kv_head", "budget", "entries"}) || budget.Entries != p[0].Totals(0).Entries {
		t.Errorf("a CSV reader sees %+v", budget)
	}
}

func abs(v float64) float64 { return max(v, -v) }
