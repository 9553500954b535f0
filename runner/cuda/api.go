package cuda

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"headprof/runner/gpu/driver"
)

// apiName is the name of the API in messages.
const apiName = "CUDA"

// api holds the addresses of the driver's functions.
type api struct {
	init, version, deviceCount, deviceGet, deviceName, deviceMemory, deviceAttribute uintptr
	contextRetain, contextRelease, contextSet, contextSync, memoryInfo               uintptr
	alloc, free, hostAlloc, hostFree, copyAsync                                      uintptr
	streamCreate, streamDestroy, streamSync                                          uintptr
	eventCreate, eventDestroy, eventRecord, eventSync                                uintptr
	moduleLoad, moduleUnload, moduleFunction, launch                                 uintptr
}

func (a *api) functions() map[string]*uintptr {
	return map[string]*uintptr{
		"cuInit": &a.init, "cuDriverGetVersion": &a.version, "cuDeviceGetCount": &a.deviceCount, "cuDeviceGet": &a.deviceGet,
		"cuDeviceGetName": &a.deviceName, "cuDeviceTotalMem_v2": &a.deviceMemory, "cuDeviceGetAttribute": &a.deviceAttribute,
		"cuDevicePrimaryCtxRetain": &a.contextRetain, "cuDevicePrimaryCtxRelease_v2": &a.contextRelease, "cuCtxSetCurrent": &a.contextSet,
		"cuCtxSynchronize": &a.contextSync, "cuMemGetInfo_v2": &a.memoryInfo,
		"cuMemAlloc_v2": &a.alloc, "cuMemFree_v2": &a.free, "cuMemHostAlloc": &a.hostAlloc, "cuMemFreeHost": &a.hostFree, "cuMemcpyAsync": &a.copyAsync,
		"cuStreamCreate": &a.streamCreate, "cuStreamDestroy_v2": &a.streamDestroy, "cuStreamSynchronize": &a.streamSync,
		"cuEventCreate": &a.eventCreate, "cuEventDestroy_v2": &a.eventDestroy, "cuEventRecord": &a.eventRecord, "cuEventSynchronize": &a.eventSync,
		"cuModuleLoadDataEx": &a.moduleLoad, "cuModuleUnload": &a.moduleUnload, "cuModuleGetFunction": &a.moduleFunction, "cuLaunchKernel": &a.launch,
	}
}

// Results of the driver (CUresult).
const (
	errOutOfMemory    = 2
	errDeinitialized  = 4
	errNoDevice       = 100
	errUncorrectable  = 214
	errInvalidPTX     = 218
	errUnsupportedPTX = 222
	errIllegalAddress = 700
	errFirstSticky    = 702 // 702 to 719: a kernel was stopped, and the context with it
	errLastSticky     = 719
	errSystemNotReady = 802
	errSystemDriver   = 803
	errUnknown        = 999
)

// result turns a CUresult into an error; what says what was tried.
func result(what string, r uintptr) error {
	code := int(int32(r))
	if code == 0 {
		return nil
	}
	e := &driver.Error{API: apiName, Call: what, Code: code}
	switch {
	case code == errOutOfMemory:
		e.Cause = driver.OutOfDeviceMemory
	case code == errInvalidPTX || code == errUnsupportedPTX:
		e.Cause = driver.Unsupported
	case code == errDeinitialized || code == errUncorrectable || code == errIllegalAddress || code >= errFirstSticky && code <= errLastSticky || code == errUnknown:
		e.Cause = driver.DeviceLost
	}
	return e
}

// substitute names a library that takes the place of the driver's: an emulated
// device, whose devices are software.
const substitute = "HEADPROF_CUDA_LIBRARY"

// libraries are the names under which the driver's library is installed.
func libraries() []string {
	if name := os.Getenv(substitute); name != "" {
		return []string{name}
	}
	if runtime.GOOS == "windows" {
		return []string{"nvcuda.dll"}
	}
	return []string{"libcuda.so.1", "libcuda.so", "/usr/lib/wsl/lib/libcuda.so.1"}
}

// install says how to get the library.
func install() string {
	if runtime.GOOS == "darwin" {
		return "NVIDIA has no driver for macOS; Vulkan (MoltenVK) is the way to this machine's GPU"
	}
	return "it is part of NVIDIA's driver: install that, version 525 or later; in a container start it with the card (docker run --gpus all, with NVIDIA's container toolkit on the host; NVIDIA_DRIVER_CAPABILITIES=compute)"
}

var open = sync.OnceValues(func() (*api, error) {
	if !driver.Built {
		return nil, driver.ErrNotBuilt
	}
	library, tried := driver.Open(libraries())
	if library == nil {
		return nil, fmt.Errorf("gpu: no CUDA driver was found (%s); %s", strings.Join(tried, "; "), install())
	}
	return load(library.Symbol)
})

// oldest is the oldest driver that loads the kernels, in the driver's counting.
const oldest = 12000

// load fills the table and makes the driver ready.
func load(symbol func(name string) uintptr) (*api, error) {
	a := &api{}
	for name, p := range a.functions() {
		if *p = symbol(name); *p == 0 {
			return nil, fmt.Errorf("gpu: NVIDIA's driver has no %s: it is older than CUDA 12.0; install version 525 or later", name)
		}
	}
	var version int32
	if err := result("cuDriverGetVersion", driver.Call(a.version, uintptr(unsafe.Pointer(&version)))); err != nil {
		return nil, err
	}
	if version < oldest {
		return nil, fmt.Errorf("gpu: NVIDIA's driver speaks CUDA %s; 12.0 is needed: install version 525 or later", versionText(version))
	}
	switch code := int32(driver.Call(a.init, 0)); code {
	case 0:
		return a, nil
	case errNoDevice:
		return nil, fmt.Errorf("gpu: NVIDIA's driver finds no card (cuInit, result %d): look whether nvidia-smi lists it and CUDA_VISIBLE_DEVICES names it; a container must be given it (docker run --gpus all)", code)
	case errSystemNotReady, errSystemDriver:
		return nil, fmt.Errorf("gpu: NVIDIA's driver is not ready (cuInit, result %d): its library and kernel module differ in version, or nvidia-fabricmanager does not run; nvidia-smi says more", code)
	default:
		return nil, result("cuInit", uintptr(uint32(code)))
	}
}

func versionText(v int32) string { return fmt.Sprintf("%d.%d", v/1000, v%1000/10) }
