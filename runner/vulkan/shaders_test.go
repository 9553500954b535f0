package vulkan

import (
	"headprof/fixtures/reference"
	"os/exec"
	"strings"
	"testing"
)

// The committed SPIR-V is what the committed GLSL compiles to.
func TestShadersAreUpToDate(t *testing.T) {
	out, err := exec.Command("glslangValidator", "--version").Output()
	if err != nil {
		reference.Missing(t, "no glslangValidator (Debian 12: apt install glslang-tools)")
	}
	if !strings.Contains(string(out), "11:12.0.0") {
		t.Skipf("glslangValidator is not Debian 12's 12.0.0 but %q", strings.SplitN(string(out), "\n", 2)[0])
	}
	if out, err := exec.Command("go", "run", "./shaders", "-check").CombinedOutput(); err != nil {
		t.Errorf("%s", out)
	}
}
