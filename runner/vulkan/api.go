package vulkan

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

// api holds the addresses of the Vulkan functions used. Those of a device are
// filled by loadDevice and skip the loader's dispatch.
type api struct {
	getInstanceProc, enumerateInstanceExtensions, enumerateInstanceVersion, createInstance uintptr

	destroyInstance, enumeratePhysicalDevices, getProperties2, getFeatures2 uintptr
	getMemoryProperties2, getQueueFamilies, enumerateDeviceExtensions       uintptr
	createDevice, getDeviceProc, getCooperativeMatrix                       uintptr
	destroyDevice, getQueue, waitIdle                                       uintptr
	createBuffer, destroyBuffer, bufferRequirements, bindMemory             uintptr
	allocateMemory, freeMemory, mapMemory, bufferAddress                    uintptr
	createShader, destroyShader, createLayout, destroyLayout                uintptr
	createPipelines, destroyPipeline                                        uintptr
	createPool, destroyPool, resetPool, allocateCommands                    uintptr
	beginCommands, endCommands                                              uintptr
	createFence, destroyFence, resetFences, waitFences, submit              uintptr
	cmdBind, cmdPush, cmdDispatch, cmdBarrier, cmdCopy                      uintptr
}

// result turns a VkResult into an error; what says what was tried.
func result(what string, r uintptr) error {
	code := int32(r)
	if code >= 0 {
		return nil
	}
	return &Error{Call: what, Code: code}
}

// Error is a failed call of the Vulkan driver.
type Error struct {
	Call string
	Code int32 // VkResult
}

// Error says what failed and what may help.
func (e *Error) Error() string {
	switch e.Code {
	case errOutOfHostMemory:
		return fmt.Sprintf("gpu: out of host memory (%s)", e.Call)
	case errOutOfDeviceMemory:
		return fmt.Sprintf("gpu: out of device memory (%s); a shorter context, a smaller chunk or --cache-type f16 needs less", e.Call)
	case errDeviceLost:
		return fmt.Sprintf("gpu: the device was lost (%s): its driver stopped or reset it; a run's journal is intact, and the same command continues it", e.Call)
	case errFeatureAbsent, errExtensionAbsent, errIncompatible:
		return fmt.Sprintf("gpu: the driver lacks a feature that headprof needs (%s, result %d); a newer driver may have it", e.Call, e.Code)
	}
	return fmt.Sprintf("gpu: %s failed with Vulkan result %d", e.Call, e.Code)
}

func cstring(s string) []byte { return append([]byte(s), 0) }

// proc looks up a function.
func (a *api) proc(get uintptr, object uintptr, name string) uintptr {
	n := cstring(name)
	return call(get, object, uintptr(unsafe.Pointer(&n[0])))
}

// loader is the process's one Vulkan instance.
type loader struct {
	api
	instance uintptr
}

var open = sync.OnceValues(openLoader)

// install says how to get a Vulkan loader on this system.
func install() string {
	switch runtime.GOOS {
	case "windows":
		return "install the graphics card's driver, which brings vulkan-1.dll"
	case "darwin":
		return "install MoltenVK (brew install molten-vk vulkan-loader)"
	}
	return "install the loader and your card's driver (Debian, Ubuntu: apt install libvulkan1 mesa-vulkan-drivers, or NVIDIA's driver package; Fedora: dnf install vulkan-loader mesa-vulkan-drivers)"
}

// missingLoader says that no library could be opened, why, and what helps.
func missingLoader(tried []string) error {
	return fmt.Errorf("gpu: no Vulkan loader was found (%s); %s", strings.Join(tried, "; "), install())
}

func openLoader() (*loader, error) {
	if !built {
		return nil, errors.New("gpu: this binary was built without GPU support (tag nogpu)")
	}
	l := &loader{}
	var errs []string
	for _, name := range libraries() {
		p, err := openLibrary(name, "vkGetInstanceProcAddr")
		if err == nil && p != 0 {
			l.getInstanceProc = p
			break
		}
		if err != nil {
			errs = append(errs, err.Error())
		}
	}
	if l.getInstanceProc == 0 {
		return nil, missingLoader(errs)
	}
	for name, p := range map[string]*uintptr{
		"vkEnumerateInstanceExtensionProperties": &l.enumerateInstanceExtensions,
		"vkEnumerateInstanceVersion":             &l.enumerateInstanceVersion,
		"vkCreateInstance":                       &l.createInstance,
	} {
		if *p = l.proc(l.getInstanceProc, 0, name); *p == 0 {
			return nil, fmt.Errorf("gpu: the Vulkan loader has no %s: it is older than Vulkan 1.2; %s", name, install())
		}
	}
	if err := l.makeInstance(); err != nil {
		return nil, err
	}
	return l, l.loadInstance()
}

const version12 = 1<<22 | 2<<12

func (l *loader) makeInstance() error {
	var version uint32
	call(l.enumerateInstanceVersion, uintptr(unsafe.Pointer(&version)))
	if version < version12 {
		return fmt.Errorf("gpu: the Vulkan loader is of version %s; 1.2 is needed: %s", versionText(version), install())
	}
	name := cstring("headprof")
	app := applicationInfo{sType: typeApplicationInfo, name: unsafe.Pointer(&name[0]), apiVersion: version12}
	info := instanceCreateInfo{sType: typeInstanceCreateInfo, application: &app}
	// MoltenVK shows itself only to those who ask for incomplete devices too.
	const portability = "VK_KHR_portability_enumeration"
	if l.instanceExtensions()[portability] {
		list := []*byte{&cstring(portability)[0]}
		info.flags, info.extensionCount, info.extensions = enumeratePortability, 1, unsafe.Pointer(&list[0])
	}
	r := call(l.createInstance, uintptr(unsafe.Pointer(&info)), 0, uintptr(unsafe.Pointer(&l.instance)))
	if int32(r) == errIncompatible {
		return fmt.Errorf("gpu: the Vulkan loader found no driver; %s", install())
	}
	return result("vkCreateInstance", r)
}

func names(list []extensionProperties) map[string]bool {
	m := map[string]bool{}
	for _, e := range list {
		m[text(e.name[:])] = true
	}
	return m
}

func text(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

func (l *loader) instanceExtensions() map[string]bool {
	var n uint32
	call(l.enumerateInstanceExtensions, 0, uintptr(unsafe.Pointer(&n)), 0)
	if n == 0 {
		return nil
	}
	list := make([]extensionProperties, n)
	call(l.enumerateInstanceExtensions, 0, uintptr(unsafe.Pointer(&n)), uintptr(unsafe.Pointer(&list[0])))
	return names(list[:n])
}

func (l *loader) loadInstance() error {
	for name, p := range map[string]*uintptr{
		"vkDestroyInstance":                        &l.destroyInstance,
		"vkEnumeratePhysicalDevices":               &l.enumeratePhysicalDevices,
		"vkGetPhysicalDeviceProperties2":           &l.getProperties2,
		"vkGetPhysicalDeviceFeatures2":             &l.getFeatures2,
		"vkGetPhysicalDeviceMemoryProperties2":     &l.getMemoryProperties2,
		"vkGetPhysicalDeviceQueueFamilyProperties": &l.getQueueFamilies,
		"vkEnumerateDeviceExtensionProperties":     &l.enumerateDeviceExtensions,
		"vkCreateDevice":                           &l.createDevice,
		"vkGetDeviceProcAddr":                      &l.getDeviceProc,
	} {
		if *p = l.proc(l.getInstanceProc, l.instance, name); *p == 0 {
			return fmt.Errorf("gpu: the Vulkan loader has no %s; %s", name, install())
		}
	}
	l.getCooperativeMatrix = l.proc(l.getInstanceProc, l.instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR")
	return nil
}

// loadDevice gives the table with a device's own functions.
func (l *loader) loadDevice(device uintptr) (api, error) {
	a := l.api
	for name, p := range map[string]*uintptr{
		"vkDestroyDevice": &a.destroyDevice, "vkGetDeviceQueue": &a.getQueue, "vkDeviceWaitIdle": &a.waitIdle,
		"vkCreateBuffer": &a.createBuffer, "vkDestroyBuffer": &a.destroyBuffer, "vkGetBufferMemoryRequirements": &a.bufferRequirements,
		"vkBindBufferMemory": &a.bindMemory, "vkAllocateMemory": &a.allocateMemory, "vkFreeMemory": &a.freeMemory,
		"vkMapMemory": &a.mapMemory, "vkGetBufferDeviceAddress": &a.bufferAddress,
		"vkCreateShaderModule": &a.createShader, "vkDestroyShaderModule": &a.destroyShader,
		"vkCreatePipelineLayout": &a.createLayout, "vkDestroyPipelineLayout": &a.destroyLayout,
		"vkCreateComputePipelines": &a.createPipelines, "vkDestroyPipeline": &a.destroyPipeline,
		"vkCreateCommandPool": &a.createPool, "vkDestroyCommandPool": &a.destroyPool, "vkResetCommandPool": &a.resetPool,
		"vkAllocateCommandBuffers": &a.allocateCommands, "vkBeginCommandBuffer": &a.beginCommands, "vkEndCommandBuffer": &a.endCommands,
		"vkCreateFence": &a.createFence, "vkDestroyFence": &a.destroyFence, "vkResetFences": &a.resetFences, "vkWaitForFences": &a.waitFences,
		"vkQueueSubmit": &a.submit, "vkCmdBindPipeline": &a.cmdBind, "vkCmdPushConstants": &a.cmdPush,
		"vkCmdDispatch": &a.cmdDispatch, "vkCmdPipelineBarrier": &a.cmdBarrier, "vkCmdCopyBuffer": &a.cmdCopy,
	} {
		if *p = a.proc(l.getDeviceProc, device, name); *p == 0 {
			return a, fmt.Errorf("gpu: the driver has no %s; a newer one is needed", name)
		}
	}
	return a, nil
}

func versionText(v uint32) string {
	return fmt.Sprintf("%d.%d.%d", v>>22&127, v>>12&1023, v&4095)
}
