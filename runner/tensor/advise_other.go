//go:build !linux && !darwin

package tensor

// Ahead does nothing here: pages are read when touched.
func (f *Mapped) Ahead(from, to int64) {}

// Drop does nothing here: the system takes pages back when it needs them.
func (f *Mapped) Drop(from, to int64) {}
