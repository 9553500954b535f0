//go:build !linux && !darwin && !windows

package main

func freeBytes(string) (int64, bool) { return 0, false }
