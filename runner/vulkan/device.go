package vulkan

import (
	"sync"
	"unsafe"

	"headprof/runner/gpu/driver"
)

// device is a logical device with one queue. Its methods may be used by
// several goroutines; the queue is locked for each submission.
type device struct {
	api
	physical
	handle    uintptr
	queue     uintptr
	lock      sync.Mutex // of queue
	layout    handle
	pipelines *pipelines

	types [3]uint32 // memory types, by driver.Memory
}

// Largest is the driver's limit of one allocation.
func (v *device) Largest() uint64 { return v.maxAllocation }

// Lanes is the size of a subgroup.
func (v *device) Lanes() uint32 { return v.subgroup }

// WaitIdle waits for all that was submitted.
func (v *device) WaitIdle() { driver.Call(v.waitIdle, v.handle) }

func (l *loader) openDevice(d *physical, cooperative bool) (*device, error) {
	v := &device{physical: *d}
	one := float32(1)
	q := &deviceQueueCreateInfo{sType: typeDeviceQueueCreate, family: d.family, count: 1, priorities: unsafe.Pointer(&one)}
	f12 := &features12{sType: typeFeatures12}
	f12.flags[flagBufferDeviceAddress] = 1
	var extensions []*byte
	want := func(name string) {
		if d.extensions[name] {
			extensions = append(extensions, &driver.CString(name)[0])
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
	if err := result("vkCreateDevice", driver.Call(l.createDevice, d.handle, uintptr(unsafe.Pointer(info)), 0, uintptr(unsafe.Pointer(&v.handle)))); err != nil {
		return nil, err
	}
	var err error
	if v.api, err = l.loadDevice(v.handle); err != nil {
		return nil, err
	}
	driver.Call(v.getQueue, v.handle, uintptr(d.family), 0, uintptr(unsafe.Pointer(&v.queue)))
	v.chooseMemory()
	v.pipelines = &pipelines{v: v, modules: map[string]handle{}, made: map[driver.Program]handle{}}
	push := &pushConstantRange{stages: shaderStageCompute, size: maxPushBytes}
	layout := &pipelineLayoutCreateInfo{sType: typePipelineLayout, pushCount: 1, push: push}
	err = result("vkCreatePipelineLayout", driver.Call(v.createLayout, v.handle, uintptr(unsafe.Pointer(layout)), 0, uintptr(unsafe.Pointer(&v.layout))))
	if err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

// Close gives everything back.
func (v *device) Close() {
	v.WaitIdle()
	v.pipelines.close()
	if v.layout != 0 {
		driver.Call(v.destroyLayout, v.handle, uintptr(v.layout), 0)
	}
	driver.Call(v.destroyDevice, v.handle, 0)
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
	if v.Kind == driver.Discrete {
		v.types[driver.Local] = pick(0, memoryDeviceLocal)
	} else {
		v.types[driver.Local] = pick(0, memoryDeviceLocal|visible|memoryHostCached, memoryDeviceLocal|visible, memoryDeviceLocal)
	}
	v.types[driver.Upload] = pick(v.types[driver.Local], visible)
	v.types[driver.Read] = pick(v.types[driver.Upload], visible|memoryHostCached, visible)
}

// OnDevice reports whether a kind of memory is of the heap that device memory
// is taken from.
func (v *device) OnDevice(m driver.Memory) bool {
	return v.memory.types[v.types[m]].heap == v.memory.types[v.types[driver.Local]].heap
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
	return result("vkQueueSubmit", driver.Call(v.submit, v.queue, 1, uintptr(unsafe.Pointer(info)), uintptr(fence)))
}

// Alloc allocates memory with a buffer over it, which the host sees if it
// can and should.
func (v *device) Alloc(m driver.Memory, size uint64, seen bool) (driver.Block, error) {
	kind := v.types[m]
	b := driver.Block{Size: size}
	var buffer, memory handle
	info := &bufferCreateInfo{sType: typeBufferCreateInfo, size: size, usage: usageStorage | usageAddress | usageTransferSrc | usageTransferDst}
	if err := result("vkCreateBuffer", driver.Call(v.createBuffer, v.handle, uintptr(unsafe.Pointer(info)), 0, uintptr(unsafe.Pointer(&buffer)))); err != nil {
		return b, err
	}
	need := &memoryRequirements{}
	driver.Call(v.bufferRequirements, v.handle, uintptr(buffer), uintptr(unsafe.Pointer(need)))
	flags := &memoryAllocateFlags{sType: typeMemoryAllocateFlags, flags: allocateAddress}
	alloc := &memoryAllocateInfo{sType: typeMemoryAllocateInfo, next: unsafe.Pointer(flags), size: need.size, typeIndex: kind}
	err := result("vkAllocateMemory", driver.Call(v.allocateMemory, v.handle, uintptr(unsafe.Pointer(alloc)), 0, uintptr(unsafe.Pointer(&memory))))
	if err == nil {
		err = result("vkBindBufferMemory", driver.Call(v.bindMemory, v.handle, uintptr(buffer), uintptr(memory), 0))
	}
	if err == nil && v.memory.types[kind].flags&memoryHostVisible != 0 && seen {
		err = result("vkMapMemory", driver.Call(v.mapMemory, v.handle, uintptr(memory), 0, ^uintptr(0), 0, uintptr(unsafe.Pointer(&b.Host))))
	}
	b.Buffer, b.Memory = uint64(buffer), uint64(memory)
	if err != nil {
		v.Free(m, &b)
		return driver.Block{}, err
	}
	at := &bufferDeviceAddressInfo{sType: typeBufferDeviceAddress, buffer: buffer}
	b.Address = uint64(driver.Call(v.bufferAddress, v.handle, uintptr(unsafe.Pointer(at))))
	return b, nil
}

// Free gives a block back.
func (v *device) Free(_ driver.Memory, b *driver.Block) {
	driver.Call(v.destroyBuffer, v.handle, uintptr(b.Buffer), 0)
	if b.Memory != 0 {
		driver.Call(v.freeMemory, v.handle, uintptr(b.Memory), 0)
	}
}
