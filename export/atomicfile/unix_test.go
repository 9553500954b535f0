//go:build linux || darwin

package atomicfile

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestLinksAreFollowed(t *testing.T) {
	dir := t.TempDir()
	os.MkdirAll(filepath.Join(dir, "real", "deep"), 0o777)
	os.Symlink(filepath.Join(dir, "real", "deep"), filepath.Join(dir, "folder"))
	os.Symlink("../a.csv", filepath.Join(dir, "real", "deep", "second")) // absent yet, and ".." is real's
	os.Symlink("folder/second", filepath.Join(dir, "first"))
	for _, want := range []string{"one", "two"} {
		if err := WriteBytes(filepath.Join(dir, "first"), []byte(want)); err != nil {
			t.Fatal(err)
		}
		if got := read(t, filepath.Join(dir, "real", "a.csv")); got != want {
			t.Errorf("the link's end holds %q, want %q", got, want)
		}
	}
	if st, err := os.Lstat(filepath.Join(dir, "first")); err != nil || st.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", st, err)
	}
	os.Symlink("loop", filepath.Join(dir, "loop"))
	if err := WriteBytes(filepath.Join(dir, "loop"), nil); err == nil || !strings.Contains(err.Error(), "links") {
		t.Errorf("a loop of links: %v", err)
	}
	os.Symlink("duo", filepath.Join(dir, "to-duo"))
	for range 2 {
		if err := WriteFolder(filepath.Join(dir, "to-duo"), File{"a", text("x")}); err != nil || read(t, filepath.Join(dir, "duo", "a")) != "x" {
			t.Errorf("a folder behind a link: %v", err)
		}
	}
}

func TestDevicesAndPipesAreWrittenTo(t *testing.T) {
	if err := WriteBytes(os.DevNull, []byte("x")); err != nil {
		t.Error(err)
	}
	if st, err := os.Stat(os.DevNull); err != nil || st.Mode()&os.ModeCharDevice == 0 {
		t.Fatalf("%s became %v, %v", os.DevNull, st, err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	os.Symlink("fifo", fifo+"-link")
	// Opened for both, the pipe is there before its writer: an open that waits for
	// one and is interrupted by a signal would miss it.
	f, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, path := range []string{fifo, fifo + "-link"} {
		if err := WriteBytes(path, []byte("through")); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len("through"))
		if _, err := io.ReadFull(f, got); err != nil || string(got) != "through" {
			t.Errorf("the pipe's reader got %q, %v", got, err)
		}
	}
	if st, err := os.Stat(fifo); err != nil || st.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the pipe became %v, %v", st, err)
	}
}

func TestModesAreKept(t *testing.T) {
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	dir := t.TempDir()
	for _, mode := range []os.FileMode{0o600, 0o644, 0o666, 0o400, 0o755} {
		path := filepath.Join(dir, mode.String())
		os.WriteFile(path, nil, 0o600)
		os.Chmod(path, mode)
		if err := WriteBytes(path, []byte("x")); err != nil {
			t.Error(err)
		}
		if st, err := os.Stat(path); err != nil || st.Mode() != mode {
			t.Errorf("mode %v became %v (%v)", mode, st.Mode(), err)
		}
	}
	path := filepath.Join(dir, "new")
	if err := WriteBytes(path, nil); err != nil {
		t.Error(err)
	}
	if st, _ := os.Stat(path); st.Mode() != 0o640 {
		t.Errorf("under umask 027 a new file has mode %v, want 640", st.Mode())
	}
}

// In a folder where no file can be made, one that is there and may be written
// to is written in place, and that is said.
func TestFolderWithoutTemporaryFiles(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write anywhere; run the tests as an ordinary user")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "a.csv")
	os.WriteFile(path, []byte("a longer old text"), 0o600)
	os.Chmod(dir, 0o555)
	defer os.Chmod(dir, 0o777)
	said := warnings(t)
	if err := WriteBytes(path, []byte("new")); err != nil || read(t, path) != "new" {
		t.Errorf("%v, the file holds %q", err, read(t, path))
	}
	if len(*said) != 1 || !strings.Contains((*said)[0], path+" was written in place") {
		t.Errorf("said: %q", *said)
	}
	if err := WriteBytes(filepath.Join(dir, "b.csv"), nil); err == nil || !strings.Contains(err.Error(), "permission denied; make its folder writable") {
		t.Errorf("a new file: %v", err)
	}
}
