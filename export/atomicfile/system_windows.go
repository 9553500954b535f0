package atomicfile

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// ErrLocked says that another process holds a lock.
var ErrLocked = errors.New("locked by another process")

// Lock takes an exclusive lock on an open file that ends with the process.
// taken is false, without an error, where the file system has no locks. The
// error is ErrLocked. The locked byte lies far behind the file's end, so that
// its text stays readable.
func Lock(f *os.File) (taken bool, err error) {
	at := windows.Overlapped{OffsetHigh: 0x7fffffff}
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, ErrLocked
	}
	return err == nil, nil
}

// holdFolder has nothing to do: folders cannot be locked.
func holdFolder(string) *os.File { return nil }

// Sync syncs a file to disk, where its file system knows how to.
func Sync(f *os.File) error {
	err := f.Sync()
	if errors.Is(err, windows.ERROR_INVALID_FUNCTION) || errors.Is(err, windows.ERROR_NOT_SUPPORTED) {
		return nil
	}
	return err
}

// SyncFolder has nothing to do: NTFS journals its folders.
func SyncFolder(string) {}

// renameOpen closes a file, which cannot be renamed while it is open, and
// renames it.
func renameOpen(f *os.File, from, to string) error {
	if f != nil {
		if err := f.Close(); err != nil {
			return err
		}
	}
	return os.Rename(from, to)
}

// removeOpen closes and removes a file or folder, which cannot be removed
// while it is open.
func removeOpen(f *os.File, name string) {
	f.Close()
	os.RemoveAll(name)
}

// keepOwner has nothing to do: a new file's owner comes from its folder.
func keepOwner(*os.File, fs.FileInfo) {}

func diskFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

func readOnly(err error) bool {
	return errors.Is(err, os.ErrPermission) || errors.Is(err, windows.ERROR_WRITE_PROTECT)
}

// notReplaceable tells the errors of renaming onto a file that may be written
// to all the same.
func notReplaceable(err error) bool {
	return readOnly(err) || errors.Is(err, windows.ERROR_SHARING_VIOLATION)
}
