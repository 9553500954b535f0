package gpu

import (
	"time"
	"unsafe"

	"headprof/runner/gpu/driver"
)

// PeakGFLOPS measures the device's float32 multiply-add rate in 10⁹ operations
// per second (a fused multiply-add counts as two), by a kernel that does
// nothing else; the best of a few runs of about a twentieth of a second.
func (b *Backend) PeakGFLOPS() (float64, error) {
	r, err := b.recorder()
	if err != nil {
		return 0, err
	}
	defer b.giveBack(r)
	const groups = 1024
	out, err := r.scratch.alloc(4 * groups * wide)
	if err != nil {
		return 0, err
	}
	defer r.scratch.release(out)
	run := func(rounds uint32) (time.Duration, error) {
		push := struct {
			dst    uint64
			rounds uint32
			a, b   float32
		}{out.address(), rounds, 0.999, 0.001}
		start := time.Now()
		r.dispatch(driver.Program{Kernel: "peak", Constants: [10]uint32{wide}}, unsafe.Pointer(&push), unsafe.Sizeof(push), [3]int{groups, 1, 1}, nil, nil)
		err := r.wait()
		return time.Since(start), err
	}
	rounds := uint32(1)
	best := 0.0
	for try := 0; try < 3; {
		d, err := run(rounds)
		if err != nil {
			return 0, err
		}
		if d < 50*time.Millisecond && rounds < 1<<24 {
			rounds *= 2
			continue
		}
		best = max(best, float64(rounds)*4*16*2*groups*wide/d.Seconds()/1e9)
		try++
	}
	return best, nil
}
