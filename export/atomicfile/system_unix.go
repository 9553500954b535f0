//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// ErrLocked says that another process holds a lock.
var ErrLocked = errors.New("locked by another process")

// Lock takes an exclusive lock on an open file or folder that ends with the
// process. taken is false, without an error, where the file system has no
// locks. The error is ErrLocked.
func Lock(f *os.File) (taken bool, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, ErrLocked
	}
	return err == nil, nil
}

// holdFolder opens and locks a temporary folder. nil: it cannot be opened.
func holdFolder(dir string) *os.File {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	_, _ = Lock(f)
	return f
}

// Sync syncs a file to disk, where its file system knows how to.
func Sync(f *os.File) error {
	err := f.Sync()
	for _, unable := range []error{syscall.EINVAL, syscall.ENOTSUP, syscall.EOPNOTSUPP, syscall.ENOSYS} {
		if errors.Is(err, unable) {
			return nil
		}
	}
	return err
}

// SyncFolder syncs a folder's names to disk. Many file systems cannot, and the
// files are written by then, so a failure is no error.
func SyncFolder(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		d.Close()
	}
}

// renameOpen renames an open file or folder and closes it. On failure it may
// be open still.
func renameOpen(f *os.File, from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if f != nil {
		f.Close()
	}
	return nil
}

// removeOpen removes an open file or folder and closes it.
func removeOpen(f *os.File, name string) {
	os.RemoveAll(name)
	f.Close()
}

// keepOwner gives a file the owner of the one that it replaces, where allowed.
func keepOwner(f *os.File, like fs.FileInfo) {
	want, ok := like.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	if st, err := f.Stat(); err == nil {
		if have, ok := st.Sys().(*syscall.Stat_t); ok && (have.Uid != want.Uid || have.Gid != want.Gid) {
			_ = f.Chown(int(want.Uid), int(want.Gid))
		}
	}
}

func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func readOnly(err error) bool {
	return errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// notReplaceable tells the errors of renaming onto a file that may be written
// to all the same: a mount point, another owner's file in a sticky folder.
func notReplaceable(err error) bool {
	return readOnly(err) || errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EXDEV)
}
