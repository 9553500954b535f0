package tensor

import "golang.org/x/sys/unix"

// Ahead asks the system to read bytes [from, to) of the file before they are
// touched, and returns without waiting for them.
func (f *Mapped) Ahead(from, to int64) {
	if b := f.pages(from, to, false); b != nil {
		// A hint: where it is refused, pages are read when touched.
		_ = unix.Madvise(b, unix.MADV_WILLNEED)
	}
}

// Drop gives back the memory of whole pages within bytes [from, to); they are
// read again when touched.
func (f *Mapped) Drop(from, to int64) {
	b := f.pages(from, to, true)
	if b == nil {
		return
	}
	_ = unix.Madvise(b, unix.MADV_DONTNEED)
	// The system's own copy, too: it would push out what is kept.
	start, end, _ := f.Range(b)
	_ = unix.Fadvise(int(f.File.Fd()), start, end-start, unix.FADV_DONTNEED)
}
