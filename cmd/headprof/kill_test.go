package main

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A run killed at 20 random moments (five times in each of four folders),
// wherever that falls in prompts, answers, journal, tables or pictures, ends
// with the bytes of a run that was left alone.
func TestKilledAtRandomMoments(t *testing.T) {
	program, err := exec.LookPath("headprof") // testscript.Main puts the program under test there
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("moments drawn with seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	start := func(dir string) *exec.Cmd {
		c := exec.Command(program, "score", "--decode", "forced", "--count", "30", "--quiet", "--out", dir)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	whole := filepath.Join(t.TempDir(), "whole")
	began := time.Now()
	if err := start(whole).Wait(); err != nil {
		t.Fatal(err)
	}
	span := time.Since(began)
	killed := 0
	for range 4 {
		dir := filepath.Join(t.TempDir(), "run")
		for range 5 {
			c := start(dir)
			time.Sleep(time.Duration(rng.Int64N(int64(span))))
			c.Process.Kill()
			if c.Wait() != nil {
				killed++
			}
		}
		if err := start(dir).Wait(); err != nil {
			t.Fatalf("the last run ends with %v", err)
		}
		sameArtifacts(t, dir, whole)
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if n := f.Name(); strings.HasSuffix(n, "-tmp") {
				t.Errorf("%s is left behind", n)
			}
		}
	}
	if killed == 0 {
		t.Error("no process was killed before it ended")
	}
}
