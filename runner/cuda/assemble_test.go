package cuda

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"headprof/fixtures/reference"
	"headprof/runner/gpu/driver"
	"headprof/runner/tensor"
)

// everyKernel is each kernel once, as a model of 128-dimensional heads has it.
func everyKernel() (all []driver.Program) {
	for kernel := range sources {
		switch kernel {
		case "linear":
			for _, t := range [][4]uint32{{1, 64, 1, 1}, {8, 64, 2, 4}, {32, 64, 4, 8}, {64, 64, 8, 8}} {
				all = append(all, driver.Program{Kernel: kernel, Constants: [10]uint32{64, uint32(tensor.Q4_K), t[0], t[1], t[2], t[3]}})
			}
		case "attend":
			for _, d := range [][2]uint32{{64, 16}, {128, 16}, {256, 8}} {
				all = append(all, driver.Program{Kernel: kernel, Constants: [10]uint32{64, 1, d[0], d[0], d[1], 0}})
			}
		case "watch":
			all = append(all, driver.Program{Kernel: kernel, Constants: [10]uint32{64, 1, 128, 0}})
		default:
			all = append(all, driver.Program{Kernel: kernel, Constants: [10]uint32{64}})
		}
	}
	return all
}

var spills = regexp.MustCompile(`(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads`)

// NVIDIA's assembler takes each kernel's text, constants filled in, for each
// architecture, and finds registers for all of its numbers.
func TestPTXAssembles(t *testing.T) {
	ptxas, err := exec.LookPath("ptxas")
	if named := os.Getenv("PTXAS"); named != "" {
		ptxas, err = named, nil
	}
	if err != nil {
		reference.Missing(t, "no ptxas (PyPI: nvidia-cuda-nvcc; PTXAS names it)")
	}
	source := filepath.Join(t.TempDir(), "kernel.ptx")
	for _, p := range everyKernel() {
		ptx, err := text(p)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(ptx, "CONSTANT_") || strings.Count(ptx, ".entry") != 1 {
			t.Fatalf("the text of %v is not one kernel with its constants", p)
		}
		if err := os.WriteFile(source, []byte(ptx), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, arch := range []int{75, 80, 86, 89, 90, 100} {
			out, err := exec.Command(ptxas, fmt.Sprintf("-arch=sm_%d", arch), "-v", source, "-o", os.DevNull).CombinedOutput()
			if err != nil {
				t.Errorf("%s, sm_%d: %v\n%s", entry(p), arch, err, out)
				continue
			}
			m := spills.FindSubmatch(out)
			if m == nil || string(m[1]) != "0" || string(m[2]) != "0" || string(m[3]) != "0" {
				t.Errorf("%s, sm_%d: registers do not suffice\n%s", entry(p), arch, out)
			}
		}
	}
}
