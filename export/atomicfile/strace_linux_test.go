package atomicfile

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// These tests run this test program as a child under strace, which makes
// system calls fail or kills the child at one of them. They need strace (CI
// installs it) and are skipped where it is absent or may not trace.

const childEnv = "HEADPROF_TEST_ATOMICFILE" // "file PATH TEXT" or "folder PATH TEXT"

func TestMain(m *testing.M) {
	runtime.LockOSThread() // strace counts system calls by thread
	what, rest, _ := strings.Cut(os.Getenv(childEnv), " ")
	path, content, _ := strings.Cut(rest, " ")
	var err error
	switch what {
	case "":
		os.Exit(m.Run())
	case "file":
		err = WriteBytes(path, []byte(content))
	case "folder":
		err = WriteFolder(path, File{"config.json", text(content)}, File{"heads.tsv", text(content)})
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// straced runs a child with one injection, as strace's -e takes it.
func straced(t *testing.T, inject, what, path, text string) (output string, err error) {
	t.Helper()
	calls, _, _ := strings.Cut(strings.TrimPrefix(inject, "inject="), ":")
	self, serr := os.Executable()
	if serr != nil {
		t.Fatal(serr)
	}
	c := exec.Command("strace", "-f", "-qq", "-o", os.DevNull, "-e", "trace="+calls, "-e", inject, self)
	c.Env = append(os.Environ(), childEnv+"="+what+" "+path+" "+text)
	out, err := c.CombinedOutput()
	return string(out), err
}

// child runs a child that is left alone.
func child(t *testing.T, what, path, text string) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childEnv+"="+what+" "+path+" "+text)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func needStrace(t *testing.T) {
	t.Helper()
	out, err := exec.Command("strace", "-qq", "-o", os.DevNull, "true").CombinedOutput()
	if err == nil {
		return
	}
	why := fmt.Sprintf("strace cannot trace here: %v %s", err, out)
	if os.Getenv("HEADPROF_REQUIRE_ALL") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// What a file system cannot do is no reason to lose a result.
func TestInjected(t *testing.T) {
	needStrace(t)
	for _, c := range []struct{ inject, says string }{
		{"fchmod:error=EPERM", ""}, // CIFS, exFAT, FUSE
		{"fchmod:error=EOPNOTSUPP", ""},
		{"fchown:error=EPERM", ""},
		{"flock:error=EOPNOTSUPP", ""},
		{"flock:error=EPERM", ""},
		{"fsync,fdatasync:error=EINVAL", ""},
		{"fsync,fdatasync:error=ENOSYS", ""},
		{"fsync:error=EIO:when=2+", ""}, // the folder's
		{"?rename,?renameat,?renameat2:error=EBUSY", "written in place"},
		{"?rename,?renameat,?renameat2:error=EXDEV", "written in place"},
	} {
		for _, what := range []string{"file", "folder"} {
			for _, there := range []bool{false, true} {
				if c.says != "" && what == "folder" || strings.HasPrefix(c.inject, "fsync:") && what == "folder" {
					continue // the second sync is the second file's
				}
				t.Run(fmt.Sprint(c.inject, " ", what, " ", there), func(t *testing.T) {
					dir := t.TempDir()
					path := filepath.Join(dir, "out")
					file := path
					if what == "folder" {
						file = filepath.Join(path, "heads.tsv")
					}
					if there {
						os.MkdirAll(filepath.Dir(file), 0o777)
						os.WriteFile(file, []byte("a longer old text"), 0o600)
					}
					out, err := straced(t, "inject="+c.inject, what, path, "new")
					if err != nil || read(t, file) != "new" {
						t.Fatalf("%v: %s; the file holds %q", err, out, read(t, file))
					}
					if (out == "") != (c.says == "") || !strings.Contains(out, c.says) {
						t.Errorf("said %q, want %q", out, c.says)
					}
					if left := names(t, dir); left != "out" {
						t.Errorf("beside it are %s", left)
					}
				})
			}
		}
	}
}

// A disk that fails is reported, and what was there stays.
func TestInjectedFailures(t *testing.T) {
	needStrace(t)
	for inject, want := range map[string]string{
		"fsync:error=EIO":    "input/output error",
		"fsync:error=ENOSPC": "no space left on device; free some space",
	} {
		path := filepath.Join(t.TempDir(), "a.csv")
		os.WriteFile(path, []byte("old"), 0o600)
		out, err := straced(t, "inject="+inject, "file", path, "new")
		if err == nil || !strings.Contains(out, "cannot write "+path+": "+want) || read(t, path) != "old" || names(t, filepath.Dir(path)) != "a.csv" {
			t.Errorf("%s: %v, %s; the file holds %q, its folder %s", inject, err, out, read(t, path), names(t, filepath.Dir(path)))
		}
	}
}

// Killed at any step, a file is the old or the new one, a new folder is there
// with all its files or not, the files of an old one belong together or the
// last is absent; and the next process leaves nothing of the killed one.
func TestKilledAtEveryStep(t *testing.T) {
	needStrace(t)
	killed := 0
	for _, c := range []struct {
		what  string
		there bool
	}{{"file", false}, {"file", true}, {"folder", false}, {"folder", true}} {
		// strace counts the calls of each name by itself.
		for _, call := range strings.Fields("?mkdir ?mkdirat openat write flock fchmod fsync ?rename ?renameat ?unlink ?unlinkat close") {
			for n := 1; kill(t, c.what, c.there, call, n); n++ {
				killed++
			}
		}
	}
	if t.Logf("killed %d times", killed); killed < 80 {
		t.Errorf("killed %d times only", killed)
	}
}

// kill kills a child at the n-th of its system calls of one name, and says
// whether there was one.
func kill(t *testing.T, what string, there bool, call string, n int) (killed bool) {
	t.Helper()
	at := fmt.Sprintf("%s, there: %v, killed at %s %d", what, there, call, n)
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	if there {
		child(t, what, path, "old")
	}
	_, err := straced(t, fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n), what, path, "new")
	if what == "file" {
		data, rerr := os.ReadFile(path)
		if got := string(data); got != "new" && !(there && got == "old") && !(!there && os.IsNotExist(rerr)) {
			t.Errorf("%s: the file holds %q, %v", at, got, rerr)
		}
	} else {
		config, cerr := os.ReadFile(filepath.Join(path, "config.json"))
		heads, herr := os.ReadFile(filepath.Join(path, "heads.tsv"))
		whole := cerr == nil && herr == nil && string(config) == string(heads)
		none := !there && os.IsNotExist(cerr) && os.IsNotExist(herr)
		unreadable := there && os.IsNotExist(herr)
		if !whole && !none && !unreadable {
			t.Errorf("%s: the folder holds %q (%v), %q (%v)", at, config, cerr, heads, herr)
		}
	}
	if err == nil {
		return false
	}
	child(t, what, path, "next")
	left, want := names(t, dir), "out"
	if what == "folder" {
		left, want = left+": "+names(t, path), "out: config.json heads.tsv"
	}
	if left != want {
		t.Errorf("%s: after the next process there are %s", at, left)
	}
	return true
}
