package tensor

import (
	"fmt"
	"os"

	mmap "github.com/edsrzf/mmap-go"
)

// Mapped is a file mapped into memory, read-only. Its pages are read from disk
// when first touched; should another program cut the file short meanwhile,
// touching them ends this program, as with every mapped file.
type Mapped struct {
	File *os.File // for reading what should not stay resident
	Data []byte   // the whole file; nil when it is empty
	m    mmap.MMap
}

// Map maps the regular file at path.
func Map(path string) (*Mapped, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		return nil, fmt.Errorf("%s: this is no regular file (%v); give the path of a model file", path, info.Mode().Type())
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f := &Mapped{File: file}
	if info.Size() == 0 { // which cannot be mapped
		return f, nil
	}
	f.m, err = mmap.Map(file, mmap.RDONLY, 0)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: mapping the file into memory: %w", path, err)
	}
	f.Data = f.m
	return f, nil
}

// Close unmaps the file. Closing twice does nothing.
func (f *Mapped) Close() (err error) {
	if f.m != nil {
		err = f.m.Unmap()
	}
	if f.File != nil {
		if e := f.File.Close(); err == nil {
			err = e
		}
	}
	f.m, f.File, f.Data = nil, nil, nil
	return err
}
