package main

import (
	"runtime/debug"

	"headprof/export"
)

// release is set when a release is built.
var release = ""

func init() { export.Version = version() }

// version names this build.
func version() string {
	if release != "" {
		return release
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" && b.Main.Version != "(devel)" {
		return b.Main.Version
	}
	return "devel"
}
