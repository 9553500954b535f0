package probe

import (
	"context"
	"errors"
	"fmt"
	"headprof/probe/journal"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A run in a process of its own, to be killed: TestMain runs it where the
// environment names its folder.
const (
	childFolder = "HEADPROF_TEST_CHILD"
	childLimit  = "HEADPROF_TEST_LIMIT" // bytes that a file may hold
	childPause  = "HEADPROF_TEST_PAUSE" // of each step
)

var limitFiles func(bytes uint64) error // where the system has such limits

func TestMain(m *testing.M) {
	dir := os.Getenv(childFolder)
	if dir == "" {
		os.Exit(m.Run())
	}
	model, plan := killPlan()
	model.pause = 300 * time.Microsecond
	if d, err := time.ParseDuration(os.Getenv(childPause)); err == nil {
		model.pause = d
	}
	if n, err := strconv.ParseUint(os.Getenv(childLimit), 10, 64); err == nil {
		if err := limitFiles(n); err != nil {
			fmt.Println(err)
			os.Exit(2)
		}
	}
	_, err := Run(context.Background(), model, plan, Options{Dir: dir, Progress: func(p Progress) {
		if p.Done == 1 {
			fmt.Println("running") // tells the parent that the lock is held
		}
	}})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// killPlan is the same in parent and child.
func killPlan() (*fakeModel, *Plan) {
	m := newFake()
	t := new(testing.T)
	g := testGrid(t)
	g.Count = 24
	return m, testPlan(t, m, g, PlanOptions{Block: 8, Seed: 11})
}

func child(t *testing.T, dir string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childFolder+"="+dir)
	return cmd
}

// A run killed at 20 random moments, twice over, ends with the bytes of a run
// that was left alone.
func TestKilledRunsEndTheSame(t *testing.T) {
	m, p := killPlan()
	whole := t.TempDir()
	want := mustRun(t, m, p, Options{Dir: whole})
	started := time.Now()
	if out, err := child(t, t.TempDir()).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	span := time.Since(started)
	rng := random(time.Now().UnixNano())
	killed := 0
	for range 4 {
		dir := filepath.Join(t.TempDir(), "run")
		for range 5 {
			cmd := child(t, dir)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(rng.below(int(span))))
			cmd.Process.Kill()
			if cmd.Wait() != nil {
				killed++
			}
		}
		m, p := killPlan()
		got := mustRun(t, m, p, Options{Dir: dir})
		if outputs(t, dir) != outputs(t, whole) {
			t.Errorf("the killed run differs:\n%s", firstDifference(outputs(t, whole), outputs(t, dir)))
		}
		if got.Passed != want.Passed || got.Cost.Planned != want.Cost.Planned {
			t.Errorf("passed %d (want %d), planned tokens %d (want %d)", got.Passed, want.Passed, got.Cost.Planned, want.Cost.Planned)
		}
		leftover, _ := filepath.Glob(filepath.Join(dir, ".*-tmp"))
		if len(leftover) > 0 {
			t.Errorf("temporary files are left: %v", leftover)
		}
	}
	if killed == 0 {
		t.Error("no process was killed before it ended")
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	m, p := killPlan()
	dir := t.TempDir()
	cmd := child(t, dir)
	cmd.Env = append(cmd.Env, childPause+"=50ms") // it must outlive the refusal
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("running"))); err != nil {
		t.Fatal(err)
	}
	_, err = Run(context.Background(), m, p, Options{Dir: dir})
	var busy *journal.BusyError
	if !errors.As(err, &busy) || busy.By.PID != cmd.Process.Pid || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "--out") {
		t.Errorf("second run in the folder: %v, want a refusal that names process %d", err, cmd.Process.Pid)
	}
	cmd.Process.Kill()
	cmd.Wait()
	// The lock of a killed process is no problem.
	mustRun(t, m, p, Options{Dir: dir})
}
