package textfile_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headprof/export/textfile"
)

// Byte order marks are those of the Unicode Standard, table 23-6.
func TestAByteOrderMarkIsDroppedAndWideTextNamed(t *testing.T) {
	utf16 := func(s string, low, high int) string {
		b := make([]byte, 2*len(s))
		for i := range s {
			b[2*i+low], b[2*i+high] = s[i], 0
		}
		return string(b)
	}
	for _, c := range []struct{ name, data, want, encoding string }{
		{"plain", `{"a": 1}`, `{"a": 1}`, ""},
		{"marked", "\xef\xbb\xbf{}", "{}", ""},
		{"only the first mark", "\xef\xbb\xbf\xef\xbb\xbf{}", "\xef\xbb\xbf{}", ""},
		{"mark alone", "\xef\xbb\xbf", "", ""},
		{"empty", "", "", ""},
		{"one byte", "x", "x", ""},
		{"two bytes", "\xef\xbb", "\xef\xbb", ""},
		{"long", strings.Repeat("ab", 100_000), strings.Repeat("ab", 100_000), ""},
		{"a zero within", "ab\x00cd", "ab\x00cd", ""},
		{"zeros alone", "\x00\x00\x00\x00", "\x00\x00\x00\x00", ""},
		{"UTF-16 little-endian", "\xff\xfe" + utf16("{}", 0, 1), "", "UTF-16LE"},
		{"UTF-16 big-endian", "\xfe\xff" + utf16("{}", 1, 0), "", "UTF-16BE"},
		{"UTF-32 little-endian", "\xff\xfe\x00\x00{\x00\x00\x00", "", "UTF-32LE"},
		{"UTF-32 big-endian", "\x00\x00\xfe\xff\x00\x00\x00{", "", "UTF-32BE"},
		{"unmarked little-endian", utf16("hello", 0, 1), "", "UTF-16LE"},
		{"two characters", utf16("hi", 0, 1), "", "UTF-16LE"},
		{"less than two characters", "h\x00i", "h\x00i", ""},
		{"bytes that are no ASCII", "\x80\x00\x80\x00", "\x80\x00\x80\x00", ""},
		{"unmarked big-endian", utf16(strings.Repeat("hello ", 40), 1, 0), "", "UTF-16BE"},
	} {
		check := func(got string, err error) {
			t.Helper()
			switch {
			case c.encoding == "" && (err != nil || got != c.want):
				t.Errorf("%s: %.20q, %v", c.name, got, err)
			case c.encoding != "" && (err == nil || !strings.Contains(err.Error(), "my.txt is "+c.encoding+" text")):
				t.Errorf("%s: %v", c.name, err)
			}
		}
		clean, err := textfile.Clean("my.txt", []byte(c.data))
		check(string(clean), err)
		r, dropped, err := textfile.NewReader("my.txt", strings.NewReader(c.data))
		if err != nil {
			check("", err)
			continue
		}
		all, err := io.ReadAll(r)
		check(string(all), err)
		if dropped != len(c.data)-len(c.want) {
			t.Errorf("%s: %d bytes dropped", c.name, dropped)
		}
	}
}

func TestAReadersErrorIsNamed(t *testing.T) {
	_, _, err := textfile.NewReader("my.txt", broken{})
	if err == nil || err.Error() != "my.txt: the disk is gone" {
		t.Errorf("%v", err)
	}
}

// A folder is no text, and a file that is not there is named once.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	if _, err := textfile.Open(dir); err == nil || err.Error() != dir+" is a directory; name a file" {
		t.Errorf("a folder: %v", err)
	}
	name := filepath.Join(dir, "a.txt")
	_, err := textfile.Open(name)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if got := textfile.Named(name, err).Error(); strings.Count(got, name) != 1 {
		t.Errorf("named %q", got)
	}
	if got := textfile.Named("other.txt", err).Error(); !strings.HasPrefix(got, "other.txt: open "+name) {
		t.Errorf("of another file: %q", got)
	}
	if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := textfile.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errGone }

var errGone = errorText("the disk is gone")

type errorText string

func (e errorText) Error() string { return string(e) }
