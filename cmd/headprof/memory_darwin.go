package main

import "golang.org/x/sys/unix"

// availableMemory is the machine's memory in bytes; 0: unknown. macOS gives
// back caches and compresses, so what is free at the moment says little.
func availableMemory() int64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0
	}
	return int64(n)
}
