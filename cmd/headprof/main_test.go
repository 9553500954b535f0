package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"headprof/fixtures"
	"headprof/runner/backend/backendtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"headprof": main, "signal": sendSignal})
}

// TestScripts runs testdata/*.txtar: each shows a command as a user types it
// and what comes back. Beyond testscript's own words they know
//
//	exits N COMMAND...              run a command that ends with exit code N
//	signal NAME FILE N COMMAND...   run a command, send it a signal once FILE has N lines
//	lines N FILE                    wait until a background command has written N lines to FILE
//	samejournal A B                 two trials.jsonl are equal but for their seconds
//	nofile DIR PATTERN              no file in DIR has such a name
//	smalldisk DIR KIB               DIR becomes a disk of that size
//	minio DIR VAR                   serve DIR as an S3 store; VAR is the query that reaches it
//
// $TINY is the built-in model as a file, $TINY8 the same in Q8_0, $CHAT
// the same with a chat template that reads enable_thinking and style, $THINK,
// $OPEN and $STRIP with templates that know thinking (chat_test.go). [fast] says
// whether --int8 runs with the default kernels here.
func TestScripts(t *testing.T) {
	tiny := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := os.WriteFile(tiny, fixtures.Tiny(), 0o666); err != nil {
		t.Fatal(err)
	}
	tiny8 := filepath.Join(t.TempDir(), "tiny8.gguf")
	if err := os.WriteFile(tiny8, tinyInQ8(t), 0o666); err != nil {
		t.Fatal(err)
	}
	chats := map[string]string{}
	for name, template := range map[string]string{"CHAT": plainTemplate, "THINK": thinkTemplate, "OPEN": openTemplate, "STRIP": stripTemplate} {
		chats[name] = filepath.Join(t.TempDir(), strings.ToLower(name)+".gguf")
		if err := os.WriteFile(chats[name], tinyWithTemplate(t, template), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	hybrid := filepath.Join(t.TempDir(), "hybrid.gguf")
	if err := os.WriteFile(hybrid, backendtest.Hybrid(), 0o666); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HEADPROF_KERNELS", os.Getenv("HEADPROF_KERNELS"))
			e.Setenv("TINY", tiny)
			e.Setenv("TINY8", tiny8)
			for name, file := range chats {
				e.Setenv(name, file)
			}
			e.Setenv("HYBRID", hybrid)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Getuid() == 0, nil
			case "hup": // is it shutdownSignals, or were the tests started under nohup?
				return !signal.Ignored(syscall.SIGHUP), nil
			case "fast":
				return fastHere(), nil
			case "minio":
				return minioHere(), nil
			case "smalldisk": // may one be mounted here?
				unmount, err := mountSmall(t.TempDir(), 16)
				if err == nil {
					unmount()
				}
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "lines": waitLines, "samejournal": sameJournal, "nofile": noFile, "smalldisk": smallDisk, "minio": startMinIO,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var ended *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &ended):
		got = ended.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("%v ended with exit code %d, want %d", args[1:], got, want)
	}
}

// countLines counts whole lines; a file that is not there yet has none.
func countLines(path string) int {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	return bytes.Count(data, []byte("\n"))
}

const patience = 3 * time.Minute

func waitLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lines N FILE")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	for end := time.Now().Add(patience); countLines(ts.MkAbs(args[1])) < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("%s has %d lines, want %d", args[1], countLines(ts.MkAbs(args[1])), n)
		}
	}
}

var seconds = regexp.MustCompile(`,"seconds":[^,}]*`)

// journalText is a journal without what may differ between equal runs.
func journalText(path string) (string, error) {
	data, err := os.ReadFile(path)
	return string(seconds.ReplaceAll(data, nil)), err
}

func sameJournal(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: samejournal A B")
	}
	a, err := journalText(ts.MkAbs(args[0]))
	ts.Check(err)
	b, err := journalText(ts.MkAbs(args[1]))
	ts.Check(err)
	if a == "" || (a == b) == neg {
		ts.Fatalf("%s and %s: equal is %v", args[0], args[1], a == b)
	}
}

func noFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: nofile DIR PATTERN")
	}
	files, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	for _, f := range files {
		if match, err := filepath.Match(args[1], f.Name()); err != nil || match {
			ts.Fatalf("%s is in %s: %v", f.Name(), args[0], err)
		}
	}
}

// sendSignal is the program signal NAME FILE N COMMAND...: it runs the command,
// sends it a signal once FILE has N lines, and ends with its exit code.
func sendSignal() {
	n, err := strconv.Atoi(os.Args[3])
	if err != nil {
		panic(err)
	}
	c := exec.Command(os.Args[4], os.Args[5:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := c.Start(); err != nil {
		panic(err)
	}
	ended := make(chan struct{})
	go func() {
		for countLines(os.Args[2]) < n {
			select {
			case <-ended:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
		c.Process.Signal(signals[os.Args[1]])
	}()
	c.Wait()
	close(ended)
	os.Exit(c.ProcessState.ExitCode())
}

func smallDisk(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: smalldisk DIR KIB")
	}
	kib, err := strconv.Atoi(args[1])
	ts.Check(err)
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o777))
	unmount, err := mountSmall(dir, kib)
	ts.Check(err)
	ts.Defer(unmount)
}

var signals = map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}
