package gpu_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headprof/fixtures"
	"headprof/probe"
	"headprof/runner"
	"headprof/runner/gpu"
)

// A run whose device is lost ends with one error. What was done is in the
// journal, and the same run started again goes on from there to the same
// result as one that was never disturbed.
func TestRunSurvivesALostDevice(t *testing.T) { gpu.OnEach(t, testRunSurvivesALostDevice) }

func testRunSurvivesALostDevice(t *testing.T) {
	var lines strings.Builder
	for i := range 4 {
		ids := make([]int, 60+20*i)
		for j := range ids {
			ids[j] = 20 + (j*7+i)%200
		}
		line, err := json.Marshal(map[string]any{"id": fmt.Sprint("t", i), "prompt_ids": ids, "span": []int{20, 26}, "answer_ids": ids[20:26]})
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(line, '\n'))
	}
	run := func(dir string) (*probe.Result, error) {
		m, err := runner.OpenBytes("tiny", fixtures.Tiny(), runner.Options{Device: gpu.DeviceOf(t)})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		e, err := probe.ModelOf(m)
		if err != nil {
			t.Fatal(err)
		}
		trials, err := probe.ReadTrials("trials", strings.NewReader(lines.String()))
		if err != nil {
			t.Fatal(err)
		}
		p, err := probe.NewPlan(e, trials, probe.PlanOptions{Rules: probe.Rules{Decode: probe.Forced}})
		if err != nil {
			t.Fatal(err)
		}
		return probe.Run(context.Background(), e, p, probe.Options{Dir: dir, Chunk: 64})
	}
	whole, broken := t.TempDir(), t.TempDir()
	count := gpu.LoseDevices(math.MaxInt)
	if _, err := run(whole); err != nil {
		t.Fatal(err)
	}
	gpu.LoseDevices(count() * 6 / 10)
	r, err := run(broken)
	gpu.LoseDevices(0)()
	if err == nil || strings.Count(err.Error(), "the device was lost") != 1 || !strings.Contains(err.Error(), "the same command continues it") {
		t.Fatalf("with a lost device: %v", err)
	}
	half := scoresOf(t, broken)
	if len(half) == 0 || len(half) == 4 {
		t.Fatalf("%d trials are in the journal (%+v)", len(half), r)
	}
	if _, err := run(broken); err != nil {
		t.Fatalf("started again: %v", err)
	}
	got, want := scoresOf(t, broken), scoresOf(t, whole)
	for i := range half {
		if half[i] != want[i] {
			t.Errorf("trial %d of the broken run differs", i)
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || len(got) != 4 {
		t.Error("the run that went on gives another journal")
	}
}

// scoresOf reads a journal's lines but for the times.
func scoresOf(t *testing.T, dir string) (all []string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "trials.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("the journal has the line %q", line)
		}
		delete(v, "seconds")
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return all
}
