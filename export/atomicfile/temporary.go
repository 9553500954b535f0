package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// suffix ends the names of temporary files and folders; they begin with a dot.
const suffix = ".headprof-tmp"

// abandoned is how old a temporary file is before it is removed where locks
// cannot tell whether its process lives.
const abandoned = 24 * time.Hour

// errVanished says that a temporary file was removed while it was written.
var errVanished = errors.New("its temporary file was removed while it was written")

// temporary is a file under a temporary name. Its lock tells other processes
// that it is in use.
type temporary struct {
	file *os.File
	name string
}

// temporaryName is a new name beside path, short enough for every file system.
func temporaryName(path string) string {
	dir, base := filepath.Split(path)
	base = strings.ToValidUTF8(base[:min(len(base), 100)], "")
	return fmt.Sprintf("%s.%s.%016x%s", dir, base, rand.Uint64(), suffix)
}

// temporary makes a temporary file beside a target, with its owner and mode
// where the system allows.
func (t *target) temporary() (*temporary, error) {
	var last error
	for range attempts {
		name := temporaryName(t.path)
		file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, t.mode|0o200)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			if readOnly(cause(err)) {
				err = &noRename{"no temporary file can be made in its folder", err}
			}
			return nil, err
		}
		f := &temporary{file, name}
		if _, err := Lock(file); err != nil || !f.stands() {
			last = errVanished // a process that cleaned up took it before it was locked
			f.discard()
			continue
		}
		if t.there != nil {
			keepOwner(file, t.there)
			_ = file.Chmod(t.mode) // CIFS, exFAT and FUSE may have no modes
		}
		return f, nil
	}
	if last == nil {
		last = errors.New("no name for a temporary file is free")
	}
	return nil, last
}

// stands says whether the name still leads to the file.
func (f *temporary) stands() bool {
	a, err := f.file.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(f.name)
	return err == nil && os.SameFile(a, b)
}

func (f *temporary) discard() {
	f.file.Close()
	os.Remove(f.name)
}

// commit gives the file its name. On failure it is gone.
func (f *temporary) commit(path string) error {
	err := renameOpen(f.file, f.name, path)
	if err == nil {
		return nil
	}
	if _, gone := os.Lstat(f.name); errors.Is(gone, fs.ErrNotExist) && errors.Is(err, fs.ErrNotExist) {
		err = errVanished
	} else if notReplaceable(cause(err)) {
		err = &noRename{"it cannot be replaced by another file", err}
	}
	f.discard()
	return err
}

var cleaned sync.Map // folders that this process has cleaned

func cleanOnce(dir string) {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	if _, done := cleaned.LoadOrStore(dir, true); !done {
		Clean(dir)
	}
}

// Clean removes from a folder the temporary files and folders of processes
// that were killed. Those of processes that are alive stay. What cannot be
// removed is left for the next time.
func Clean(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") || !strings.HasSuffix(e.Name(), suffix) {
			continue
		}
		if e.IsDir() || e.Type().IsRegular() {
			removeUnused(filepath.Join(dir, e.Name()))
		}
	}
}

func removeUnused(name string) {
	f, err := os.Open(name)
	if err != nil {
		return
	}
	locked, err := Lock(f)
	if err != nil { // its process lives
		f.Close()
		return
	}
	if !locked {
		if st, err := f.Stat(); err != nil || time.Since(st.ModTime()) < abandoned {
			f.Close()
			return
		}
	}
	removeOpen(f, name)
}
