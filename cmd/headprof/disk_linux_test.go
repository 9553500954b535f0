package main

import (
	"fmt"
	"syscall"
)

// mountSmall makes dir a memory file system of a few KiB, which only root may.
func mountSmall(dir string, kib int) (unmount func(), err error) {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dk", kib)); err != nil {
		return nil, err
	}
	return func() { syscall.Unmount(dir, syscall.MNT_DETACH) }, nil
}
