//go:build windows && (amd64 || arm64) && !nogpu

package vulkan

import "syscall"

// built reports whether this binary can open a Vulkan loader.
const built = true

func libraries() []string { return []string{"vulkan-1.dll"} }

func openLibrary(name, symbol string) (uintptr, error) {
	h, err := syscall.LoadLibrary(name)
	if err != nil {
		return 0, err
	}
	return syscall.GetProcAddress(h, symbol)
}

// call calls a C function. Pointers converted to uintptr in the argument list
// stay alive and in place until it returns.
//
//go:uintptrescapes
func call(fn uintptr, args ...uintptr) uintptr {
	r, _, _ := syscall.SyscallN(fn, args...)
	return r
}
