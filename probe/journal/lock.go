package journal

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"headprof/export/atomicfile"
)

const lockName = ".lock"

// BusyError says that another process works in a folder.
type BusyError struct {
	Dir string
	By  Holder
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("%s is running in %s; wait for it, or name another folder with --out", e.By, e.Dir)
}

// TakenError says that another process began to work in a folder where locks do
// not reach it: on a network file system whose locks are each machine's own, or
// one without locks.
type TakenError struct {
	Dir string
	By  Holder
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("%s took over %s, whose file system does not keep it out; this process stops and leaves the folder to it", e.By, e.Dir)
}

// Holder is the process that a lock names. Zero: not known.
type Holder struct {
	PID  int
	Host string
}

func (h Holder) String() string {
	switch {
	case h.PID > 0:
		return fmt.Sprintf("another headprof (process %d on %s)", h.PID, h.Host)
	}
	return "another headprof"
}

// lock is a folder's lock, in two parts: a lock of the operating system, which
// keeps others out, and a text that names its holder, from which a process that
// a second one got past the first part learns of it.
type lock struct {
	file *os.File
	path string
	text []byte // nil: could not be written
}

// takeLock takes a folder's lock. The error is a [BusyError] where another
// process holds it.
func takeLock(dir string) (*lock, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, atomicfile.Explain(path, err)
	}
	held, err := atomicfile.Lock(f)
	if err != nil {
		text, _ := io.ReadAll(io.LimitReader(f, maxHolder))
		f.Close()
		return nil, &BusyError{dir, readHolder(text)}
	}
	if !held {
		atomicfile.Warn(fmt.Sprintf("the file system of %s has no locks; a second process in it would not be kept out, but this one stops when it sees one", dir))
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "?"
	}
	l := &lock{file: f, path: path, text: fmt.Appendf(nil, "%d %s %016x\n", os.Getpid(), host, rand.Uint64())}
	if l.write() != nil {
		l.text = nil // a full disk: what it keeps the run from is said when a record is written
	}
	return l, nil
}

const maxHolder = 512

func (l *lock) write() error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt(l.text, 0)
	if err == nil {
		err = atomicfile.Sync(l.file) // a network file system shows it to others then
	}
	return err
}

// taken says whether another process holds the lock by now. The file is opened
// anew, since network file systems show what others wrote at opening.
func (l *lock) taken() (Holder, bool) {
	f, err := os.Open(l.path)
	if err != nil {
		return Holder{}, false // removed by hand, or not readable just now
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxHolder))
	return readHolder(text), err == nil && len(text) > 0 && l.text != nil && !bytes.Equal(text, l.text)
}

func readHolder(text []byte) Holder {
	words := strings.Fields(string(text))
	if len(words) < 2 {
		return Holder{}
	}
	pid, _ := strconv.Atoi(words[0])
	return Holder{pid, words[1]}
}

// release gives the lock up.
func (l *lock) release() {
	if _, taken := l.taken(); !taken {
		l.file.Truncate(0)
	}
	l.file.Close() // the lock ends with the file
}
