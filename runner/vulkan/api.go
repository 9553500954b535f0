package vulkan

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"headprof/runner/gpu/driver"
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
	e := &driver.Error{API: apiName, Call: what, Code: int(code)}
	switch code {
	case errOutOfHostMemory:
		e.Cause = driver.OutOfHostMemory
	case errOutOfDeviceMemory:
		e.Cause = driver.OutOfDeviceMemory
	case errDeviceLost:
		e.Cause = driver.DeviceLost
	case errFeatureAbsent, errExtensionAbsent, errIncompatible:
		e.Cause = driver.Unsupported
	}
	return e
}

// apiName is the name of the API in messages.
const apiName = "Vulkan"

// proc looks up a function.
func (a *api) proc(get uintptr, object uintptr, name string) uintptr {
	n := driver.CString(name)
	return driver.Call(get, object, uintptr(unsafe.Pointer(&n[0])))
}

// loader is the process's one Vulkan instance.
type loader struct {
	api
	instance uintptr
}

var open = sync.OnceValues(openLoader)

// libraries are the names under which a Vulkan loader is installed.
func libraries() []string {
	switch runtime.GOOS {
	case "windows":
		return []string{"vulkan-1.dll"}
	case "darwin":
		return []string{"libvulkan.1.dylib", "libvulkan.dylib", "libMoltenVK.dylib",
			"/opt/homebrew/lib/libvulkan.1.dylib", "/usr/local/lib/libvulkan.1.dylib",
			"/opt/homebrew/lib/libMoltenVK.dylib", "/usr/local/lib/libMoltenVK.dylib"}
	}
	return []string{"libvulkan.so.1", "libvulkan.so"}
}

// install says how to get a Vulkan loader on this system.
func install() string {
	switch runtime.GOOS {
	case "windows":
		return "install the graphics card's driver, which brings vulkan-1.dll"
	case "darwin":
		return "install MoltenVK (brew install molten-vk vulkan-loader)"
	}
	return "install the loader and your card's driver (Debian, Ubuntu: apt install libvulkan1 mesa-vulkan-drivers, or NVIDIA's driver package; Fedora: dnf install vulkan-loader mesa-vulkan-drivers; a container with an NVIDIA card: NVIDIA_DRIVER_CAPABILITIES=graphics,compute)"
}

// missingLoader says that no library could be opened, why, and what helps.
func missingLoader(tried []string) error {
	return fmt.Errorf("gpu: no Vulkan loader was found (%s); %s", strings.Join(tried, "; "), install())
}

func openLoader() (*loader, error) {
	library, tried := driver.Open(libraries())
	if library == nil {
		return nil, missingLoader(tried)
	}
	l := &loader{}
	if l.getInstanceProc = library.Symbol("vkGetInstanceProcAddr"); l.getInstanceProc == 0 {
		return nil, missingLoader([]string{"it has no vkGetInstanceProcAddr"})
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
	driver.Call(l.enumerateInstanceVersion, uintptr(unsafe.Pointer(&version)))
	if version < version12 {
		return fmt.Errorf("gpu: the Vulkan loader is of version %s; 1.2 is needed: %s", versionText(version), install())
	}
	name := driver.CString("headprof")
	app := applicationInfo{sType: typeApplicationInfo, name: unsafe.Pointer(&name[0]), apiVersion: version12}
	info := instanceCreateInfo{sType: typeInstanceCreateInfo, application: &app}
	// MoltenVK shows itself only to those who ask for incomplete devices too.
	const portability = "VK_KHR_portability_enumeration"
	if l.instanceExtensions()[portability] {
		list := []*byte{&driver.CString(portability)[0]}
		info.flags, info.extensionCount, info.extensions = enumeratePortability, 1, unsafe.Pointer(&list[0])
	}
	r := driver.Call(l.createInstance, uintptr(unsafe.Pointer(&info)), 0, uintptr(unsafe.Pointer(&l.instance)))
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
	driver.Call(l.enumerateInstanceExtensions, 0, uintptr(unsafe.Pointer(&n)), 0)
	if n == 0 {
		return nil
	}
	list := make([]extensionProperties, n)
	driver.Call(l.enumerateInstanceExtensions, 0, uintptr(unsafe.Pointer(&n)), uintptr(unsafe.Pointer(&list[0])))
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
