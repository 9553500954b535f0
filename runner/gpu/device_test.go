package gpu

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"headprof/fixtures/reference"
	"headprof/runner/cuda/cudatest"
	"headprof/runner/gpu/driver"
)

func TestMain(m *testing.M) {
	if err := cudatest.Use("../cuda"); err != nil {
		noEmulator = err.Error()
	}
	os.Exit(m.Run())
}

var noEmulator string // why there is no emulated CUDA device

var testBackends sync.Map // Options → *Backend, kept for the whole test run

// OnEach runs a test on a device of each API.
func OnEach(t *testing.T, test func(t *testing.T)) {
	for _, api := range []string{"CUDA", "Vulkan"} {
		t.Run(api, test)
	}
}

// DeviceOf gives the name of the device that a test of OnEach runs on:
// HEADPROF_TEST_GPU's number where it is of the test's API, else the first
// software device.
func DeviceOf(t testing.TB) string {
	t.Helper()
	api := strings.Split(t.Name(), "/")[1]
	all, missing := Devices()
	if n, err := strconv.Atoi(os.Getenv("HEADPROF_TEST_GPU")); err == nil && n < len(all) && all[n].API == api {
		return "gpu:" + strconv.Itoa(n)
	}
	for _, d := range all {
		if d.API == api && d.Kind == driver.Software && d.Problem == "" {
			return "gpu:" + strconv.Itoa(d.Index)
		}
	}
	help := map[string]string{"CUDA": "it needs a C++ compiler: " + noEmulator, "Vulkan": "Debian: apt install mesa-vulkan-drivers"}
	reference.Missing(t, "no software "+api+" device ("+help[api]+"); HEADPROF_TEST_GPU=N tests on device N"+because(missing))
	return ""
}

// onDevice gives a backend on the test device; it stays open for other tests.
func onDevice(t testing.TB, o Options) *Backend {
	t.Helper()
	o.Device = DeviceOf(t)
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
