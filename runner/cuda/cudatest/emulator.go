// Package cudatest builds the emulated CUDA device for tests.
package cudatest

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Use builds the emulated device from the sources in folder (runner/cuda), unless
// that was done before, and makes the process load it in place of NVIDIA's
// driver. It does nothing where HEADPROF_CUDA_LIBRARY names a library or
// HEADPROF_TEST_GPU a device. The error says why it cannot be built.
func Use(folder string) error {
	if os.Getenv("HEADPROF_CUDA_LIBRARY") != "" || os.Getenv("HEADPROF_TEST_GPU") != "" {
		return nil
	}
	h := sha256.New()
	for _, pattern := range []string{"emulator/*", "kernels/*.h", "kernels/*.cu"} {
		files, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			return err
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			fmt.Fprintf(h, "%s %d\n%s", filepath.Base(f), len(data), data)
		}
	}
	library := filepath.Join(os.TempDir(), fmt.Sprintf("headprof-emulated-cuda-%x.so", h.Sum(nil)[:12]))
	if _, err := os.Stat(library); err != nil {
		made := fmt.Sprintf("%s.%d", library, os.Getpid()) // others may build it, too
		defer os.Remove(made)
		if out, err := exec.Command(filepath.Join(folder, "emulator", "build.sh"), made).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		if err := os.Rename(made, library); err != nil {
			return err
		}
	}
	return os.Setenv("HEADPROF_CUDA_LIBRARY", library)
}
