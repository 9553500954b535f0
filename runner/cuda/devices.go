package cuda

import (
	"bytes"
	"fmt"
	"os"
	"unsafe"

	"headprof/runner/gpu/driver"
)

// Attributes of a device (CUdevice_attribute).
const (
	attributeWarp         = 10
	attributeIntegrated   = 18
	attributeOneAddress   = 41
	attributeCapability   = 75
	attributeCapabilityLo = 76
)

// leastCapability is the compute capability that the kernels' PTX is for, times ten.
const leastCapability = 75

// Devices lists NVIDIA's devices in the driver's order. The error says what is
// missing when there is no driver or no device.
func Devices() ([]driver.Info, error) {
	a, err := open()
	if err != nil {
		return nil, err
	}
	return a.devices()
}

func (a *api) devices() ([]driver.Info, error) {
	var n, version int32
	if err := result("cuDeviceGetCount", driver.Call(a.deviceCount, uintptr(unsafe.Pointer(&n)))); err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, fmt.Errorf("gpu: NVIDIA's driver lists no card; CUDA_VISIBLE_DEVICES may hide it")
	}
	driver.Call(a.version, uintptr(unsafe.Pointer(&version)))
	var all []driver.Info
	for i := range n {
		d, err := a.describe(i)
		if err != nil {
			return nil, err
		}
		d.Version = versionText(version)
		all = append(all, d)
	}
	return all, nil
}

func (a *api) describe(i int32) (driver.Info, error) {
	info := driver.Info{API: apiName, Kind: driver.Discrete}
	var device int32
	if err := result("cuDeviceGet", driver.Call(a.deviceGet, uintptr(unsafe.Pointer(&device)), uintptr(i))); err != nil {
		return info, err
	}
	name := make([]byte, 256)
	if err := result("cuDeviceGetName", driver.Call(a.deviceName, uintptr(unsafe.Pointer(&name[0])), uintptr(len(name)), uintptr(device))); err != nil {
		return info, err
	}
	before, _, _ := bytes.Cut(name, []byte{0})
	info.Name = string(before)
	var memory uint64
	if err := result("cuDeviceTotalMem", driver.Call(a.deviceMemory, uintptr(unsafe.Pointer(&memory)), uintptr(device))); err != nil {
		return info, err
	}
	info.Memory, info.Free = int64(memory), int64(memory)
	attribute := func(which uintptr) int32 {
		var v int32
		driver.Call(a.deviceAttribute, uintptr(unsafe.Pointer(&v)), which, uintptr(device))
		return v
	}
	switch {
	case os.Getenv(substitute) != "":
		info.Kind = driver.Software
	case attribute(attributeIntegrated) != 0:
		info.Kind = driver.Integrated
	}
	major, minor := attribute(attributeCapability), attribute(attributeCapabilityLo)
	info.Features = []string{fmt.Sprintf("compute %d.%d", major, minor)}
	lanes := uint32(attribute(attributeWarp))
	switch {
	case 10*major+minor < leastCapability:
		info.Problem = fmt.Sprintf("its compute capability is %d.%d; %d.%d (Turing) is needed", major, minor, leastCapability/10, leastCapability%10)
	case attribute(attributeOneAddress) == 0:
		info.Problem = "its driver has no unified addressing"
	default:
		if free, err := a.freeMemory(device); err != nil {
			info.Problem = fmt.Sprintf("its driver gives no context (%v); another process may hold it alone", err)
		} else {
			info.Free = free
		}
	}
	info.Open = func(bool) (driver.Device, error) { return a.openDevice(device, lanes, memory) }
	return info, nil
}

// freeMemory asks, in a context, for the memory that is free.
func (a *api) freeMemory(device int32) (int64, error) {
	v, err := a.openDevice(device, 0, 0)
	if err != nil {
		return 0, err
	}
	defer v.Close()
	var free, total uint64
	err = v.call("cuMemGetInfo", a.memoryInfo, uintptr(unsafe.Pointer(&free)), uintptr(unsafe.Pointer(&total)))
	return int64(free), err
}
