// Command shaders compiles the shaders in this folder to SPIR-V beside them.
// It is what `go generate ./runner/vulkan` runs and needs glslangValidator in
// the version below, the one of Debian 12's package glslang-tools; another
// version may give other bytes. -check compares instead of writing.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// version is what glslangValidator --version must report.
const version = "11:12.0.0"

func main() {
	check := flag.Bool("check", false, "fail if a committed file differs from what its source gives")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "shaders:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	out, err := exec.Command("glslangValidator", "--version").Output()
	if err != nil {
		return fmt.Errorf("glslangValidator cannot be run (Debian: apt install glslang-tools): %w", err)
	}
	if !strings.Contains(string(out), version) {
		return fmt.Errorf("glslangValidator is not version %s but %q; its output would differ", version, strings.SplitN(string(out), "\n", 2)[0])
	}
	sources, err := filepath.Glob("shaders/*.comp")
	if err != nil || len(sources) == 0 {
		return fmt.Errorf("no shaders/*.comp here; run it through go generate ./runner/vulkan")
	}
	dir, err := os.MkdirTemp("", "shaders")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, s := range sources {
		made := filepath.Join(dir, "out.spv")
		if out, err := exec.Command("glslangValidator", "-V", "--quiet", "--target-env", "vulkan1.2", "-g0", s, "-o", made).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %s", s, out)
		}
		code, err := os.ReadFile(made)
		if err != nil {
			return err
		}
		target := strings.TrimSuffix(s, ".comp") + ".spv"
		if !check {
			if err := os.WriteFile(target, code, 0o644); err != nil {
				return err
			}
			continue
		}
		if old, err := os.ReadFile(target); err != nil || !bytes.Equal(old, code) {
			return fmt.Errorf("%s is not what its source gives; run go generate ./runner/vulkan and commit", target)
		}
	}
	return nil
}
