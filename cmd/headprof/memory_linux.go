package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// availableMemory is the memory that can be had without swapping, in bytes: of
// the machine, or of the control group where that is less. 0: unknown.
func availableMemory() int64 {
	var free int64
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var kb int64
		if n, _ := fmt.Sscanf(s.Text(), "MemAvailable: %d kB", &kb); n == 1 {
			free = kb << 10
		}
	}
	read := func(path string) (int64, bool) {
		b, err := os.ReadFile(path)
		if err != nil {
			return 0, false
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		return n, err == nil
	}
	if limit, ok := read("/sys/fs/cgroup/memory.max"); ok {
		used, _ := read("/sys/fs/cgroup/memory.current")
		free = min(free, max(0, limit-used))
	}
	return free
}
