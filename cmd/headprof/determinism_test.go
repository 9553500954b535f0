package main

import (
	"headprof/fixtures/reference"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// waysToRun are settings that change the time a run takes and not one byte of
// what it finds.
var waysToRun = [][]string{
	{"--threads", "1"},
	{"--threads", "2", "--chunk", "64"},
	{"--threads", "1", "--chunk", "512", "--no-reuse"},
	{"--threads", "2", "--no-draft"},
	{"--threads", "3", "--chunk", "37", "--no-reuse", "--no-draft"},
}

// A run gives the same journal whatever the threads, chunks and short cuts.
func TestNothingButTimeChanges(t *testing.T) {
	sameJournals(t, waysToRun, "--count", "8")
	sameJournals(t, waysToRun, "--count", "4", "--decode", "forced", "--cache-type", "f16")
}

// The same for every score there is.
func TestNothingButTimeChangesInAnyScore(t *testing.T) {
	ways := append([][]string{{"--threads", "4", "--chunk", "100"}}, waysToRun[0], waysToRun[2])
	sameJournals(t, ways, "--method", "all", "--count", "4", "--lengths", "128,420")
}

// The same on a real model.
func TestNothingButTimeChangesOnARealModel(t *testing.T) {
	model := reference.Model(t, "smollm2.gguf")
	ways := [][]string{{"--threads", "1", "--chunk", "64"}, {"--threads", "2", "--no-reuse", "--no-draft"}}
	sameJournals(t, ways, "--model", model, "--count", "2", "--lengths", "300,400", "--depths", "40%")
}

func sameJournals(t *testing.T, ways [][]string, args ...string) {
	t.Helper()
	journal := func(way []string) string {
		dir := filepath.Join(t.TempDir(), "run")
		root := newRoot()
		root.SetArgs(append(append([]string{"score", "--quiet", "--out", dir}, args...), way...))
		root.SetErr(discard{})
		// Whether a trial passes is not the question here.
		var x *exit
		if err := root.Execute(); err != nil && !(asExit(err, &x) && x.code == exitNoScore) {
			t.Fatalf("%v %v: %v", args, way, err)
		}
		text, err := journalText(filepath.Join(dir, "trials.jsonl"))
		if err != nil || text == "" {
			t.Fatalf("%v %v: the journal is empty (%v)", args, way, err)
		}
		if slices.Contains(args, everyMethod) {
			cases, err := journalText(filepath.Join(dir, casesFolder, "trials.jsonl"))
			if err != nil || cases == "" {
				t.Fatalf("%v %v: the cases' journal is empty (%v)", args, way, err)
			}
			text += cases
		}
		return text
	}
	want := journal([]string{"--threads", "2"})
	for _, way := range ways {
		if journal(way) != want {
			t.Errorf("%v: trials.jsonl differs with %v", args, way)
		}
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// artifacts are a finished run's files whose bytes depend on the plan alone.
var artifacts = []string{
	"run.json", "scores.csv", "scores.parquet", "trials.parquet", "headkv.json", "retrieval.json",
	"heads.png", "ranking.png", "layers.png", "needle.png",
}

// sameArtifacts compares two finished runs byte for byte, but for seconds.
func sameArtifacts(t *testing.T, got, want string) {
	t.Helper()
	for _, name := range artifacts {
		a, err := os.ReadFile(filepath.Join(got, name))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(want, name))
		if err != nil {
			t.Fatal(err)
		}
		if string(a) != string(b) {
			t.Errorf("%s differs", name)
		}
	}
	a, err := journalText(filepath.Join(got, "trials.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := journalText(filepath.Join(want, "trials.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if a != b {
		t.Error("trials.jsonl differs in more than seconds")
	}
}
