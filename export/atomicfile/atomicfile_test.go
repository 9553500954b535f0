package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

// warnings collects what Warn says during a test.
func warnings(t *testing.T) *[]string {
	var got []string
	before := Warn
	Warn = func(m string) { got = append(got, m) }
	t.Cleanup(func() { Warn = before })
	return &got
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func TestFailedFillLeavesTheFileAsItWas(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.csv")
	boom := errors.New("boom")
	failing := func(w io.Writer) error { io.WriteString(w, "half"); return boom }
	if err := Write(path, failing); !errors.Is(err, boom) || names(t, dir) != "" {
		t.Errorf("new file: %v, the folder holds %q", err, names(t, dir))
	}
	if err := Write(path, text("old")); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, failing); !errors.Is(err, boom) || read(t, path) != "old" || names(t, dir) != "a.csv" {
		t.Errorf("existing file: %v, %q, the folder holds %q", err, read(t, path), names(t, dir))
	}
}

func TestLongName(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("ä", 127)) // 254 bytes; file systems take 255
	if err := WriteBytes(path, []byte("x")); err != nil || read(t, path) != "x" {
		t.Error(err)
	}
}

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "duo")
	pair := func(config, scores string) []File {
		return []File{{"config.json", text(config)}, {"heads.tsv", text(scores)}}
	}
	if err := WriteFolder(dir, pair("c1", "s1")...); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("mine"), 0o666)
	os.Chmod(filepath.Join(dir, "config.json"), 0o600)
	if err := WriteFolder(dir, pair("c2", "s2")...); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(dir, "config.json")) + read(t, filepath.Join(dir, "heads.tsv")) + read(t, filepath.Join(dir, "notes.txt")); got != "c2s2mine" {
		t.Errorf("the folder holds %q", got)
	}
	boom := errors.New("boom")
	files := pair("c3", "")
	files[1].Fill = func(io.Writer) error { return boom }
	if err := WriteFolder(dir, files...); !errors.Is(err, boom) {
		t.Errorf("failing file: %v", err)
	}
	if got := read(t, filepath.Join(dir, "config.json")) + read(t, filepath.Join(dir, "heads.tsv")); got != "c2s2" {
		t.Errorf("after a failure the folder holds %q, want the files as they were", got)
	}
	if got := names(t, dir); got != "config.json heads.tsv notes.txt" {
		t.Errorf("the folder holds %s", got)
	}
	other := filepath.Join(filepath.Dir(dir), "other")
	if err := WriteFolder(other, files...); !errors.Is(err, boom) || names(t, filepath.Dir(dir)) != "duo" {
		t.Errorf("failing new folder: %v, beside it are %s", err, names(t, filepath.Dir(dir)))
	}
	if err := WriteFolder(filepath.Join(dir, "notes.txt"), pair("", "")...); err == nil || !strings.Contains(err.Error(), "name a folder") {
		t.Errorf("a file in the folder's place: %v", err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		dir:                                   "it is a folder; name a file",
		filepath.Join(dir, "absent", "a.csv"): "make its folder first",
	} {
		if err := WriteBytes(path, nil); err == nil || !strings.HasPrefix(err.Error(), "cannot write "+path+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// Clean removes what dead processes left, and neither a living one's file nor
// a user's.
func TestClean(t *testing.T) {
	dir := t.TempDir()
	dead, folder := filepath.Join(dir, ".a.csv.0123456789abcdef"+suffix), filepath.Join(dir, ".duo.0123456789abcdef"+suffix)
	os.WriteFile(dead, nil, 0o600)
	os.Mkdir(folder, 0o700)
	os.WriteFile(filepath.Join(folder, "config.json"), nil, 0o600)
	os.WriteFile(filepath.Join(dir, ".user.tmp"), nil, 0o600)
	err := Write(filepath.Join(dir, "b.csv"), func(w io.Writer) error {
		Clean(dir) // while b.csv's own temporary file is there
		return text("whole")(w)
	})
	if err != nil || names(t, dir) != ".user.tmp b.csv" || read(t, filepath.Join(dir, "b.csv")) != "whole" {
		t.Errorf("%v, the folder holds %s", err, names(t, dir))
	}
}
