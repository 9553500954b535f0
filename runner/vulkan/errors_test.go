package vulkan

import (
	"strings"
	"testing"
)

// What is missing is said with what to install, and a driver's results with what may help.
func TestErrors(t *testing.T) {
	said := missingLoader([]string{"libvulkan.so.1: cannot open"}).Error()
	for _, code := range []int32{errFeatureAbsent, errExtensionAbsent, errIncompatible} {
		said += result("vkCreateDevice", uintptr(uint32(code))).Error()
	}
	lost := int32(errDeviceLost)
	said += result("vkQueueSubmit", uintptr(uint32(lost))).Error()
	for _, want := range []string{"no Vulkan loader", "libvulkan.so.1", "install", "NVIDIA_DRIVER_CAPABILITIES=graphics", "the driver lacks a feature that headprof needs (vkCreateDevice", "a newer driver", "the device was lost (vkQueueSubmit)"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not said: %s", want, said)
		}
	}
}
