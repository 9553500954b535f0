package vulkan

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unsafe"
)

// Kind says what a device is.
type Kind string

// Kinds of devices.
const (
	Discrete   Kind = "discrete"
	Integrated Kind = "integrated"
	Virtual    Kind = "virtual"
	Software   Kind = "software"
	Other      Kind = "other"
)

// Device describes one Vulkan device.
type Device struct {
	Index    int      `json:"index"` // what "gpu:N" names
	Name     string   `json:"name"`
	Kind     Kind     `json:"kind"`
	Memory   int64    `json:"memory_bytes"` // device-local memory
	Free     int64    `json:"free_bytes"`   // of it, what the driver says is free; Memory where it does not say
	API      string   `json:"vulkan"`       // version
	Driver   uint32   `json:"driver_version"`
	Vendor   uint32   `json:"vendor_id"`
	Features []string `json:"features"`
	Problem  string   `json:"problem,omitempty"` // why headprof cannot use it

	physical       uintptr
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
// is missing when there is no loader or no driver.
func Devices() ([]Device, error) {
	l, err := open()
	if err != nil {
		return nil, err
	}
	return l.devices()
}

func (l *loader) devices() ([]Device, error) {
	var n uint32
	if err := result("vkEnumeratePhysicalDevices", call(l.enumeratePhysicalDevices, l.instance, uintptr(unsafe.Pointer(&n)), 0)); err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, nil
	}
	handles := make([]uintptr, n)
	if err := result("vkEnumeratePhysicalDevices", call(l.enumeratePhysicalDevices, l.instance, uintptr(unsafe.Pointer(&n)), uintptr(unsafe.Pointer(&handles[0])))); err != nil {
		return nil, err
	}
	var all []Device
	for i, h := range handles[:n] {
		d := Device{Index: i, physical: h}
		l.describe(&d)
		all = append(all, d)
	}
	return all, nil
}

func (l *loader) describe(d *Device) {
	m3 := &maintenance3Properties{sType: typeMaintenance3}
	sub := &subgroupProperties{sType: typeSubgroupProperties, next: unsafe.Pointer(m3)}
	p := &properties2{sType: typeProperties2, next: unsafe.Pointer(sub)}
	call(l.getProperties2, d.physical, uintptr(unsafe.Pointer(p)))
	d.Name, d.version, d.Driver, d.Vendor = text(p.properties.name[:]), p.properties.apiVersion, p.properties.driverVersion, p.properties.vendor
	d.API, d.limits, d.maxAllocation, d.subgroup = versionText(d.version), p.properties.limits, m3.maxAllocationSize, sub.size
	kinds := []Kind{Other, Integrated, Discrete, Virtual, Software}
	d.Kind = Other
	if int(p.properties.kind) < len(kinds) {
		d.Kind = kinds[p.properties.kind]
	}
	d.extensions = l.deviceExtensions(d.physical)
	if d.version < version12 {
		d.Problem = fmt.Sprintf("it speaks Vulkan %s; 1.2 is needed", d.API)
		return
	}
	l.describeFeatures(d)
	l.describeMemory(d)
	l.describeQueues(d)
}

func (l *loader) deviceExtensions(physical uintptr) map[string]bool {
	var n uint32
	call(l.enumerateDeviceExtensions, physical, 0, uintptr(unsafe.Pointer(&n)), 0)
	if n == 0 {
		return nil
	}
	list := make([]extensionProperties, n)
	call(l.enumerateDeviceExtensions, physical, 0, uintptr(unsafe.Pointer(&n)), uintptr(unsafe.Pointer(&list[0])))
	return names(list[:n])
}

const extensionCooperative = "VK_KHR_cooperative_matrix"

func (l *loader) describeFeatures(d *Device) {
	coop := &cooperativeMatrixFeatures{sType: typeCooperativeMatrix}
	f12 := &features12{sType: typeFeatures12}
	if d.extensions[extensionCooperative] {
		f12.next = unsafe.Pointer(coop)
	}
	f := &features2{sType: typeFeatures2, next: unsafe.Pointer(f12)}
	call(l.getFeatures2, d.physical, uintptr(unsafe.Pointer(f)))
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
		if d.coopShape = l.cooperative(d.physical); d.coopShape != nil {
			d.Features = append(d.Features, fmt.Sprintf("cooperative matrix %dx%dx%d", d.coopShape.m, d.coopShape.n, d.coopShape.k))
		}
	}
	if d.limits.maxSharedMemory < 32<<10 {
		d.Problem = fmt.Sprintf("it has %d bytes of shared memory per workgroup; 32768 are needed", d.limits.maxSharedMemory)
	}
}

// cooperative finds a shape that multiplies f16 by f16 into f32 within a
// subgroup, 16×16×16 if there is one.
func (l *loader) cooperative(physical uintptr) *cooperativeMatrixProperties {
	var n uint32
	call(l.getCooperativeMatrix, physical, uintptr(unsafe.Pointer(&n)), 0)
	if n == 0 {
		return nil
	}
	list := make([]cooperativeMatrixProperties, n)
	for i := range list {
		list[i].sType = typeCooperativeMatrixKHR
	}
	call(l.getCooperativeMatrix, physical, uintptr(unsafe.Pointer(&n)), uintptr(unsafe.Pointer(&list[0])))
	const half, single, subgroup = 0, 1, 3 // VkComponentTypeKHR, VkScopeKHR
	for _, p := range list[:n] {
		if p.a == half && p.b == half && p.c == single && p.r == single && p.scope == subgroup && p.m == 16 && p.n == 16 && p.k == 16 {
			return &p
		}
	}
	return nil
}

func (l *loader) describeMemory(d *Device) {
	budget := &memoryBudget{sType: typeMemoryBudget}
	m := &memoryProperties2{sType: typeMemoryProperties2}
	if d.budgetReported = d.extensions["VK_EXT_memory_budget"]; d.budgetReported {
		m.next = unsafe.Pointer(budget)
	}
	call(l.getMemoryProperties2, d.physical, uintptr(unsafe.Pointer(m)))
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

func (l *loader) describeQueues(d *Device) {
	var n uint32
	call(l.getQueueFamilies, d.physical, uintptr(unsafe.Pointer(&n)), 0)
	list := make([]queueFamily, n+1)
	call(l.getQueueFamilies, d.physical, uintptr(unsafe.Pointer(&n)), uintptr(unsafe.Pointer(&list[0])))
	for i, f := range list[:n] {
		if f.flags&queueCompute != 0 && f.count > 0 {
			d.family = uint32(i)
			return
		}
	}
	d.Problem = "it cannot compute: no queue family with compute"
}

// ErrNone is returned for "auto" when there is no hardware GPU to use.
var ErrNone = errors.New("gpu: no hardware GPU that headprof can use was found")

// choose finds the device that a name stands for: "gpu" (the first discrete
// one, else integrated, else another; never software), or "gpu:N".
func choose(all []Device, name string) (*Device, error) {
	index, numbered := strings.CutPrefix(name, "gpu:")
	if numbered {
		n, err := strconv.Atoi(index)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("device %q: after \"gpu:\" comes a number that 'headprof devices' lists", name)
		}
		if n >= len(all) {
			return nil, fmt.Errorf("device %q: there are %d Vulkan devices; 'headprof devices' lists them", name, len(all))
		}
		if all[n].Problem != "" {
			return nil, fmt.Errorf("device %q (%s) cannot be used: %s", name, all[n].Name, all[n].Problem)
		}
		return &all[n], nil
	}
	problem := ""
	for _, kind := range []Kind{Discrete, Integrated, Virtual, Other} {
		for i := range all {
			if all[i].Kind != kind {
				continue
			}
			if all[i].Problem == "" {
				return &all[i], nil
			}
			problem += fmt.Sprintf("; gpu:%d (%s): %s", i, all[i].Name, all[i].Problem)
		}
	}
	for i := range all {
		if all[i].Kind == Software {
			problem += fmt.Sprintf("; gpu:%d (%s) is software and is used only when named so", i, all[i].Name)
		}
	}
	return nil, fmt.Errorf("%w%s", ErrNone, problem)
}

// Preferred is the index of the device that "gpu" stands for; -1: none.
func Preferred(all []Device) int {
	d, err := choose(all, "gpu")
	if err != nil {
		return -1
	}
	return d.Index
}

// Hardware reports whether "gpu" would find a device: what "auto" asks.
func Hardware() bool {
	all, err := Devices()
	return err == nil && Preferred(all) >= 0
}
