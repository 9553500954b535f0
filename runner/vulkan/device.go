package vulkan

import (
	"fmt"
	"sync"
	"unsafe"
)

// device is a logical device with one queue. Its methods may be used by
// several goroutines; the queue is locked for each submission.
type device struct {
	api
	Device
	handle uintptr
	queue  uintptr
	lock   sync.Mutex // of queue
	layout handle

	types struct{ local, upload, read uint32 } // memory types
	used  struct {
		sync.Mutex
		local uint64 // bytes of device-local memory taken
		peak  uint64 // at once
	}
	limit int64 // bytes of device memory that may be taken; 0: what there is
	// fail, when set, is asked before each allocation (tests provoke errors with it).
	fail func(size uint64) error
}

// breaks, when set, is asked before each submission of any device (tests lose
// devices with it).
var breaks func() error

func (l *loader) openDevice(d *Device, cooperative bool) (*device, error) {
	v := &device{Device: *d}
	one := float32(1)
	q := &deviceQueueCreateInfo{sType: typeDeviceQueueCreate, family: d.family, count: 1, priorities: unsafe.Pointer(&one)}
	f12 := &features12{sType: typeFeatures12}
	f12.flags[flagBufferDeviceAddress] = 1
	var extensions []*byte
	want := func(name string) {
		if d.extensions[name] {
			extensions = append(extensions, &cstring(name)[0])
		}
	}
	want("VK_KHR_portability_subset") // must be enabled where present
	if cooperative {
		want(extensionCooperative)
		f12.next = unsafe.Pointer(&cooperativeMatrixFeatures{sType: typeCooperativeMatrix, matrix: 1})
		f12.flags[flagShaderFloat16], f12.flags[flagMemoryModel] = 1, 1
	}
	info := &deviceCreateInfo{sType: typeDeviceCreateInfo, next: unsafe.Pointer(f12), queueCount: 1, queues: q}
	if len(extensions) > 0 {
		info.extensionCount, info.extensions = uint32(len(extensions)), unsafe.Pointer(&extensions[0])
	}
	if err := result("vkCreateDevice", call(l.createDevice, d.physical, uintptr(unsafe.Pointer(info)), 0, uintptr(unsafe.Pointer(&v.handle)))); err != nil {
		return nil, fmt.Errorf("%s: %w", d.Name, err)
	}
	var err error
	if v.api, err = l.loadDevice(v.handle); err != nil {
		return nil, err
	}
	call(v.getQueue, v.handle, uintptr(d.family), 0, uintptr(unsafe.Pointer(&v.queue)))
	v.chooseMemory()
	push := &pushConstantRange{stages: shaderStageCompute, size: maxPushBytes}
	layout := &pipelineLayoutCreateInfo{sType: typePipelineLayout, pushCount: 1, push: push}
	err = result("vkCreatePipelineLayout", call(v.createLayout, v.handle, uintptr(unsafe.Pointer(layout)), 0, uintptr(unsafe.Pointer(&v.layout))))
	if err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

func (v *device) close() {
	call(v.waitIdle, v.handle)
	if v.layout != 0 {
		call(v.destroyLayout, v.handle, uintptr(v.layout), 0)
	}
	call(v.destroyDevice, v.handle, 0)
}

// chooseMemory finds the memory types for device memory, for data on its way
// to the device and for results on their way back. Where the device shares the
// host's memory, the first is visible to both.
func (v *device) chooseMemory() {
	pick := func(fallback uint32, prefer ...uint32) uint32 {
		for _, flags := range prefer {
			best, size := -1, uint64(0)
			for i, t := range v.memory.types[:v.memory.typeCount] {
				if t.flags&flags == flags && v.memory.heaps[t.heap].size > size {
					best, size = i, v.memory.heaps[t.heap].size
				}
			}
			if best >= 0 {
				return uint32(best)
			}
		}
		return fallback
	}
	const visible = memoryHostVisible | memoryHostCoherent
	if v.Kind == Discrete {
		v.types.local = pick(0, memoryDeviceLocal)
	} else {
		v.types.local = pick(0, memoryDeviceLocal|visible|memoryHostCached, memoryDeviceLocal|visible, memoryDeviceLocal)
	}
	v.types.upload = pick(v.types.local, visible)
	v.types.read = pick(v.types.upload, visible|memoryHostCached, visible)
}

// free is the device memory that can still be taken, by what the driver said
// when it was opened.
func (v *device) free() int64 { return max(0, v.Free-v.taken()) }

func (v *device) taken() int64 {
	v.used.Lock()
	defer v.used.Unlock()
	return int64(v.used.local)
}

// onDevice reports whether a type of memory is of the heap that device memory
// is taken from.
func (v *device) onDevice(kind uint32) bool {
	return v.memory.types[kind].heap == v.memory.types[v.types.local].heap
}

// submit1 hands a recorded command buffer (0: none) to the queue.
func (v *device) submit1(commands uintptr, fence handle) error {
	info := &submitInfo{sType: typeSubmitInfo}
	if commands != 0 {
		c := &commands
		info.commandCount, info.commands = 1, unsafe.Pointer(c)
	}
	v.lock.Lock()
	defer v.lock.Unlock()
	if breaks != nil {
		if err := breaks(); err != nil {
			return err
		}
	}
	return result("vkQueueSubmit", call(v.submit, v.queue, 1, uintptr(unsafe.Pointer(info)), uintptr(fence)))
}
