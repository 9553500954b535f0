package gpu

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"headprof/runner/backend"
	"headprof/runner/backend/backendtest"
	"headprof/runner/gpu/driver"
	"headprof/runner/plain"
	"headprof/runner/shape"
)

// wants checks that an error exists and says all of these.
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

// Wherever memory runs out there is one error that says what did not fit, and
// the cache is as before and can be used on.
func TestOutOfMemory(t *testing.T) { OnEach(t, testOutOfMemory) }

func testOutOfMemory(t *testing.T) {
	o := Options{Device: onDevice(t, Options{}).deviceName()}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	l := backendtest.Bind(b, backendtest.Shapes["odd"])
	c := l.Cache(backend.KVF32)
	defer c.Close()
	ids := backendtest.Tokens(12)
	l.Step(c, ids[:6], nil)
	full := func(uint64) error { return &driver.Error{Call: "allocation", Cause: driver.OutOfDeviceMemory} }
	rng := rand.New(rand.NewPCG(1, 1))
	big := table(rng, "", 1, 1<<18, backendtest.Shapes["odd"].Width) // larger than the blocks at hand

	b.v.fail = full
	w := backendtest.Must(b.Weight(big)) // does not fit, and neither do its staging buffers
	step, err := b.Begin(c, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	step.Linear(step.Embed(l.Embed, []int32{1}, 1), w, nil)
	wants(t, step.Flush(), "the staging buffers of streamed weights", "out of device memory")
	_, err = b.NewCache([]shape.Layer{{KVHeads: 8, KeyDim: 128, ValueDim: 128}}, backend.KVF32, 10000)
	wants(t, err, "the KV cache", "out of device memory")

	// In the middle of a step: what it would have added is forgotten.
	step, err = b.Begin(c, 6, nil)
	if err != nil {
		t.Fatal(err)
	}
	x := step.Embed(l.Embed, ids[6:], 1)
	step.Store(0, step.Linear(x, l.K, nil), step.Linear(x, l.V, nil))
	for range 40 { // until the scratch memory at hand is full
		step.Linear(step.Embed(l.Embed, make([]int32, 4096), 1), l.Q, nil)
	}
	if got := step.Read(x); len(got) != 6*backendtest.Shapes["odd"].Width {
		t.Errorf("Read gave %d numbers after an error", len(got))
	}
	wants(t, step.Flush(), "a step's intermediate values", "out of device memory", "--cache-type f16")
	if c.Len() != 6 || c.Entries(0, 0) != 6 {
		t.Errorf("the cache holds %d tokens, %d entries; want 6", c.Len(), c.Entries(0, 0))
	}
	b.v.fail = nil
	p := backendtest.Bind(plain.New(), backendtest.Shapes["odd"])
	d := p.Cache(backend.KVF32)
	p.Step(d, ids[:6], nil)
	backendtest.Near(t, "after the error", l.Step(c, ids[6:], nil), p.Step(d, ids[6:], nil), 2e-3)

	// Before anything is tried: what can never fit.
	b.v.Info.Free = b.v.taken() - b.caches.spare() + 64<<20
	_, err = b.NewCache([]shape.Layer{{KVHeads: 8, KeyDim: 128, ValueDim: 128}}, backend.KVF32, 1e6)
	wants(t, err, "a KV cache for 1000000 tokens needs 7812.5 MiB", "has 64.0 MiB free; at most 8192 tokens fit")
}

func (b *Backend) deviceName() string { return b.o.Device }

// Errors of the driver while a step runs come out of Flush, once, as one
// sentence; the device's loss says that the journal is intact.
func TestDeviceLost(t *testing.T) { OnEach(t, testDeviceLost) }

func testDeviceLost(t *testing.T) {
	b := onDevice(t, Options{})
	l := backendtest.Bind(b, backendtest.Shapes["odd"])
	c := l.Cache(backend.KVF32)
	defer c.Close()
	for _, lost := range []bool{true, false} {
		o := backendtest.Must(b.Begin(c, 2, nil)).(*ops)
		x := o.Embed(l.Embed, []int32{1, 2}, 1)
		cause := driver.DeviceLost
		if !lost {
			cause = driver.OutOfHostMemory
		}
		o.failed(&driver.Error{Call: "submission", Cause: cause})
		o.Gate(o.Norm(x, backend.Norm{Weight: l.Norm, Eps: 1e-5}), x, backend.SiLU)
		o.EndLayer()
		err := o.Flush()
		if lost {
			wants(t, err, "the device was lost (submission)", "journal is intact, and the same command continues it")
		} else {
			wants(t, err, "out of host memory")
		}
		var e *driver.Error
		if !errors.As(err, &e) || e.Cause != cause || c.Len() != 0 {
			t.Errorf("the error is %#v, the cache holds %d tokens", err, c.Len())
		}
	}
	l.Step(c, backendtest.Tokens(3), nil)
}

// Which device a name stands for, and what is said where it stands for none.
func TestChoice(t *testing.T) {
	var list []Device
	for i, d := range []driver.Info{
		{Name: "soft", Kind: driver.Software},
		{Name: "small", Kind: driver.Integrated},
		{Name: "old", Kind: driver.Discrete, Problem: "its driver lacks the feature bufferDeviceAddress"},
		{Name: "card", Kind: driver.Discrete},
	} {
		list = append(list, Device{i, d})
	}
	missing := []error{errors.New("gpu: CUDA is not there")}
	for name, want := range map[string]int{"gpu": 3, "gpu:0": 0, "gpu:1": 1, "gpu:3": 3} {
		if d, err := choose(list, missing, name); err != nil || d.Index != want {
			t.Errorf("%s is %v (%v), want %d", name, d, err, want)
		}
	}
	if d, err := choose(list[:3], missing, "gpu"); err != nil || d.Index != 1 {
		t.Errorf("without a card that works: %v, %v", d, err)
	}
	_, err := choose(list[:1], missing, "gpu")
	wants(t, err, "no hardware GPU", "gpu:0 (soft) is software and is used only when named so", "; CUDA is not there")
	if !errors.Is(err, ErrNone) || Preferred(list[:1]) != -1 || Preferred(list) != 3 {
		t.Error("a software device was preferred")
	}
	_, err = choose(list, missing, "gpu:2")
	wants(t, err, "gpu:2", "old", "bufferDeviceAddress")
	_, err = choose(list, missing, "gpu:9")
	wants(t, err, "there are 4 GPUs", "headprof devices", "CUDA is not there")
	for _, bad := range []string{"gpu:", "gpu:x", "gpu:-1"} {
		_, err = choose(list, missing, bad)
		wants(t, err, "headprof devices")
	}
}

// Without a driver, or without any loader, the error says what to install.
func TestNothingInstalled(t *testing.T) {
	if os.Getenv("HEADPROF_TEST_NO_DRIVER") != "" {
		_, err := New(Options{Device: "gpu"})
		wants(t, err, "gpu:", "Vulkan", "CUDA")
		if Hardware() {
			t.Error("a hardware GPU was found without a driver")
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestNothingInstalled$")
	cmd.Env = append(os.Environ(), "HEADPROF_TEST_NO_DRIVER=1", "VK_ICD_FILENAMES=/nowhere.json", "VK_DRIVER_FILES=/nowhere.json", "HEADPROF_CUDA_LIBRARY=/nowhere.so")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Where the host does not see device memory, weights go through a staging buffer.
func TestStagedWeights(t *testing.T) { OnEach(t, testStagedWeights) }

func testStagedWeights(t *testing.T) {
	b := onDevice(t, Options{})
	rng := rand.New(rand.NewPCG(4, 4))
	w := table(rng, "w", 1, 3, 1001)
	r, err := b.weights.alloc(uint64(len(w.Data) + 4))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.send(r, len(w.Data), func(dst []byte, from, n int) { copy(dst, w.Data[from:from+n]) }); err != nil {
		t.Fatal(err)
	}
	back := backendtest.Must(b.results.alloc(uint64(len(w.Data))))
	defer b.results.release(back)
	rec := backendtest.Must(b.recorder())
	defer b.giveBack(rec)
	rec.copy(back, 0, r, 0, uint64(len(w.Data)))
	if err := rec.wait(); err != nil {
		t.Fatal(err)
	}
	if got := string(back.bytes()[:len(w.Data)]); got != string(w.Data) {
		t.Error("other bytes arrived")
	}
	b.weights.release(r)
}

// Matrix units are refused where the device has none, as llvmpipe.
func TestCooperativeNeedsHardware(t *testing.T) { OnEach(t, testCooperativeNeedsHardware) }

func testCooperativeNeedsHardware(t *testing.T) {
	b := onDevice(t, Options{})
	if b.v.Matrices {
		t.Skip("this device has matrix units")
	}
	_, err := New(Options{Device: b.deviceName(), Math: Cooperative})
	wants(t, err, "matrix units", "use f16")
	_, err = ParseMath("f64")
	wants(t, err, "f64", "f32, f16, cooperative")
}
