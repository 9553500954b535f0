package cuda

import (
	"unsafe"

	"headprof/runner/gpu/driver"
)

// queue is a stream, which runs what it is given at once and in order.
type queue struct {
	v      *device
	stream uintptr
}

// nonBlocking streams do not wait for the context's default stream.
const nonBlocking = 1

// NewQueue makes a stream.
func (v *device) NewQueue() (driver.Queue, error) {
	q := &queue{v: v}
	return q, v.call("cuStreamCreate", v.streamCreate, uintptr(unsafe.Pointer(&q.stream)), nonBlocking)
}

// Dispatch launches a kernel; its arguments are one structure, which the driver copies.
func (q *queue) Dispatch(p driver.Program, args unsafe.Pointer, _ uintptr, groups [3]int, _, _ []driver.Span) error {
	f, err := q.v.compiled(p)
	if err != nil {
		return err
	}
	list := [1]unsafe.Pointer{args}
	return q.v.call("cuLaunchKernel of "+p.Kernel, q.v.launch, f,
		uintptr(groups[0]), uintptr(groups[1]), uintptr(groups[2]), uintptr(p.Constants[0]), 1, 1,
		0, q.stream, uintptr(unsafe.Pointer(&list)), 0)
}

// Copy copies between blocks of either memory.
func (q *queue) Copy(dst *driver.Block, dstOff uint64, src *driver.Block, srcOff, size uint64) error {
	return q.v.call("cuMemcpyAsync", q.v.copyAsync, uintptr(dst.Address+dstOff), uintptr(src.Address+srcOff), uintptr(size), q.stream)
}

// Submit does nothing: streams do not wait to be told.
func (q *queue) Submit() error { return nil }

// Wait waits for the stream; nothing can be dropped.
func (q *queue) Wait(bool) error {
	return q.v.call("cuStreamSynchronize", q.v.streamSync, q.stream)
}

// Close gives the stream back.
func (q *queue) Close() { _ = q.v.call("cuStreamDestroy", q.v.streamDestroy, q.stream) }

// mark is an event.
type mark struct {
	q     *queue
	event uintptr
}

// withoutTiming makes events cheap.
const withoutTiming = 2

// NewMark makes an event.
func (q *queue) NewMark() (driver.Mark, error) {
	m := &mark{q: q}
	return m, q.v.call("cuEventCreate", q.v.eventCreate, uintptr(unsafe.Pointer(&m.event)), withoutTiming)
}

func (m *mark) Set() error {
	return m.q.v.call("cuEventRecord", m.q.v.eventRecord, m.event, m.q.stream)
}
func (m *mark) Wait() error { return m.q.v.call("cuEventSynchronize", m.q.v.eventSync, m.event) }
func (m *mark) Close()      { _ = m.q.v.call("cuEventDestroy", m.q.v.eventDestroy, m.event) }
