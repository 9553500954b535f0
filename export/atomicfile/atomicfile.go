// Package atomicfile writes files and folders that appear whole or not at all.
//
// A file is written under a temporary name in its folder, synced to disk and
// renamed, so that neither a reader nor a killed process ever sees half of it.
// What a killed process left under such a name is removed by the next one that
// writes into the folder, or by Clean.
//
// What stands at the path is respected: links are followed, devices and pipes
// are written to, a file keeps its mode. Where a mode cannot be set, a folder
// cannot be synced or a lock cannot be taken (CIFS, exFAT, FUSE), the file is
// written all the same. Where no temporary file can be made, the file is
// written in place and Warn says so.
package atomicfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Stdout is the path of standard output. The file of that name is "./-".
const Stdout = "-"

// Warn receives what a user should know of a file that was written: one
// sentence without a full stop.
var Warn = func(message string) { fmt.Fprintf(os.Stderr, "warning: %s\n", message) }

// attempts bounds how often a file is written anew because its temporary file
// was removed by a process that could not see its lock.
const attempts = 3

// Write makes path hold what fill writes, or leaves it as it was. fill may be
// called again after it succeeded, and must then write the same. The error
// names the file and, where something can be done about it, what.
func Write(path string, fill func(w io.Writer) error) error {
	t, err := resolve(path)
	if err != nil {
		return Explain(path, err)
	}
	if t.kind == through {
		if err := t.writeThrough(fill); err != nil {
			return Explain(path, err)
		}
		return nil
	}
	cleanOnce(filepath.Dir(t.path))
	for range attempts {
		err = t.replace(fill)
		if !errors.Is(err, errVanished) {
			break
		}
	}
	var no *noRename
	if errors.As(err, &no) {
		if err = t.writePlain(fill, no.err); err == nil {
			Warn(fmt.Sprintf("%s was written in place (%v); an interruption would have left part of it", path, no))
		}
	}
	if err != nil {
		return Explain(path, err)
	}
	return nil
}

// WriteBytes is Write for data that is at hand.
func WriteBytes(path string, data []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// noRename says that a file cannot be replaced by renaming, though it may be
// possible to write to it.
type noRename struct {
	what string
	err  error
}

func (e *noRename) Error() string { return e.what + ": " + cause(e.err).Error() }
func (e *noRename) Unwrap() error { return e.err }

// replace writes a temporary file and renames it.
func (t *target) replace(fill func(io.Writer) error) error {
	f, err := t.temporary()
	if err != nil {
		return err
	}
	if err := f.fill(fill); err != nil {
		f.discard()
		return err
	}
	if err := f.commit(t.path); err != nil {
		return err
	}
	SyncFolder(filepath.Dir(t.path))
	return nil
}

// writeThrough writes to what stands at the path: standard output, a device, a
// pipe. Nothing is written when fill fails.
func (t *target) writeThrough(fill func(io.Writer) error) error {
	var b bytes.Buffer
	if err := fill(&b); err != nil {
		return err
	}
	if t.path == Stdout {
		_, err := os.Stdout.Write(b.Bytes())
		return err
	}
	f, err := os.OpenFile(t.path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(b.Bytes())
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// writePlain writes a file in place. It is left as it was when fill fails or
// when it cannot be opened; the error is then why, which is reason.
func (t *target) writePlain(fill func(io.Writer) error, reason error) error {
	var b bytes.Buffer
	if err := fill(&b); err != nil {
		return err
	}
	f, err := os.OpenFile(t.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, t.mode)
	if err != nil {
		return reason
	}
	_, err = f.Write(b.Bytes())
	if err == nil {
		err = Sync(f)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("%w (it was written in place and now holds a part)", cause(err))
	}
	return nil
}

// fill runs a callback on a buffered file and syncs the file.
func (f *temporary) fill(fill func(io.Writer) error) error {
	w := bufio.NewWriterSize(f.file, 1<<16)
	if err := fill(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return Sync(f.file)
}

// Explain adds to the error of a file or folder its path and what can be done.
func Explain(path string, err error) error {
	var done *Error
	if errors.As(err, &done) {
		return err
	}
	return &Error{Path: path, Err: err}
}

// Error is a failure to write a file or folder.
type Error struct {
	Path string
	Err  error
}

func (e *Error) Unwrap() error { return e.Err }

func (e *Error) Error() string {
	err := cause(e.Err)
	text := fmt.Sprintf("cannot write %s: %v", e.Path, err)
	switch {
	case diskFull(err):
		return text + "; free some space"
	case readOnly(err):
		return text + "; make its folder writable or name another one with --out"
	case errors.Is(err, fs.ErrNotExist):
		return text + "; make its folder first, or check the path"
	}
	return text
}

// cause is a system's error without the call and the path, which may be that
// of a temporary file. Errors of other kinds are left alone.
func cause(err error) error {
	switch e := err.(type) {
	case *fs.PathError:
		return e.Err
	case *os.LinkError:
		return e.Err
	case *os.SyscallError:
		return e.Err
	case *noRename:
		return cause(e.err)
	}
	return err
}
