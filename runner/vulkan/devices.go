package vulkan

import (
	"fmt"
	"unsafe"

	"headprof/runner/gpu/driver"
)

// physical describes one Vulkan device.
type physical struct {
	driver.Info
	handle         uintptr
	version        uint32
	limits         limits
	maxAllocation  uint64
	memory         memoryProperties
	family         uint32 // queue family that computes
	extensions     map[string]bool
	subgroup       uint32
	coopShape      *cooperativeMatrixProperties // f16 × f16 → f32 within a subgroup; nil: none
	budgetReported bool
}

// Devices lists the Vulkan devices in the loader's order. The error says what
// is missing when there is no loader, no driver or no device.
func Devices() ([]driver.Info, error) {
	l, err := open()
	if err != nil {
		return nil, err
	}
	found, err := l.devices()
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("gpu: the Vulkan loader knows no device; %s", install())
	}
	var all []driver.Info
	for _, p := range found {
		p.Matrices = p.coopShape != nil
		p.Open = func(matrices bool) (driver.Device, error) { return l.openDevice(&p, matrices) }
		all = append(all, p.Info)
	}
	return all, nil
}

func (l *loader) devices() ([]physical, error) {
	var n uint32
	if err := result("vkEnumeratePhysicalDevices", driver.Call(l.enumeratePhysicalDevices, l.instance, uintptr(unsafe.Pointer(&n)), 0)); err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, nil
	}
	handles := make([]uintptr, n)
	if err := result("vkEnumeratePhysicalDevices", driver.Call(l.enumeratePhysicalDevices, l.instance, uintptr(unsafe.Pointer(&n)), uintptr(unsafe.Pointer(&handles[0])))); err != nil {
		return nil, err
	}
	var all []physical
	for _, h := range handles[:n] {
		d := physical{handle: h}
		l.describe(&d)
		all = append(all, d)
	}
	return all, nil
}

func (l *loader) describe(d *physical) {
	m3 := &maintenance3Properties{sType: typeMaintenance3}
	sub := &subgroupProperties{sType: typeSubgroupProperties, next: unsafe.Pointer(m3)}
	p := &properties2{sType: typeProperties2, next: unsafe.Pointer(sub)}
	driver.Call(l.getProperties2, d.handle, uintptr(unsafe.Pointer(p)))
	d.API, d.Name, d.version = apiName, text(p.properties.name[:]), p.properties.apiVersion
	d.Version, d.limits, d.maxAllocation, d.subgroup = versionText(d.version), p.properties.limits, m3.maxAllocationSize, sub.size
	kinds := []driver.Kind{driver.Other, driver.Integrated, driver.Discrete, driver.Virtual, driver.Software}
	d.Kind = driver.Other
	if int(p.properties.kind) < len(kinds) {
		d.Kind = kinds[p.properties.kind]
	}
	d.extensions = l.deviceExtensions(d.handle)
	if d.version < version12 {
		d.Problem = fmt.Sprintf("it speaks Vulkan %s; 1.2 is needed", d.Version)
		return
	}
	l.describeFeatures(d)
	l.describeMemory(d)
	l.describeQueues(d)
}

func (l *loader) deviceExtensions(handle uintptr) map[string]bool {
	var n uint32
	driver.Call(l.enumerateDeviceExtensions, handle, 0, uintptr(unsafe.Pointer(&n)), 0)
	if n == 0 {
		return nil
	}
	list := make([]extensionProperties, n)
	driver.Call(l.enumerateDeviceExtensions, handle, 0, uintptr(unsafe.Pointer(&n)), uintptr(unsafe.Pointer(&list[0])))
	return names(list[:n])
}

const extensionCooperative = "VK_KHR_cooperative_matrix"

func (l *loader) describeFeatures(d *physical) {
	coop := &cooperativeMatrixFeatures{sType: typeCooperativeMatrix}
	f12 := &features12{sType: typeFeatures12}
	if d.extensions[extensionCooperative] {
		f12.next = unsafe.Pointer(coop)
	}
	f := &features2{sType: typeFeatures2, next: unsafe.Pointer(f12)}
	driver.Call(l.getFeatures2, d.handle, uintptr(unsafe.Pointer(f)))
	d.Features = []string{fmt.Sprintf("subgroup %d", d.subgroup)}
	if f12.flags[flagBufferDeviceAddress] == 0 {
		d.Problem = "its driver lacks the feature bufferDeviceAddress"
	} else {
		d.Features = append(d.Features, "buffer addresses")
	}
	float16 := f12.flags[flagShaderFloat16] != 0
	if float16 {
		d.Features = append(d.Features, "float16")
	}
	if coop.matrix != 0 && f12.flags[flagMemoryModel] != 0 && float16 && l.getCooperativeMatrix != 0 {
		if d.coopShape = l.cooperative(d.handle); d.coopShape != nil {
			d.Features = append(d.Features, fmt.Sprintf("cooperative matrix %dx%dx%d", d.coopShape.m, d.coopShape.n, d.coopShape.k))
		}
	}
	if d.limits.maxSharedMemory < 32<<10 {
		d.Problem = fmt.Sprintf("it has %d bytes of shared memory per workgroup; 32768 are needed", d.limits.maxSharedMemory)
	}
}

// cooperative finds a shape that multiplies f16 by f16 into f32 within a
// subgroup, 16×16×16 if there is one.
func (l *loader) cooperative(handle uintptr) *cooperativeMatrixProperties {
	var n uint32
	driver.Call(l.getCooperativeMatrix, handle, uintptr(unsafe.Pointer(&n)), 0)
	if n == 0 {
		return nil
	}
	list := make([]cooperativeMatrixProperties, n)
	for i := range list {
		list[i].sType = typeCooperativeMatrixKHR
	}
	driver.Call(l.getCooperativeMatrix, handle, uintptr(unsafe.Pointer(&n)), uintptr(unsafe.Pointer(&list[0])))
	const half, single, subgroup = 0, 1, 3 // VkComponentTypeKHR, VkScopeKHR
	for _, p := range list[:n] {
		if p.a == half && p.b == half && p.c == single && p.r == single && p.scope == subgroup && p.m == 16 && p.n == 16 && p.k == 16 {
			return &p
		}
	}
	return nil
}

func (l *loader) describeMemory(d *physical) {
	budget := &memoryBudget{sType: typeMemoryBudget}
	m := &memoryProperties2{sType: typeMemoryProperties2}
	if d.budgetReported = d.extensions["VK_EXT_memory_budget"]; d.budgetReported {
		m.next = unsafe.Pointer(budget)
	}
	driver.Call(l.getMemoryProperties2, d.handle, uintptr(unsafe.Pointer(m)))
	d.memory = m.properties
	d.Memory, d.Free = 0, 0
	for i, h := range d.memory.heaps[:d.memory.heapCount] {
		if h.flags&heapDeviceLocal == 0 {
			continue
		}
		// The largest heap counts: a small one may be a window onto it.
		if int64(h.size) > d.Memory {
			d.Memory, d.Free = int64(h.size), int64(h.size)
			if d.budgetReported {
				d.Free = max(0, int64(budget.budget[i])-int64(budget.usage[i]))
			}
		}
	}
	if d.maxAllocation == 0 {
		d.maxAllocation = 1 << 30 // the least that Vulkan promises
	}
}

func (l *loader) describeQueues(d *physical) {
	var n uint32
	driver.Call(l.getQueueFamilies, d.handle, uintptr(unsafe.Pointer(&n)), 0)
	list := make([]queueFamily, n+1)
	driver.Call(l.getQueueFamilies, d.handle, uintptr(unsafe.Pointer(&n)), uintptr(unsafe.Pointer(&list[0])))
	for i, f := range list[:n] {
		if f.flags&queueCompute != 0 && f.count > 0 {
			d.family = uint32(i)
			return
		}
	}
	d.Problem = "it cannot compute: no queue family with compute"
}
