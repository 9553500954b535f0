package probe

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func init() {
	// In a child whose files may not grow past a size, as on a full disk.
	limitFiles = func(bytes uint64) error {
		signal.Ignore(syscall.SIGXFSZ)
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: bytes})
	}
}

// Where the disk is full in the middle of a line, the run ends with a clear
// error, the journal keeps whole lines, and the run goes on once there is room.
func TestFullDisk(t *testing.T) {
	m, p := killPlan()
	whole := t.TempDir()
	mustRun(t, m, p, Options{Dir: whole})
	data, err := os.ReadFile(filepath.Join(whole, trialKind.File))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := child(t, dir)
	cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", childLimit, len(data)/2))
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "cannot write "+filepath.Join(dir, trialKind.File)) || !strings.Contains(string(out), "run the same command again to continue") {
		t.Errorf("full disk: %v, %s", err, out)
	}
	kept, err := os.ReadFile(filepath.Join(dir, trialKind.File))
	if err != nil || len(kept) == 0 || kept[len(kept)-1] != '\n' {
		t.Errorf("the journal holds %d bytes and does not end with a line: %v", len(kept), err)
	}
	mustRun(t, m, p, Options{Dir: dir})
	if outputs(t, dir) != outputs(t, whole) {
		t.Error("continued after a full disk, the run differs")
	}
}

func TestReadOnlyFolder(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write anywhere")
	}
	m, p := killPlan()
	dir := t.TempDir()
	os.Chmod(dir, 0o555)
	defer os.Chmod(dir, 0o777)
	_, err := Run(t.Context(), m, p, Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "make its folder writable or name another one with --out") {
		t.Errorf("read-only folder: %v", err)
	}
}
