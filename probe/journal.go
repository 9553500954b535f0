package probe

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

// The files of a run's folder that this package writes.
const (
	manifestName = "run.json"
	journalName  = "trials.jsonl"
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

// journal is a run's folder, opened for one process.
type journal struct {
	dir  string
	lock *os.File
	file *os.File
	size int64 // bytes of whole lines
}

// openJournal locks a folder, compares or writes its manifest, and reads the
// records that are there. A torn last line is cut off.
func openJournal(dir string, m *Manifest) (j *journal, records []*Record, err error) {
	j, err = openFolder(dir, journalName, m, func(path string, r io.Reader) (size int64, err error) {
		records, size, err = readRecords(path, r, m.Model.Layers, m.Model.Heads)
		return size, err
	})
	return j, records, err
}

// openFolder is openJournal for journals of any name and kind of line: read
// takes the lines that are there and gives the bytes of whole ones.
func openFolder(dir, name string, m *Manifest, read func(path string, r io.Reader) (int64, error)) (j *journal, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, atomicfile.Explain(dir, err)
	}
	j = &journal{dir: dir}
	defer func() {
		if err != nil {
			j.close()
		}
	}()
	if err := j.takeLock(); err != nil {
		return j, err
	}
	atomicfile.Clean(dir)
	path := filepath.Join(dir, name)
	there, err := ReadManifest(dir)
	switch {
	case err == nil:
		if d := there.differences(m); len(d) > 0 {
			return j, &MismatchError{dir, d}
		}
		m.Environment = there.Environment
	case errors.Is(err, os.ErrNotExist):
		if st, serr := os.Stat(path); serr == nil && st.Size() > 0 {
			return j, fmt.Errorf("%s holds %s but no %s, so it cannot be told which run it belongs to; name another folder with --out or delete it", dir, name, manifestName)
		}
		if err := m.write(dir); err != nil {
			return j, err
		}
	default:
		return j, err
	}
	if j.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return j, atomicfile.Explain(path, err)
	}
	atomicfile.SyncFolder(dir)
	if j.size, err = read(path, j.file); err != nil {
		return j, err
	}
	if err := j.cut(); err != nil {
		return j, err
	}
	return j, nil
}

func (j *journal) takeLock() error {
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

// cut drops what stands behind the last whole line.
func (j *journal) cut() error {
	if err := j.file.Truncate(j.size); err != nil {
		return atomicfile.Explain(j.file.Name(), err)
	}
	if _, err := j.file.Seek(j.size, io.SeekStart); err != nil {
		return atomicfile.Explain(j.file.Name(), err)
	}
	return nil
}

// append adds a record and syncs it to disk. When that fails
// the journal is left as it was.
func (j *journal) append(r *Record) error {
	line, err := encodeRecord(r)
	if err != nil {
		return err
	}
	return j.write(line)
}

func (j *journal) write(line []byte) error {
	_, err := j.file.Write(line)
	if err == nil {
		err = atomicfile.Sync(j.file)
	}
	if err != nil {
		j.cut()
		return fmt.Errorf("%w (the trials before this one are kept; run the same command again to continue)", atomicfile.Explain(j.file.Name(), err))
	}
	j.size += int64(len(line))
	return nil
}

func (j *journal) close() {
	if j.file != nil {
		j.file.Close()
	}
	if j.lock != nil {
		j.lock.Truncate(0)
		j.lock.Close() // the lock ends with the file
	}
}

func encodeRecord(r *Record) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return nil, fmt.Errorf("trial %s: %w", r.ID, err)
	}
	return b.Bytes(), nil
}

// readRecords reads a journal. size is where its whole lines end: a last line
// that is not whole, because a kill or a power cut came in between, is not an
// error. Any other bad line is.
func readRecords(path string, r io.Reader, layers, heads int) (records []*Record, size int64, err error) {
	in := bufio.NewReaderSize(r, 1<<16)
	for n := 1; ; n++ {
		line, err := readLine(in)
		if err == io.EOF {
			return records, size, nil // no newline: torn or empty
		}
		if err != nil {
			return nil, 0, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		rec := new(Record)
		perr := json.Unmarshal(line, rec)
		if perr != nil {
			if _, err := in.Peek(1); err == io.EOF {
				return records, size, nil // a power cut may leave a last line of zeros
			}
			perr = jsonError(perr)
		} else if perr = rec.check(layers, heads); perr == nil && !utf8.Valid(line) {
			perr = errors.New("invalid UTF-8")
		}
		if perr != nil {
			return nil, 0, fmt.Errorf("%s:%d: %w; the journal was damaged: restore it, or delete this line and all after it to run those trials again", path, n, perr)
		}
		records = append(records, rec)
		size += int64(len(line)) + 1
	}
}
