//go:build !linux && !darwin

package main

import "runtime"

// peakResident is what the Go runtime has had from the system, in bytes;
// mapped weights are not in it.
func peakResident() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys)
}
