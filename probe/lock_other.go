//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly || windows)

package probe

import (
	"errors"
	"os"
)

func lockFile(*os.File) error { return nil } // no lock that dies with its process

func syncDir(string) error { return nil }

func diskFull(error) bool { return false }

func readOnly(err error) bool { return errors.Is(err, os.ErrPermission) }
