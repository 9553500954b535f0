//go:build nogpu || !(linux || darwin || windows) || !(amd64 || arm64)

package driver

import "errors"

// Built reports whether this binary can open a driver's library.
const Built = false

func openLibrary(string) (uintptr, error) { return 0, errors.ErrUnsupported }

func symbol(uintptr, string) (uintptr, error) { return 0, errors.ErrUnsupported }

// Call calls a C function.
func Call(uintptr, ...uintptr) uintptr { panic("gpu: no driver's library in this build") }
