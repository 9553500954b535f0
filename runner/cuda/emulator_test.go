package cuda

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"unsafe"

	"headprof/fixtures/reference"
	"headprof/runner/cuda/cudatest"
	"headprof/runner/gpu/driver"
)

var (
	noEmulator error
	emulated   *driver.Library
)

func TestMain(m *testing.M) {
	noEmulator = cudatest.Use(".")
	if name := os.Getenv(substitute); noEmulator == nil && name != "" {
		emulated, _ = driver.Open([]string{name})
	}
	os.Exit(m.Run())
}

// emulate changes the emulated device for one test: memory=BYTES, lost=KERNELS
// until it is lost, version=N of the driver, count=N devices, init=RESULT of
// cuInit, capability=N.
func emulate(t *testing.T, settings ...string) {
	t.Helper()
	if emulated == nil {
		reference.Missing(t, "no emulated CUDA device: "+errorText(noEmulator))
	}
	set := emulated.Symbol("emulate")
	do := func(s string) uintptr {
		text := driver.CString(s)
		return driver.Call(set, uintptr(unsafe.Pointer(&text[0])))
	}
	t.Cleanup(func() { do("") })
	for _, s := range settings {
		if do(s) != 0 {
			t.Fatalf("the emulated device does not know %q", s)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return "HEADPROF_TEST_GPU is set"
	}
	return err.Error()
}

func wants(t *testing.T, err error, say ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; want one that says %q", say)
		return
	}
	for _, s := range say {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("the error %q does not say %q", err, s)
		}
	}
}

// What is missing is said, and what to do: an old driver, one without a function,
// without a card, one that is not ready, an old card, one whose memory is full.
func TestWhatIsMissing(t *testing.T) {
	emulate(t)
	found, err := Devices()
	if err != nil || len(found) != 1 || found[0].Problem != "" || found[0].Kind != driver.Software || found[0].Version != "12.0" || found[0].Features[0] != "compute 9.0" {
		t.Fatalf("%+v, %v", found, err)
	}
	_, err = load(func(name string) uintptr {
		if name == "cuLaunchKernel" {
			return 0
		}
		return emulated.Symbol(name)
	})
	wants(t, err, "has no cuLaunchKernel", "version 525")
	for setting, say := range map[string][]string{
		"version=11080": {"speaks CUDA 11.8; 12.0 is needed", "version 525"},
		"init=100":      {"finds no card", "nvidia-smi", "CUDA_VISIBLE_DEVICES"},
		"init=803":      {"not ready", "result 803"},
		"init=999":      {"cuInit"},
	} {
		emulate(t, setting)
		_, err := load(emulated.Symbol)
		wants(t, err, say...)
		emulate(t, "", "init=0")
	}
	emulate(t, "", "count=0")
	a, err := load(emulated.Symbol)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.devices()
	wants(t, err, "lists no card", "CUDA_VISIBLE_DEVICES")
	emulate(t, "", "capability=70")
	if found, err = a.devices(); err != nil || !strings.Contains(found[0].Problem, "compute capability is 7.0; 7.5 (Turing) is needed") {
		t.Errorf("%+v, %v", found, err)
	}
}

// opened is the emulated device.
func opened(t *testing.T) driver.Device {
	t.Helper()
	emulate(t, "")
	found, err := Devices()
	if err != nil {
		t.Fatal(err)
	}
	v, err := found[0].Open(false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// Memory that is full and a device that is lost have their causes, from the
// driver's results; after a loss everything fails, and nothing panics.
func TestCauses(t *testing.T) {
	v := opened(t)
	emulate(t, "", "memory=1048576")
	_, err := v.Alloc(driver.Local, 2<<20, false)
	wants(t, err, "out of device memory (cuMemAlloc)")
	emulate(t, "", "lost=0")
	b, err := v.Alloc(driver.Local, 4*64, false)
	if err != nil {
		t.Fatal(err)
	}
	q, err := v.NewQueue()
	if err != nil {
		t.Fatal(err)
	}
	args := struct {
		dst    uint64
		rounds uint32
		a, b   float32
	}{b.Address, 1, 1, 1}
	peak := driver.Program{Kernel: "peak", Constants: [10]uint32{64}}
	launch := func() error {
		return q.Dispatch(peak, unsafe.Pointer(&args), unsafe.Sizeof(args), [3]int{1, 1, 1}, nil, nil)
	}
	if err := launch(); err != nil {
		t.Fatal(err)
	}
	wants(t, q.Wait(false), "the device was lost", "journal is intact")
	wants(t, launch(), "the device was lost")
	_, err = v.NewQueue()
	wants(t, err, "the device was lost")

	// A kernel that writes where nothing is allocated is stopped, too.
	emulate(t, "")
	args.dst += 256
	if err := launch(); err != nil {
		t.Fatal(err)
	}
	wants(t, q.Wait(false), "the device was lost (cuStreamSynchronize)")
	emulate(t, "")
	v.Free(driver.Local, &b)
	q.Close()
	_, err = text(driver.Program{Kernel: "nothing"})
	wants(t, err, `no CUDA kernel "nothing"`)
}

// The emulated device finds what kernels must not do: testdata/wrong.cc says what each does.
func TestCheckerFinds(t *testing.T) {
	emulate(t)
	out, err := exec.Command("sh", "testdata/wrong.sh", t.TempDir()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want, err := os.ReadFile("testdata/wrong.txt")
	if err != nil {
		t.Fatal(err)
	}
	if string(out) != string(want) {
		t.Errorf("the checker says\n%s\nwant\n%s", out, want)
	}
}

// The committed PTX is what the committed sources compile to.
func TestKernelsAreUpToDate(t *testing.T) {
	if _, err := exec.LookPath("clang-16"); err != nil {
		reference.Missing(t, "no clang-16 (Debian 12: apt install clang-16)")
	}
	if out, err := exec.Command("kernels/generate.sh", "-check").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
