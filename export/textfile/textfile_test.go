package textfile_test

import (
	"io"
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

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errGone }

var errGone = errorText("the disk is gone")

type errorText string

func (e errorText) Error() string { return string(e) }
