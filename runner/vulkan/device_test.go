package vulkan

import (
	"headprof/fixtures/reference"
	"os"
	"strconv"
	"sync"
	"testing"
)

var testBackends sync.Map // Options → *Backend, kept for the whole test run

// software gives the index of a device to test on: HEADPROF_TEST_GPU's number,
// or the first software device.
func software(t testing.TB) int {
	t.Helper()
	all, err := Devices()
	if err != nil {
		reference.Missing(t, err.Error())
	}
	if n, err := strconv.Atoi(os.Getenv("HEADPROF_TEST_GPU")); err == nil && n < len(all) {
		return n
	}
	for _, d := range all {
		if d.Kind == Software && d.Problem == "" {
			return d.Index
		}
	}
	reference.Missing(t, "no software Vulkan device (Debian: apt install mesa-vulkan-drivers); HEADPROF_TEST_GPU=N tests on device N")
	return 0
}

// onDevice gives a backend on the test device; it stays open for other tests.
func onDevice(t testing.TB, o Options) *Backend {
	t.Helper()
	o.Device = "gpu:" + strconv.Itoa(software(t))
	if b, ok := testBackends.Load(o); ok {
		return b.(*Backend)
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	testBackends.Store(o, b)
	return b
}
