package needle_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headprof/needle"
)

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestHaystackFilesAreJoinedInOrderAndByteOrderMarksDropped(t *testing.T) {
	h, err := needle.LoadHaystack(
		writeFile(t, "one.txt", "\ufeffOne."),
		writeFile(t, "two.txt", "\ufeffTwo.\n"),
		writeFile(t, "empty.txt", ""),
		writeFile(t, "three.txt", "Drei\u00df."))
	if err != nil {
		t.Fatal(err)
	}
	if want := "One.\nTwo.\nDrei\u00df."; h.Text() != want {
		t.Errorf("%q, want %q", h.Text(), want)
	}
	if want := "one.txt+two.txt+empty.txt+three.txt"; h.ID() != want {
		t.Errorf("id %q", h.ID())
	}
}

func TestBadHaystacksAreRefused(t *testing.T) {
	empty := writeFile(t, "empty.txt", " \n\t\n")
	_, err := needle.LoadHaystack(empty)
	wantError(t, err, "empty.txt is empty")

	// Seven good bytes, then a Latin-1 é.
	latin := writeFile(t, "latin.txt", "un caf\xc3\xa9, deux caf\xe9s")
	_, err = needle.LoadHaystack(latin)
	wantError(t, err, latin, "invalid UTF-8 at byte 18")

	_, err = needle.LoadHaystack(writeFile(t, "first.txt", "\xe9t\xe9"))
	wantError(t, err, "invalid UTF-8 at byte 0")

	_, err = needle.LoadHaystack(filepath.Join(t.TempDir(), "absent.txt"))
	wantError(t, err, "absent.txt")
	_, err = needle.LoadHaystack()
	wantError(t, err, "no haystack file")
	_, err = needle.LoadHaystack(t.TempDir())
	wantError(t, err, "directory")

	big := writeFile(t, "big.txt", "x")
	if err := os.Truncate(big, needle.MaxHaystackBytes+1); err != nil { // sparse
		t.Fatal(err)
	}
	_, err = needle.LoadHaystack(big)
	wantError(t, err, big, "longer than 64 MiB")
}

type countingTokenizer struct {
	fakeTokenizer
	calls int
}

func (c *countingTokenizer) Encode(text string) []needle.Token {
	c.calls++
	return c.fakeTokenizer.Encode(text)
}

func TestAHaystackIsTokenisedOncePerTokenizer(t *testing.T) {
	h := sentences(t, 3)
	a, b := &countingTokenizer{}, &countingTokenizer{}
	for range 3 {
		if got := len(h.Tokens(a)); got != 12 {
			t.Errorf("%d tokens, want 12", got)
		}
	}
	h.Tokens(b)
	if a.calls != 1 || b.calls != 1 {
		t.Errorf("encoded %d and %d times, want once each", a.calls, b.calls)
	}
}

func TestTheEmbeddedHaystackBeginsWithTheTreatise(t *testing.T) {
	h := needle.EmbeddedHaystack()
	if h.ID() != "opticks" || !strings.HasPrefix(h.Text(), "My Design in this Book") {
		t.Errorf("%s begins %.40q", h.ID(), h.Text())
	}
}
