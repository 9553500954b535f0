//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly || windows)

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
)

// ErrLocked says that another process holds a lock.
var ErrLocked = errors.New("locked by another process")

// Lock takes no lock: there is none here that ends with its process.
func Lock(*os.File) (taken bool, err error) { return false, nil }

func holdFolder(string) *os.File { return nil }

// Sync syncs a file to disk.
func Sync(f *os.File) error { return f.Sync() }

// SyncFolder has nothing to do here.
func SyncFolder(string) {}

func renameOpen(f *os.File, from, to string) error {
	if f != nil {
		f.Close()
	}
	return os.Rename(from, to)
}

func removeOpen(f *os.File, name string) {
	f.Close()
	os.RemoveAll(name)
}

func keepOwner(*os.File, fs.FileInfo) {}

func diskFull(error) bool { return false }

func readOnly(err error) bool { return errors.Is(err, os.ErrPermission) }

func notReplaceable(err error) bool { return readOnly(err) }
