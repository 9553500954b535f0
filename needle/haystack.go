package needle

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"unicode/utf8"

	"headprof/export/textfile"
	"headprof/fixtures/haystack"
)

// MaxHaystackBytes is the most text a haystack may hold, over all its files.
const MaxHaystackBytes = 64 << 20

// Haystack is a long text and, once asked for, its tokens. Safe for
// concurrent use.
type Haystack struct {
	id, text string

	mu     sync.Mutex
	tokens map[Tokenizer][]Token
	// Sentence ends of the text's first bytes, found as they are needed.
	ends      []int // bytes behind the last mark of each
	segmented int   // bytes seen
	state     int   // of the segmentation; 0: none yet
}

// NewHaystack makes a haystack of text already in memory. A leading byte order
// mark is dropped. Errors: no text, invalid UTF-8, more than MaxHaystackBytes.
func NewHaystack(id, text string) (*Haystack, error) {
	clean, err := cleanText(id, []byte(text))
	if err != nil {
		return nil, err
	}
	return newHaystack(id, clean)
}

func newHaystack(id, text string) (*Haystack, error) {
	if strings.TrimSpace(text) == "" {
		return nil, fmt.Errorf("haystack %s is empty; name a text file that holds some text", id)
	}
	if len(text) > MaxHaystackBytes {
		return nil, tooLong(id)
	}
	return &Haystack{id: id, text: text}, nil
}

// EmbeddedHaystack is the haystack used when none is named: Newton's Opticks
// from its first sentence on (public domain; see fixtures/haystack).
func EmbeddedHaystack() *Haystack {
	return &Haystack{id: haystack.ID, text: haystack.Text()}
}

// LoadHaystack reads UTF-8 text files and joins them in the order given, with
// a line break where a file does not end in one. Errors name the file: cannot
// be read, holds invalid UTF-8 (with its byte offset), all files together are
// empty or larger than MaxHaystackBytes.
func LoadHaystack(paths ...string) (*Haystack, error) {
	if len(paths) == 0 {
		return nil, errors.New("no haystack file named")
	}
	var text strings.Builder
	var names []string
	for _, path := range paths {
		part, err := readText(path, MaxHaystackBytes-text.Len())
		if err != nil {
			return nil, err
		}
		if s := text.String(); s != "" && !strings.HasSuffix(s, "\n") {
			text.WriteByte('\n')
		}
		text.WriteString(part)
		names = append(names, filepath.Base(path))
	}
	return newHaystack(strings.Join(names, "+"), text.String())
}

// readText reads one text file of at most limit bytes.
func readText(path string, limit int) (string, error) {
	f, err := textfile.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return "", textfile.Named(path, err)
	}
	if len(data) > limit {
		return "", tooLong(path)
	}
	return cleanText(path, data)
}

func tooLong(name string) error {
	return fmt.Errorf("%s: the haystack is longer than %d MiB; give less text", name, MaxHaystackBytes>>20)
}

// cleanText drops a byte order mark and insists on UTF-8.
func cleanText(name string, data []byte) (string, error) {
	clean, err := textfile.Clean(name, data)
	if err != nil {
		return "", err
	}
	if at := invalidUTF8(data); at >= 0 {
		return "", fmt.Errorf("%s: invalid UTF-8 at byte %d; convert the file to UTF-8 text", name, at)
	}
	return string(clean), nil
}

// invalidUTF8 is the offset of the first byte that is not UTF-8, or -1.
func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for at := 0; ; {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
}

// ID names the haystack in plans and journals: its files' base names.
func (h *Haystack) ID() string { return h.id }

// Tokens is the text tokenised by tok, computed once per tokenizer. The slice
// is shared: read it only.
func (h *Haystack) Tokens(tok Tokenizer) []Token {
	if !reflect.TypeOf(tok).Comparable() { // cannot be a map's key
		return tok.Encode(h.text)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if t, ok := h.tokens[tok]; ok {
		return t
	}
	if h.tokens == nil {
		h.tokens = make(map[Tokenizer][]Token)
	}
	t := tok.Encode(h.text)
	h.tokens[tok] = t
	return t
}
