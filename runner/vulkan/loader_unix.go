//go:build (linux || darwin) && (amd64 || arm64) && !nogpu

package vulkan

import (
	"runtime"

	"github.com/ebitengine/purego"
)

// built reports whether this binary can open a Vulkan loader.
const built = true

// libraries are the names under which a Vulkan loader is installed.
func libraries() []string {
	if runtime.GOOS == "darwin" {
		return []string{"libvulkan.1.dylib", "libvulkan.dylib", "libMoltenVK.dylib",
			"/opt/homebrew/lib/libvulkan.1.dylib", "/usr/local/lib/libvulkan.1.dylib",
			"/opt/homebrew/lib/libMoltenVK.dylib", "/usr/local/lib/libMoltenVK.dylib"}
	}
	return []string{"libvulkan.so.1", "libvulkan.so"}
}

// openLibrary loads a shared library and finds one of its functions.
func openLibrary(name, symbol string) (uintptr, error) {
	h, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return 0, err
	}
	return purego.Dlsym(h, symbol)
}

// call calls a C function. Pointers converted to uintptr in the argument list
// stay alive and in place until it returns.
//
//go:uintptrescapes
func call(fn uintptr, args ...uintptr) uintptr {
	r, _, _ := purego.SyscallN(fn, args...)
	return r
}
