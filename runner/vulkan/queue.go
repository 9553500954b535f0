package vulkan

import (
	"unsafe"

	"headprof/runner/gpu/driver"
)

// queue collects dispatches and copies in command buffers of its own and
// submits them.
type queue struct {
	v        *device
	pool     handle
	fence    handle
	commands []uintptr // allocated, in the order of use
	next     int       // of commands
	current  uintptr   // being recorded; 0: none
	pending  bool      // something was submitted and not waited for

	// What was read and written since the last barrier.
	reads, writes []driver.Span
}

// NewQueue makes command buffers of their own.
func (v *device) NewQueue() (driver.Queue, error) {
	q := &queue{v: v}
	p := &commandPoolCreateInfo{sType: typeCommandPool, family: v.family}
	if err := result("vkCreateCommandPool", driver.Call(v.createPool, v.handle, uintptr(unsafe.Pointer(p)), 0, uintptr(unsafe.Pointer(&q.pool)))); err != nil {
		return nil, err
	}
	var err error
	if q.fence, err = v.newFence(); err != nil {
		driver.Call(v.destroyPool, v.handle, uintptr(q.pool), 0)
		return nil, err
	}
	return q, nil
}

func (v *device) newFence() (fence handle, err error) {
	f := &fenceCreateInfo{sType: typeFenceCreateInfo}
	err = result("vkCreateFence", driver.Call(v.createFence, v.handle, uintptr(unsafe.Pointer(f)), 0, uintptr(unsafe.Pointer(&fence))))
	return fence, err
}

// waitFor waits for a fence that is under way and makes it ready for use again.
func (v *device) waitFor(fence handle) error {
	f := &fence
	err := result("vkWaitForFences", driver.Call(v.waitFences, v.handle, 1, uintptr(unsafe.Pointer(f)), 1, ^uintptr(0)))
	driver.Call(v.resetFences, v.handle, 1, uintptr(unsafe.Pointer(f)))
	return err
}

// Close gives everything back; nothing may be under way.
func (q *queue) Close() {
	driver.Call(q.v.destroyFence, q.v.handle, uintptr(q.fence), 0)
	driver.Call(q.v.destroyPool, q.v.handle, uintptr(q.pool), 0)
}

// mark is a fence.
type mark struct {
	v     *device
	fence handle
}

// NewMark makes a fence.
func (q *queue) NewMark() (driver.Mark, error) {
	fence, err := q.v.newFence()
	if err != nil {
		return nil, err
	}
	return &mark{q.v, fence}, nil
}

func (m *mark) Set() error  { return m.v.submit1(0, m.fence) }
func (m *mark) Wait() error { return m.v.waitFor(m.fence) }
func (m *mark) Close()      { driver.Call(m.v.destroyFence, m.v.handle, uintptr(m.fence), 0) }

// begin makes sure that a command buffer is being recorded.
func (q *queue) begin() error {
	if q.current != 0 {
		return nil
	}
	v := q.v
	if q.next == len(q.commands) {
		var c uintptr
		a := &commandBufferAllocateInfo{sType: typeCommandBufferAlloc, pool: q.pool, count: 1}
		if err := result("vkAllocateCommandBuffers", driver.Call(v.allocateCommands, v.handle, uintptr(unsafe.Pointer(a)), uintptr(unsafe.Pointer(&c)))); err != nil {
			return err
		}
		q.commands = append(q.commands, c)
	}
	c := q.commands[q.next]
	i := &commandBufferBeginInfo{sType: typeCommandBufferBegin, flags: oneTimeSubmit}
	if err := result("vkBeginCommandBuffer", driver.Call(v.beginCommands, c, uintptr(unsafe.Pointer(i)))); err != nil {
		return err
	}
	q.next++
	q.current = c
	q.barrier() // what an earlier submission wrote is seen by this one
	return nil
}

const (
	stages = stageCompute | stageTransfer
	access = accessShaderRead | accessShaderWrite | accessTransferRead | accessTransferWrite
)

// barrier orders all that follows after all that came before.
func (q *queue) barrier() {
	m := &memoryBarrier{sType: typeMemoryBarrier, src: access &^ (accessShaderRead | accessTransferRead), dst: access}
	driver.Call(q.v.cmdBarrier, q.current, stages, stages, 0, 1, uintptr(unsafe.Pointer(m)), 0, 0, 0, 0)
	q.reads, q.writes = q.reads[:0], q.writes[:0]
}

func overlap(list []driver.Span, s driver.Span) bool {
	for _, x := range list {
		if x.From < s.To && s.From < x.To {
			return true
		}
	}
	return false
}

// order puts a barrier before an operation that touches what an earlier one
// wrote, or writes what an earlier one read.
func (q *queue) order(reads, writes []driver.Span) {
	for _, s := range reads {
		if overlap(q.writes, s) {
			q.barrier()
		}
	}
	for _, s := range writes {
		if overlap(q.writes, s) || overlap(q.reads, s) {
			q.barrier()
		}
	}
	q.reads, q.writes = append(q.reads, reads...), append(q.writes, writes...)
}

// Dispatch records groups of a program.
func (q *queue) Dispatch(p driver.Program, args unsafe.Pointer, size uintptr, groups [3]int, reads, writes []driver.Span) error {
	if err := q.begin(); err != nil {
		return err
	}
	v := q.v
	h, err := v.pipelines.get(p)
	if err != nil {
		return err
	}
	q.order(reads, writes)
	driver.Call(v.cmdBind, q.current, bindCompute, uintptr(h))
	driver.Call(v.cmdPush, q.current, uintptr(v.layout), shaderStageCompute, 0, size, uintptr(args))
	driver.Call(v.cmdDispatch, q.current, uintptr(groups[0]), uintptr(groups[1]), uintptr(groups[2]))
	return nil
}

// Copy records a copy between blocks.
func (q *queue) Copy(dst *driver.Block, dstOff uint64, src *driver.Block, srcOff, size uint64) error {
	if err := q.begin(); err != nil {
		return err
	}
	from, to := src.Address+srcOff, dst.Address+dstOff
	q.order([]driver.Span{{From: from, To: from + size}}, []driver.Span{{From: to, To: to + size}})
	c := &bufferCopy{src: srcOff, dst: dstOff, size: size}
	driver.Call(q.v.cmdCopy, q.current, uintptr(src.Buffer), uintptr(dst.Buffer), 1, uintptr(unsafe.Pointer(c)))
	return nil
}

// Submit hands over what is recorded.
func (q *queue) Submit() error {
	if q.current == 0 {
		return nil
	}
	c := q.current
	q.current = 0
	if err := result("vkEndCommandBuffer", driver.Call(q.v.endCommands, c)); err != nil {
		return err
	}
	err := q.v.submit1(c, 0)
	q.pending = q.pending || err == nil
	return err
}

// Wait submits what is recorded, or drops it, and waits for all that was
// submitted. Then no command buffer is in use.
func (q *queue) Wait(drop bool) (err error) {
	v := q.v
	if !drop && (q.current != 0 || q.pending) {
		if err = q.begin(); err == nil {
			m := &memoryBarrier{sType: typeMemoryBarrier, src: accessShaderWrite | accessTransferWrite, dst: accessHostRead}
			driver.Call(v.cmdBarrier, q.current, stages, stageHost, 0, 1, uintptr(unsafe.Pointer(m)), 0, 0, 0, 0)
			err = q.Submit()
		}
	}
	if q.pending {
		// Also after an error: what runs must end before memory is given back.
		failed := v.submit1(0, q.fence)
		if failed == nil {
			failed = v.waitFor(q.fence)
		} else {
			v.WaitIdle() // for what was submitted before; at once where the device is lost
		}
		if err == nil {
			err = failed
		}
		q.pending = false
	}
	if q.next > 0 {
		driver.Call(v.resetPool, v.handle, uintptr(q.pool), 0)
		q.next, q.current = 0, 0
	}
	q.reads, q.writes = q.reads[:0], q.writes[:0]
	return err
}
