package vulkan

import (
	"unsafe"
)

// recorder collects dispatches and copies in command buffers of its own and
// submits them. It is used by one goroutine at a time.
type recorder struct {
	b        *Backend
	dry      *trial // what is tried out is counted and not recorded; nil: all is recorded
	scratch  heap   // Values. Of its own: what it gives back may still be read by what is recorded and not submitted
	pool     handle
	fence    handle
	commands []uintptr // allocated, in the order of use
	next     int       // of commands
	current  uintptr   // being recorded; 0: none
	pending  bool      // something was submitted and not waited for
	count    int       // operations since the last submission
	work     float64   // multiply-adds since then
	err      error     // the first error; all that follows is not recorded
	staging  *staging  // nil until a weight is streamed

	// What was read and written since the last barrier.
	reads, writes []span
}

func (b *Backend) newRecorder() (*recorder, error) {
	v := b.v
	r := &recorder{b: b, scratch: heap{v: v, what: "a step's intermediate values", kind: v.types.local, chunk: 4 << 20, hold: true, blind: v.Kind == Discrete}}
	if b.scratch > 0 { // in one block, which all steps fit into
		if err := r.scratch.addBlocks([]uint64{b.scratch}); err != nil && !outOfMemory(err) {
			return nil, err
		}
	}
	p := &commandPoolCreateInfo{sType: typeCommandPool, family: v.family}
	if err := result("vkCreateCommandPool", call(v.createPool, v.handle, uintptr(unsafe.Pointer(p)), 0, uintptr(unsafe.Pointer(&r.pool)))); err != nil {
		return nil, err
	}
	var err error
	if r.fence, err = v.newFence(); err != nil {
		call(v.destroyPool, v.handle, uintptr(r.pool), 0)
		return nil, err
	}
	return r, nil
}

func (v *device) newFence() (fence handle, err error) {
	f := &fenceCreateInfo{sType: typeFenceCreateInfo}
	err = result("vkCreateFence", call(v.createFence, v.handle, uintptr(unsafe.Pointer(f)), 0, uintptr(unsafe.Pointer(&fence))))
	return fence, err
}

// waitFor waits for a fence that is under way and makes it ready for use again.
func (v *device) waitFor(fence handle) error {
	f := &fence
	err := result("vkWaitForFences", call(v.waitFences, v.handle, 1, uintptr(unsafe.Pointer(f)), 1, ^uintptr(0)))
	call(v.resetFences, v.handle, 1, uintptr(unsafe.Pointer(f)))
	return err
}

func (r *recorder) close() {
	v := r.b.v
	r.closeStaging()
	call(v.destroyFence, v.handle, uintptr(r.fence), 0)
	call(v.destroyPool, v.handle, uintptr(r.pool), 0)
	r.scratch.close()
}

// failed keeps the first error.
func (r *recorder) failed(err error) bool {
	if err != nil && r.err == nil {
		r.err = err
	}
	return r.err != nil
}

// begin makes sure that a command buffer is being recorded.
func (r *recorder) begin() bool {
	if r.err != nil || r.dry != nil {
		return false
	}
	if r.current != 0 {
		return true
	}
	v := r.b.v
	if r.next == len(r.commands) {
		var c uintptr
		a := &commandBufferAllocateInfo{sType: typeCommandBufferAlloc, pool: r.pool, count: 1}
		if r.failed(result("vkAllocateCommandBuffers", call(v.allocateCommands, v.handle, uintptr(unsafe.Pointer(a)), uintptr(unsafe.Pointer(&c))))) {
			return false
		}
		r.commands = append(r.commands, c)
	}
	c := r.commands[r.next]
	i := &commandBufferBeginInfo{sType: typeCommandBufferBegin, flags: oneTimeSubmit}
	if r.failed(result("vkBeginCommandBuffer", call(v.beginCommands, c, uintptr(unsafe.Pointer(i))))) {
		return false
	}
	r.next++
	r.current = c
	r.barrier() // what an earlier submission wrote is seen by this one
	return true
}

const (
	stages = stageCompute | stageTransfer
	access = accessShaderRead | accessShaderWrite | accessTransferRead | accessTransferWrite
)

// barrier orders all that follows after all that came before.
func (r *recorder) barrier() {
	m := &memoryBarrier{sType: typeMemoryBarrier, src: access &^ (accessShaderRead | accessTransferRead), dst: access}
	call(r.b.v.cmdBarrier, r.current, stages, stages, 0, 1, uintptr(unsafe.Pointer(m)), 0, 0, 0, 0)
	r.reads, r.writes = r.reads[:0], r.writes[:0]
}

func overlap(list []span, s span) bool {
	for _, x := range list {
		if x.from < s.to && s.from < x.to {
			return true
		}
	}
	return false
}

// order puts a barrier before an operation that touches what an earlier one
// wrote, or writes what an earlier one read.
func (r *recorder) order(reads, writes []span) {
	for _, s := range reads {
		if overlap(r.writes, s) {
			r.barrier()
		}
	}
	for _, s := range writes {
		if overlap(r.writes, s) || overlap(r.reads, s) {
			r.barrier()
		}
	}
	r.reads, r.writes = append(r.reads, reads...), append(r.writes, writes...)
}

// dispatch records groups of a program. push is the structure of its
// arguments, size its bytes.
func (r *recorder) dispatch(p program, push unsafe.Pointer, size uintptr, groups [3]int, reads, writes []span) {
	if groups[0] == 0 || groups[1] == 0 || groups[2] == 0 || !r.begin() {
		return
	}
	h, err := r.b.pipelines.get(p)
	if r.failed(err) {
		return
	}
	v := r.b.v
	r.order(reads, writes)
	call(v.cmdBind, r.current, bindCompute, uintptr(h))
	call(v.cmdPush, r.current, uintptr(v.layout), shaderStageCompute, 0, size, uintptr(push))
	call(v.cmdDispatch, r.current, uintptr(groups[0]), uintptr(groups[1]), uintptr(groups[2]))
	r.count++
}

// copy records a copy of size bytes between regions.
func (r *recorder) copy(dst region, dstOff uint64, src region, srcOff, size uint64) {
	if size == 0 || !r.begin() {
		return
	}
	from, to := src.address()+srcOff, dst.address()+dstOff
	r.order([]span{{from, from + size}}, []span{{to, to + size}})
	c := &bufferCopy{src: src.off + srcOff, dst: dst.off + dstOff, size: size}
	call(r.b.v.cmdCopy, r.current, uintptr(src.b.buffer), uintptr(dst.b.buffer), 1, uintptr(unsafe.Pointer(c)))
	r.count++
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
	if r.current == 0 {
		return
	}
	c := r.current
	r.current, r.count, r.work = 0, 0, 0
	if r.err != nil {
		return
	}
	if r.failed(result("vkEndCommandBuffer", call(r.b.v.endCommands, c))) {
		return
	}
	if !r.failed(r.b.v.submit1(c, 0)) {
		r.pending = true
	}
}

// wait submits what is recorded and waits for all of it. Then host memory
// holds the results and no command buffer is in use.
func (r *recorder) wait() error {
	v := r.b.v
	if r.err == nil && (r.current != 0 || r.pending) && r.begin() {
		m := &memoryBarrier{sType: typeMemoryBarrier, src: accessShaderWrite | accessTransferWrite, dst: accessHostRead}
		call(v.cmdBarrier, r.current, stages, stageHost, 0, 1, uintptr(unsafe.Pointer(m)), 0, 0, 0, 0)
	}
	r.submit()
	if r.pending {
		// Also after an error: what runs must end before memory is given back.
		err := v.submit1(0, r.fence)
		if err == nil {
			err = v.waitFor(r.fence)
		} else {
			call(v.waitIdle, v.handle) // for what was submitted before; at once where the device is lost
		}
		r.failed(err)
		r.pending = false
	}
	if r.staging != nil {
		r.staging.arrived(v, r.err != nil)
	}
	if r.next > 0 {
		call(v.resetPool, v.handle, uintptr(r.pool), 0)
		r.next, r.current, r.count, r.work = 0, 0, 0, 0
	}
	r.reads, r.writes = r.reads[:0], r.writes[:0]
	return r.err
}
