package tensor

import (
	"os"
	"unsafe"
)

// Range says where data lies in the file; ok is false when it is no part of
// the map.
func (f *Mapped) Range(data []byte) (from, to int64, ok bool) {
	if len(data) == 0 || len(f.Data) == 0 {
		return 0, 0, false
	}
	base, at := uintptr(unsafe.Pointer(unsafe.SliceData(f.Data))), uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	if at < base || at-base > uintptr(len(f.Data)-1) {
		return 0, 0, false
	}
	from = int64(at - base)
	return from, from + int64(len(data)), true
}

// pages gives the pages of the map that bytes [from, to) touch, or, inner,
// those that lie wholly within; nil when there are none.
func (f *Mapped) pages(from, to int64, inner bool) []byte {
	size := int64(os.Getpagesize())
	from, to = max(0, from), min(to, int64(len(f.Data)))
	if inner {
		from, to = (from+size-1)/size*size, to/size*size
	} else {
		from = from / size * size
	}
	if from >= to {
		return nil
	}
	return f.Data[from:to]
}
