package gpu

import (
	"fmt"
	"strings"
	"sync"

	"headprof/runner/backend"
	"headprof/runner/gpu/driver"
)

// Options says which device to use and how.
type Options struct {
	Device string // "gpu": the first hardware GPU; "gpu:N": number N of Devices, software ones too
	Math   Math   // how matrix products are computed
	Memory int64  // bytes of device memory to use at most; 0: what is free
}

// Math is how matrix products are computed. Sums are float32 in each case.
type Math int

// Ways to multiply.
const (
	Float32     Math = iota
	Half             // inputs rounded to binary16
	Cooperative      // inputs rounded to binary16, by the device's matrix units (VK_KHR_cooperative_matrix); never run on hardware so far
)

var mathNames = map[string]Math{"": Float32, "f32": Float32, "f16": Half, "cooperative": Cooperative}

// ParseMath reads "f32" (or ""), "f16" or "cooperative".
func ParseMath(name string) (Math, error) {
	m, ok := mathNames[name]
	if !ok {
		return 0, fmt.Errorf("GPU arithmetic %q is unknown; known: f32, f16, cooperative", name)
	}
	return m, nil
}

// String is the name that ParseMath reads.
func (m Math) String() string { return [...]string{"f32", "f16", "cooperative"}[m] }

// Backend computes on one device. It may be used by several goroutines.
type Backend struct {
	v        *device
	o        Options
	weights  heap // device memory, whole model
	streamed heap // device memory: streamed weights
	caches   heap // device memory, keys and values
	uploads  heap // host memory the device reads
	results  heap // host memory the device writes

	placing  sync.Mutex // of what follows
	pending  []*weight  // bound, not yet placed
	placed   placement  // sums of those that are
	reserved bool
	scratch  uint64 // of a step, as predicted

	lock sync.Mutex
	made []*recorder
	idle []*recorder
}

// New opens a device.
func New(o Options) (*Backend, error) {
	all, missing := Devices()
	d, err := choose(all, missing, o.Device)
	if err != nil {
		return nil, err
	}
	if o.Math == Cooperative && !d.Matrices {
		return nil, fmt.Errorf("gpu: %s has no matrix units that headprof can use through %s; use f16", d.Name, d.API)
	}
	opened, err := d.Open(o.Math == Cooperative)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Name, err)
	}
	v := newDevice(d.Info, opened)
	if o.Memory > 0 {
		v.limit, v.Info.Free = o.Memory, min(v.Info.Free, o.Memory)
	}
	return newBackend(v, o), nil
}

func newBackend(v *device, o Options) *Backend {
	b := &Backend{v: v, o: o}
	b.weights = heap{v: v, what: "the weights", kind: driver.Local, chunk: 16 << 20}
	b.streamed = heap{v: v, what: "the staging buffers of streamed weights", kind: driver.Local}
	b.caches = heap{v: v, what: "the KV cache", kind: driver.Local, chunk: 1 << 20}
	b.uploads = heap{v: v, what: "a step's arguments", kind: driver.Upload, chunk: 1 << 20, hold: true}
	b.results = heap{v: v, what: "a step's results", kind: driver.Read, chunk: 1 << 20, hold: true}
	for _, h := range []*heap{&b.weights, &b.streamed, &b.caches} { // a card's memory is slow to write to from the host
		h.blind = v.Kind == driver.Discrete
	}
	return b
}

// Name is "vulkan" or "cuda".
func (b *Backend) Name() string { return strings.ToLower(b.v.API) }

// Kernels names the device and how it multiplies.
func (b *Backend) Kernels() string {
	return fmt.Sprintf("%s %s on %s", b.Name(), b.o.Math, b.v.Info.Name)
}

// Close gives everything back. Caches must be closed before.
func (b *Backend) Close() {
	b.empty()
	b.v.Close()
}

// empty gives all memory back.
func (b *Backend) empty() {
	b.v.WaitIdle()
	for _, r := range b.idle {
		r.close()
	}
	b.idle, b.made = nil, nil
	for _, h := range b.heaps() {
		h.close()
	}
}

func (b *Backend) heaps() []*heap {
	return []*heap{&b.weights, &b.streamed, &b.caches, &b.uploads, &b.results}
}

// held is the device memory in the backend's hands.
func (b *Backend) held() (sum int64) {
	b.lock.Lock()
	defer b.lock.Unlock()
	all := b.heaps()
	for _, r := range b.made {
		all = append(all, &r.scratch)
	}
	for _, h := range all {
		if b.v.OnDevice(h.kind) {
			sum += h.held()
		}
	}
	return sum
}

// recorder takes an idle recorder or makes one.
func (b *Backend) recorder() (*recorder, error) {
	b.lock.Lock()
	defer b.lock.Unlock()
	if n := len(b.idle); n > 0 {
		r := b.idle[n-1]
		b.idle = b.idle[:n-1]
		return r, nil
	}
	r, err := b.newRecorder()
	if err == nil {
		b.made = append(b.made, r)
	}
	return r, err
}

// giveBack keeps a recorder that has nothing in flight for the next step.
func (b *Backend) giveBack(r *recorder) {
	b.lock.Lock()
	defer b.lock.Unlock()
	r.err = nil
	b.idle = append(b.idle, r)
}

// Begin starts a step of n rows.
func (b *Backend) Begin(c backend.Cache, n int, watch *backend.Watch) (backend.Ops, error) {
	cache, ok := c.(*Cache)
	if !ok || cache.b != b {
		return nil, fmt.Errorf("gpu: the cache belongs to another device")
	}
	if n <= 0 {
		return nil, fmt.Errorf("gpu: a step of %d rows", n)
	}
	cache.abandon()
	r, err := b.recorder()
	if err != nil {
		return nil, err
	}
	o := &ops{recorder: r, uploads: &b.uploads, results: &b.results, c: cache, first: cache.n, n: n, watch: watch, turns: map[turnKey]uint64{}, tables: make([]uint64, len(cache.layers))}
	cache.step = o
	if err := cache.reserve(o, n); err != nil {
		cache.abandon()
		return nil, err
	}
	return o, nil
}
