package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// File is one file of a folder: its name, and what writes it.
type File struct {
	Name string
	Fill func(w io.Writer) error
}

// WriteFolder makes dir hold the given files, or leaves it as it was. A new
// folder appears with all of them at once. In a folder that is there other
// files are left alone, and the given ones are replaced once all are written:
// the last one, which readers are expected to open first, is taken away before
// and put in place after the others, so that a process killed in between
// leaves a folder that cannot be read instead of files that do not belong
// together.
func WriteFolder(dir string, files ...File) error {
	t, err := resolveFolder(dir)
	if err == nil {
		switch {
		case t.there == nil:
			err = newFolder(t.path, files)
		default:
			err = replaceIn(dir, files)
		}
	}
	if err != nil {
		return Explain(dir, err)
	}
	return nil
}

// resolveFolder follows links to a folder that need not exist yet.
func resolveFolder(dir string) (*target, error) {
	st, err := os.Stat(dir)
	switch {
	case err == nil && !st.IsDir():
		return nil, errors.New("it is a file; name a folder")
	case err == nil:
		return &target{path: dir, there: st}, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return resolve(filepath.Clean(dir))
}

// newFolder fills a temporary folder and renames it.
func newFolder(dir string, files []File) error {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	cleanOnce(parent)
	name := temporaryName(dir)
	if err := os.Mkdir(name, 0o777); err != nil {
		return err
	}
	fallback := false
	lock := holdFolder(name)
	err := func() error {
		for _, f := range files {
			if err := writeNew(filepath.Join(name, f.Name), f.Fill); err != nil {
				return err
			}
		}
		SyncFolder(name)
		err := renameOpen(lock, name, dir)
		fallback = err != nil
		return err
	}()
	if err != nil {
		if lock != nil {
			lock.Close()
		}
		os.RemoveAll(name)
	}
	if fallback { // folders cannot be renamed here, or another process made it meanwhile
		if merr := os.MkdirAll(dir, 0o777); merr != nil {
			return err
		}
		return replaceIn(dir, files)
	}
	if err != nil {
		return err
	}
	SyncFolder(parent)
	return nil
}

// writeNew writes a file where nobody looks yet.
func writeNew(path string, fill func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	err = (&temporary{file, path}).fill(fill)
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	return err
}

// replaceIn replaces files of a folder once all are written. Where that cannot
// be done by renaming, the files are written one by one.
func replaceIn(dir string, files []File) error {
	cleanOnce(dir)
	var targets []*target
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		t, err := resolve(path)
		if err != nil {
			return Explain(path, err)
		}
		targets = append(targets, t)
	}
	staged := make([]*temporary, len(files))
	defer func() {
		for _, f := range staged {
			if f != nil {
				f.discard()
			}
		}
	}()
	for i, t := range targets {
		var no *noRename
		if t.kind == through {
			return oneByOne(dir, files)
		}
		f, err := t.temporary()
		if errors.As(err, &no) {
			return oneByOne(dir, files)
		}
		if err == nil {
			staged[i] = f
			err = f.fill(files[i].Fill)
		}
		if err != nil {
			return Explain(filepath.Join(dir, files[i].Name), err)
		}
	}
	last := targets[len(targets)-1]
	aside := ""
	if len(targets) > 1 && last.there != nil {
		aside = temporaryName(last.path)
		if err := os.Rename(last.path, aside); err != nil {
			if notReplaceable(cause(err)) {
				return oneByOne(dir, files)
			}
			return err
		}
	}
	for i, t := range targets {
		err := staged[i].commit(t.path)
		staged[i] = nil
		if err == nil {
			continue
		}
		if aside != "" {
			os.Rename(aside, last.path)
			aside = ""
		}
		var no *noRename
		if errors.As(err, &no) || errors.Is(err, errVanished) {
			return oneByOne(dir, files)
		}
		return Explain(filepath.Join(dir, files[i].Name), err)
	}
	if aside != "" {
		os.Remove(aside)
	}
	SyncFolder(dir)
	return nil
}

func oneByOne(dir string, files []File) error {
	for _, f := range files {
		if err := Write(filepath.Join(dir, f.Name), f.Fill); err != nil {
			return err
		}
	}
	return nil
}
