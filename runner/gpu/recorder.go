package gpu

import (
	"unsafe"

	"headprof/runner/gpu/driver"
)

// recorder gives a step's kernels and copies to a queue of its own. It is used
// by one goroutine at a time.
type recorder struct {
	b       *Backend
	q       driver.Queue
	dry     *trial   // what is tried out is counted and not recorded; nil: all is recorded
	scratch heap     // Values. Of its own: what it gives back may still be read by what is recorded and not submitted
	count   int      // operations since the last submission
	work    float64  // multiply-adds since then
	err     error    // the first error; all that follows is not recorded
	staging *staging // nil until a weight is streamed
}

// breaks, when set, is asked before each kernel (tests lose devices with it).
var breaks func() error

func (b *Backend) newRecorder() (*recorder, error) {
	r := &recorder{b: b, scratch: heap{v: b.v, what: "a step's intermediate values", kind: driver.Local, chunk: 4 << 20, hold: true, blind: b.v.Kind == driver.Discrete}}
	if b.scratch > 0 { // in one block, which all steps fit into
		if err := r.scratch.addBlocks([]uint64{b.scratch}); err != nil && !outOfMemory(err) {
			return nil, err
		}
	}
	var err error
	r.q, err = b.v.NewQueue()
	return r, err
}

func (r *recorder) close() {
	r.closeStaging()
	r.q.Close()
	r.scratch.close()
}

// failed keeps the first error.
func (r *recorder) failed(err error) bool {
	if err != nil && r.err == nil {
		r.err = err
	}
	return r.err != nil
}

// dispatch records groups of a program. push is the structure of its
// arguments, size its bytes.
func (r *recorder) dispatch(p driver.Program, push unsafe.Pointer, size uintptr, groups [3]int, reads, writes []span) {
	if groups[0] == 0 || groups[1] == 0 || groups[2] == 0 || r.err != nil || r.dry != nil {
		return
	}
	if breaks != nil && r.failed(breaks()) {
		return
	}
	if !r.failed(r.q.Dispatch(p, push, size, groups, reads, writes)) {
		r.count++
	}
}

// copy records a copy of size bytes between regions.
func (r *recorder) copy(dst region, dstOff uint64, src region, srcOff, size uint64) {
	if size == 0 || r.err != nil || r.dry != nil {
		return
	}
	if !r.failed(r.q.Copy(&dst.b.Block, dst.off+dstOff, &src.b.Block, src.off+srcOff, size)) {
		r.count++
	}
}

// maxWork bounds the multiply-adds of one submission. Systems reset a device
// that works on one for more than about two seconds.
const maxWork = 50e9

// worked counts multiply-adds and submits when there are enough.
func (r *recorder) worked(n float64) {
	if r.work += n; r.work >= maxWork {
		r.submit()
	}
}

// submit hands over what is recorded and does not wait.
func (r *recorder) submit() {
	if r.err == nil && r.count > 0 {
		r.failed(r.q.Submit())
	}
	r.count, r.work = 0, 0
}

// wait submits what is recorded and waits for all of it: then host memory holds
// the results and nothing is in use, also after an error.
func (r *recorder) wait() error {
	if r.dry == nil {
		r.failed(r.q.Wait(r.err != nil))
	}
	if r.staging != nil {
		r.staging.arrived(r.err != nil)
	}
	r.count, r.work = 0, 0
	return r.err
}
