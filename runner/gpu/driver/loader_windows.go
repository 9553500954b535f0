//go:build windows && (amd64 || arm64) && !nogpu

package driver

import "syscall"

// Built reports whether this binary can open a driver's library.
const Built = true

func openLibrary(name string) (uintptr, error) {
	h, err := syscall.LoadLibrary(name)
	return uintptr(h), err
}

func symbol(library uintptr, name string) (uintptr, error) {
	return syscall.GetProcAddress(syscall.Handle(library), name)
}

// Call calls a C function. Pointers converted to uintptr in the argument list
// stay alive and in place until it returns.
//
//go:uintptrescapes
func Call(fn uintptr, args ...uintptr) uintptr {
	r, _, _ := syscall.SyscallN(fn, args...)
	return r
}
