package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"headprof/export/atomicfile"
)

// The files of a run's folder beside its journal.
const (
	ManifestName = "run.json"
	lockName     = ".lock"
)

// BusyError says that another process works in a folder.
type BusyError struct {
	Dir string
	PID int // 0: not known
}

func (e *BusyError) Error() string {
	who := "another headprof"
	if e.PID > 0 {
		who += " (process " + strconv.Itoa(e.PID) + ")"
	}
	return fmt.Sprintf("%s is running in %s; wait for it, or name another folder with --out", who, e.Dir)
}

// Kind is a kind of run: what its journal is called and what a line of it holds.
type Kind[R any] struct {
	File  string          // the journal's name in its folder
	Items string          // what one record is of, in the plural: "trials"
	ID    func(*R) string // names the item that a record is of
	// Check says what is wrong with a record that was read back; nil accepts all.
	Check func(*Manifest, *R) error
	// Passed tells which records the manifest's outcome counts as passed; nil: none.
	Passed func(*R) bool
}

// folder is a run's folder, opened for one process.
type folder struct {
	dir   string
	items string // Kind.Items
	lock  *os.File
	file  *os.File
	size  int64 // bytes of whole lines
}

// open locks a folder, compares or writes its manifest, and reads the records
// that are there. A torn last line is cut off.
func (k Kind[R]) open(dir string, m *Manifest) (j *folder, records []*R, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, nil, atomicfile.Explain(dir, err)
	}
	j = &folder{dir: dir, items: k.Items}
	defer func() {
		if err != nil {
			j.close()
		}
	}()
	if err := j.takeLock(); err != nil {
		return j, nil, err
	}
	atomicfile.Clean(dir)
	path := filepath.Join(dir, k.File)
	there, err := ReadManifest(dir)
	switch {
	case err == nil:
		if d := there.differences(m); len(d) > 0 {
			return j, nil, &MismatchError{dir, d}
		}
		m.Environment = there.Environment
	case errors.Is(err, os.ErrNotExist):
		if st, serr := os.Stat(path); serr == nil && st.Size() > 0 {
			return j, nil, fmt.Errorf("%s holds %s but no %s, so it cannot be told which run it belongs to; name another folder with --out or delete it", dir, k.File, ManifestName)
		}
		if err := m.write(dir); err != nil {
			return j, nil, err
		}
	default:
		return j, nil, err
	}
	if j.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return j, nil, atomicfile.Explain(path, err)
	}
	atomicfile.SyncFolder(dir)
	if records, j.size, err = k.Read(path, j.file, m); err != nil {
		return j, nil, err
	}
	return j, records, j.cut()
}

func (j *folder) takeLock() error {
	path := filepath.Join(j.dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return atomicfile.Explain(path, err)
	}
	if _, err := atomicfile.Lock(f); err != nil {
		text, _ := io.ReadAll(io.LimitReader(f, 32))
		f.Close()
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		return &BusyError{j.dir, pid}
	}
	j.lock = f
	// Who holds the lock is for the message alone; the lock counts, not the text.
	if f.Truncate(0) == nil {
		f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return nil
}

// cut drops what follows the last whole line.
func (j *folder) cut() error {
	if err := j.file.Truncate(j.size); err != nil {
		return atomicfile.Explain(j.file.Name(), err)
	}
	if _, err := j.file.Seek(j.size, io.SeekStart); err != nil {
		return atomicfile.Explain(j.file.Name(), err)
	}
	return nil
}

// append adds a record and syncs it to disk before it returns. When that fails
// the journal is left as it was.
func (j *folder) append(record any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(record); err != nil {
		return err
	}
	_, err := j.file.Write(b.Bytes())
	if err == nil {
		err = atomicfile.Sync(j.file)
	}
	if err != nil {
		j.cut()
		return fmt.Errorf("%w (the %s before this one are kept; run the same command again to continue)", atomicfile.Explain(j.file.Name(), err), j.items)
	}
	j.size += int64(b.Len())
	return nil
}

func (j *folder) close() {
	if j.file != nil {
		j.file.Close()
	}
	if j.lock != nil {
		j.lock.Truncate(0)
		j.lock.Close() // the lock ends with the file
	}
}

// Read reads a journal. size is where its whole lines end: a last line that is
// not whole, because a kill or a power cut came in between, is not an error.
// Any other bad line is; the error names file and line.
func (k Kind[R]) Read(path string, r io.Reader, m *Manifest) (records []*R, size int64, err error) {
	in := bufio.NewReaderSize(r, 1<<16)
	for n := 1; ; n++ {
		line, err := ReadLine(in)
		if err == io.EOF {
			return records, size, nil // no newline: torn or empty
		}
		if err != nil {
			return nil, 0, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		record := new(R)
		bad := json.Unmarshal(line, record)
		switch {
		case bad != nil:
			if _, err := in.Peek(1); err == io.EOF {
				return records, size, nil // a power cut may leave a last line of zeros
			}
			bad = JSONError(bad)
		case !utf8.Valid(line):
			bad = errors.New("invalid UTF-8")
		case k.Check != nil:
			bad = k.Check(m, record)
		}
		if bad != nil {
			return nil, 0, fmt.Errorf("%s:%d: %w; the journal was damaged: restore it, or delete this line and all after it to run those %s again", path, n, bad, k.Items)
		}
		records = append(records, record)
		size += int64(len(line)) + 1
	}
}
