package cuda

import (
	"runtime"
	"sync"
	"unsafe"

	"headprof/runner/gpu/driver"
)

// device is a card's primary context. Calls may come from several threads.
type device struct {
	*api
	ordinal int32
	context uintptr
	lanes   uint32
	memory  uint64

	lock sync.Mutex // of what follows
	made map[driver.Program]kernel
}

func (a *api) openDevice(ordinal int32, lanes uint32, memory uint64) (*device, error) {
	v := &device{api: a, ordinal: ordinal, lanes: lanes, memory: memory, made: map[driver.Program]kernel{}}
	return v, result("cuDevicePrimaryCtxRetain", driver.Call(a.contextRetain, uintptr(unsafe.Pointer(&v.context)), uintptr(ordinal)))
}

// call calls a function of the driver in the device's context, which the
// driver keeps for each thread of the system.
//
//go:uintptrescapes
func (v *device) call(what string, fn uintptr, args ...uintptr) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := result("cuCtxSetCurrent", driver.Call(v.contextSet, v.context)); err != nil {
		return err
	}
	return result(what, driver.Call(fn, args...))
}

// Largest is the card's memory: the driver knows no other limit.
func (v *device) Largest() uint64 { return v.memory }

// Lanes is the size of a warp.
func (v *device) Lanes() uint32 { return v.lanes }

// OnDevice tells the card's memory from the host's.
func (v *device) OnDevice(m driver.Memory) bool { return m == driver.Local }

// Flags of cuMemHostAlloc: for every context, and at the same address on the device.
const portable, mapped = 1, 2

// Alloc allocates the card's memory, which the host never sees, or the host's,
// which both see at the same address.
func (v *device) Alloc(m driver.Memory, size uint64, _ bool) (driver.Block, error) {
	b := driver.Block{Size: size}
	if m == driver.Local {
		err := v.call("cuMemAlloc", v.alloc, uintptr(unsafe.Pointer(&b.Address)), uintptr(size))
		return b, err
	}
	err := v.call("cuMemHostAlloc", v.hostAlloc, uintptr(unsafe.Pointer(&b.Host)), uintptr(size), portable|mapped)
	if e, ok := err.(*driver.Error); ok && e.Cause == driver.OutOfDeviceMemory {
		e.Cause = driver.OutOfHostMemory
	}
	b.Address = uint64(uintptr(b.Host))
	return b, err
}

// Free gives a block back.
func (v *device) Free(m driver.Memory, b *driver.Block) {
	if m == driver.Local {
		_ = v.call("cuMemFree", v.free, uintptr(b.Address))
		return
	}
	_ = v.call("cuMemFreeHost", v.hostFree, uintptr(b.Host))
}

// WaitIdle waits for all streams.
func (v *device) WaitIdle() { _ = v.call("cuCtxSynchronize", v.contextSync) }

// Close gives everything back.
func (v *device) Close() {
	v.WaitIdle()
	for _, k := range v.made {
		_ = v.call("cuModuleUnload", v.moduleUnload, k.module)
	}
	driver.Call(v.contextRelease, uintptr(v.ordinal))
}
