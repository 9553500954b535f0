//go:build nogpu || !(linux || darwin || windows) || !(amd64 || arm64)

package vulkan

import "errors"

// built reports whether this binary can open a Vulkan loader.
const built = false

func libraries() []string { return []string{"none"} }

func openLibrary(string, string) (uintptr, error) {
	return 0, errors.New("this binary was built without GPU support")
}

func call(uintptr, ...uintptr) uintptr { panic("vulkan: no loader in this build") }
