package gpu

import (
	"fmt"
	"sync"

	"headprof/runner/gpu/driver"
)

// device is an open device and an account of its memory.
type device struct {
	driver.Device
	driver.Info
	maxAllocation uint64

	used struct {
		sync.Mutex
		local uint64 // bytes of device-local memory taken
		peak  uint64 // at once
	}
	limit int64 // bytes of device memory that may be taken; 0: what there is
	// fail, when set, is asked before each allocation (tests provoke errors with it).
	fail func(size uint64) error
}

func newDevice(info driver.Info, d driver.Device) *device {
	return &device{Device: d, Info: info, maxAllocation: d.Largest()}
}

// free is the device memory that can still be taken, by what the driver said
// when it was opened.
func (v *device) free() int64 { return max(0, v.Info.Free-v.taken()) }

func (v *device) taken() int64 {
	v.used.Lock()
	defer v.used.Unlock()
	return int64(v.used.local)
}

// newBlock allocates memory, which the host sees if it can and should.
func (v *device) newBlock(kind driver.Memory, size uint64, seen bool) (*block, error) {
	if v.fail != nil {
		if err := v.fail(size); err != nil {
			return nil, err
		}
	}
	full := func(format string, args ...any) error {
		return &driver.Error{API: v.API, Call: fmt.Sprintf(format, args...), Cause: driver.OutOfDeviceMemory}
	}
	if v.OnDevice(kind) && v.limit > 0 && v.limit-v.taken() < int64(size) {
		return nil, full("%s on top of %s in use, %s may be used", megabytes(int64(size)), megabytes(v.taken()), megabytes(v.limit))
	}
	if size > v.maxAllocation {
		return nil, full("one allocation of %s, the driver's limit is %s", megabytes(int64(size)), megabytes(int64(v.maxAllocation)))
	}
	b, err := v.Alloc(kind, size, seen)
	if err != nil {
		return nil, err
	}
	v.account(kind, int64(size))
	return &block{Block: b}, nil
}

func (v *device) freeBlock(kind driver.Memory, b *block) {
	v.Device.Free(kind, &b.Block)
	v.account(kind, -int64(b.Size))
}

func (v *device) account(kind driver.Memory, bytes int64) {
	if !v.OnDevice(kind) {
		return
	}
	v.used.Lock()
	v.used.local += uint64(bytes)
	v.used.peak = max(v.used.peak, v.used.local)
	v.used.Unlock()
}
