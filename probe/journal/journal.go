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
	"unicode/utf8"

	"headprof/export/atomicfile"
)

// The files of a run's folder beside its journal.
const (
	ManifestName = "run.json"
)

// Kind is a kind of run: what its journal is called and what a line of it holds.
type Kind[R any] struct {
	File  string          // the journal's name in its folder
	Items string          // what one record is of, in the plural: "trials"
	ID    func(*R) string // names the item that a record is of
	// Check says what is wrong with a record that was read back; nil accepts all.
	Check func(*Manifest, *R) error
	// Passed tells which records the manifest's outcome counts as passed; nil: none.
	Passed func(*R) bool
	// CutOff tells which records the outcome counts as cut off in the model's
	// thinking; nil: none.
	CutOff func(*R) bool
}

// folder is a run's folder, opened for one process.
type folder struct {
	dir   string
	items string // Kind.Items
	lock  *lock
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
	if j.lock, err = takeLock(dir); err != nil {
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
		if there.Outcome.partial() != nil {
			return j, nil, fmt.Errorf("%s holds a partial merge, which cannot be continued: continue its shards and merge them, or name another folder with --out", dir)
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
	if err := j.alone(); err != nil {
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

// alone checks, where a lock may not have kept others out, that no other
// process took the folder since.
func (j *folder) alone() error {
	if j.lock == nil {
		return nil
	}
	if other, taken := j.lock.taken(); taken {
		return &TakenError{j.dir, other}
	}
	if st, err := j.file.Stat(); err == nil && st.Size() != j.size {
		return &TakenError{Dir: j.dir}
	}
	return nil
}

func (j *folder) close() {
	if j.file != nil {
		j.file.Close()
	}
	if j.lock != nil {
		j.lock.release()
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
