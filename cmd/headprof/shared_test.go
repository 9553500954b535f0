package main

import (
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"headprof/export"
)

// fails runs a command that must fail, and gives the error's text.
func fails(t *testing.T, args ...string) string {
	t.Helper()
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	err := root.ExecuteContext(t.Context())
	if err == nil {
		t.Fatalf("%v: no error", args)
	}
	return err.Error()
}

// Of a model whose last layers read the caches of earlier ones, every head is
// scored, each cache has one budget, which the heads of all its layers have, and
// what needs a cache per layer is refused.
func TestSharedCachesFromScoreToBudget(t *testing.T) {
	dir, trials, _ := tinyFamily(t, "gemma4") // layer 4 reads 3, layer 5 reads 2
	run, budgets := filepath.Join(dir, "run"), filepath.Join(dir, "budget.csv")
	headprof(t, "score", "--model", dir, "--trials", trials, "--decode", "forced", "--out", run)
	p, err := export.Read(run)
	if err != nil {
		t.Fatal(err)
	}
	rows := p.Table.Of("headkv-r2")
	if len(rows) != 6*4 || rows[3*4].KVHead != 0 || rows[4*4].KVHead != -1 {
		t.Fatalf("%d rows; KV heads %d, %d", len(rows), rows[3*4].KVHead, rows[4*4].KVHead)
	}
	headprof(t, "budget", run, "--capacity", "20", "--method", "retrieval", "--policy", "uniform", "--out", budgets)
	list, err := export.ReadBudgets(budgets)
	if err != nil {
		t.Fatal(err)
	}
	if b := list[0].Heads; len(b) != 24 || b[4*4+1].KVHead != b[3*4+1].KVHead || b[5*4].Entries != 20 {
		t.Errorf("budgets are %+v", list)
	}
	heads := filepath.Join(dir, "heads.csv") // the table alone does not say who shares
	headprof(t, "export", run, "--format", "csv", "--out", heads)
	if text := fails(t, "budget", heads, "--capacity", "20", "--method", "retrieval"); !strings.Contains(text, "--model") {
		t.Errorf("a table without its model: %s", text)
	}
	headprof(t, "budget", heads, "--capacity", "20", "--method", "retrieval", "--policy", "uniform", "--model", dir)
	if text := fails(t, "export", run, "--format", "duoattention", "--out", filepath.Join(dir, "duo.tsv")); !strings.Contains(text, "KV head") {
		t.Errorf("a table of KV heads: %s", text)
	}
	if text := fails(t, "budget", run, "--capacity", "20", "--method", "retrieval", "--level", "head"); !strings.Contains(text, "layer 4") {
		t.Errorf("a cache per query head: %s", text)
	}
	report, err := inspect(dir, "", false)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := json.Marshal(report.Layers[5]); !strings.Contains(string(text), `"source":2`) {
		t.Errorf("inspect says %s", text)
	}
}

// Of a model with latent caches every query head is scored; a layer has one
// budget, which all its heads have, and what cuts heads apart is refused.
func TestLatentCachesFromScoreToBudget(t *testing.T) {
	dir, trials, _ := tinyFamily(t, "deepseek-v3")
	run, budgets := filepath.Join(dir, "run"), filepath.Join(dir, "budget.csv")
	headprof(t, "score", "--model", dir, "--trials", trials, "--decode", "forced", "--out", run)
	p, err := export.Read(run)
	if err != nil {
		t.Fatal(err)
	}
	if rows := p.Table.Of("retrieval"); len(rows) != 2*4 || rows[7].KVHead != 0 {
		t.Fatalf("rows %+v", rows)
	}
	headprof(t, "budget", run, "--capacity", "20", "--method", "retrieval", "--policy", "uniform", "--out", budgets)
	list, err := export.ReadBudgets(budgets)
	if err != nil {
		t.Fatal(err)
	}
	if b := list[0].Heads; len(b) != 8 || b[3].Entries != 20 || b[3].KVHead != 0 {
		t.Errorf("budgets are %+v", list)
	}
	if text := fails(t, "budget", run, "--capacity", "20", "--method", "retrieval", "--level", "head"); !strings.Contains(text, "latent") {
		t.Errorf("a cache per query head: %s", text)
	}
	if text := fails(t, "score", "--model", dir, "--method", "duo-on-the-fly", "--count", "1", "--lengths", "30", "--out", filepath.Join(dir, "duo")); text == "" {
		t.Error("no reason")
	}
}
