//go:build (linux || darwin) && (amd64 || arm64) && !nogpu

package driver

import "github.com/ebitengine/purego"

// Built reports whether this binary can open a driver's library.
const Built = true

func openLibrary(name string) (uintptr, error) {
	return purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL)
}

func symbol(library uintptr, name string) (uintptr, error) { return purego.Dlsym(library, name) }

// Call calls a C function. Pointers converted to uintptr in the argument list
// stay alive and in place until it returns.
//
//go:uintptrescapes
func Call(fn uintptr, args ...uintptr) uintptr {
	r, _, _ := purego.SyscallN(fn, args...)
	return r
}
