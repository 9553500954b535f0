package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

type kind int

const (
	replaced kind = iota // a regular file, or nothing yet
	through              // standard output, a device, a pipe
)

// target is what a path leads to.
type target struct {
	path  string // links followed
	kind  kind
	mode  fs.FileMode // of the file to write
	there fs.FileInfo // nil: no file is there
}

const maxLinks = 40

// resolve follows links, to a file that need not exist yet.
func resolve(path string) (*target, error) {
	if path == Stdout {
		return &target{path: Stdout, kind: through}, nil
	}
	if path == "" {
		return nil, errors.New("the name is empty")
	}
	for range maxLinks {
		if n, ok := descriptor(path); ok {
			if n == "1" {
				path = Stdout // its own description: appends where a shell's >> does
			}
			return &target{path: path, kind: through}, nil
		}
		st, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return &target{path: path, mode: 0o666}, nil
		case err != nil:
			return nil, err
		case st.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			if err != nil {
				return nil, err
			}
			if !filepath.IsAbs(to) {
				to = filepath.Join(realDir(path), to)
			}
			path = to
			continue
		case st.IsDir():
			return nil, errors.New("it is a folder; name a file")
		case st.Mode().IsRegular():
			return &target{path: path, mode: st.Mode().Perm(), there: st}, nil
		}
		return &target{path: path, kind: through}, nil
	}
	return nil, fmt.Errorf("more than %d links follow one another", maxLinks)
}

// realDir is a path's folder without links, so that ".." in a link means what
// the system means by it.
func realDir(path string) string {
	dir := filepath.Dir(path)
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	return dir
}

// IsStdout says whether a path names standard output.
func IsStdout(path string) bool {
	n, ok := descriptor(path)
	return path == Stdout || ok && n == "1"
}

// descriptor tells paths that name an open file of this process.
func descriptor(path string) (number string, ok bool) {
	switch path {
	case "/dev/stdout":
		return "1", true
	case "/dev/stderr":
		return "2", true
	}
	for _, prefix := range []string{"/dev/fd/", "/proc/self/fd/"} {
		if n, ok := strings.CutPrefix(path, prefix); ok {
			return n, true
		}
	}
	return "", false
}
