package vulkan

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

// Structures have the sizes and offsets that a C compiler gives them
// (testdata/layout.txt, printed by testdata/layout.c from Khronos' headers).
func TestLayouts(t *testing.T) {
	raw, err := os.ReadFile("testdata/layout.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]uintptr{}
	for _, line := range strings.Split(string(raw), "\n") {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] == "#" {
			continue
		}
		for _, p := range f[1:] {
			k, v, _ := strings.Cut(p, "=")
			n, err := strconv.Atoi(v)
			if err != nil {
				t.Fatal(err)
			}
			want[f[0]+"."+k] = uintptr(n)
		}
	}
	var (
		app   applicationInfo
		inst  instanceCreateInfo
		ext   extensionProperties
		lim   limits
		prop  physicalDeviceProperties
		prop2 properties2
		m3    maintenance3Properties
		sub   subgroupProperties
		f2    features2
		f12   features12
		qf    queueFamily
		mp    memoryProperties
		mp2   memoryProperties2
		mb    memoryBudget
		dq    deviceQueueCreateInfo
		dc    deviceCreateInfo
		bc    bufferCreateInfo
		mr    memoryRequirements
		mf    memoryAllocateFlags
		ma    memoryAllocateInfo
		ba    bufferDeviceAddressInfo
		sm    shaderModuleCreateInfo
		se    specializationEntry
		si    specializationInfo
		ps    pipelineStage
		cp    computePipelineCreateInfo
		pr    pushConstantRange
		pl    pipelineLayoutCreateInfo
		pool  commandPoolCreateInfo
		ca    commandBufferAllocateInfo
		cb    commandBufferBeginInfo
		bar   memoryBarrier
		cpy   bufferCopy
		fen   fenceCreateInfo
		sub2  submitInfo
	)
	got := map[string]uintptr{
		"VkApplicationInfo.sizeof": unsafe.Sizeof(app), "VkApplicationInfo.pApplicationName": unsafe.Offsetof(app.name), "VkApplicationInfo.apiVersion": unsafe.Offsetof(app.apiVersion),
		"VkInstanceCreateInfo.sizeof": unsafe.Sizeof(inst), "VkInstanceCreateInfo.flags": unsafe.Offsetof(inst.flags), "VkInstanceCreateInfo.pApplicationInfo": unsafe.Offsetof(inst.application), "VkInstanceCreateInfo.ppEnabledLayerNames": unsafe.Offsetof(inst.layers), "VkInstanceCreateInfo.ppEnabledExtensionNames": unsafe.Offsetof(inst.extensions),
		"VkExtensionProperties.sizeof": unsafe.Sizeof(ext), "VkExtensionProperties.specVersion": unsafe.Offsetof(ext.version),
		"VkPhysicalDeviceLimits.sizeof": unsafe.Sizeof(lim), "VkPhysicalDeviceLimits.maxStorageBufferRange": unsafe.Offsetof(lim.maxStorageRange), "VkPhysicalDeviceLimits.maxPushConstantsSize": unsafe.Offsetof(lim.maxPushConstants), "VkPhysicalDeviceLimits.maxMemoryAllocationCount": unsafe.Offsetof(lim.maxAllocations), "VkPhysicalDeviceLimits.maxComputeSharedMemorySize": unsafe.Offsetof(lim.maxSharedMemory), "VkPhysicalDeviceLimits.maxComputeWorkGroupCount": unsafe.Offsetof(lim.maxGroupCount), "VkPhysicalDeviceLimits.maxComputeWorkGroupInvocations": unsafe.Offsetof(lim.maxGroupInvocations), "VkPhysicalDeviceLimits.maxComputeWorkGroupSize": unsafe.Offsetof(lim.maxGroupSize), "VkPhysicalDeviceLimits.minMemoryMapAlignment": unsafe.Offsetof(lim.minMapAlignment), "VkPhysicalDeviceLimits.minStorageBufferOffsetAlignment": unsafe.Offsetof(lim.minStorageAlignment), "VkPhysicalDeviceLimits.nonCoherentAtomSize": unsafe.Offsetof(lim.nonCoherentAtom),
		"VkPhysicalDeviceProperties.sizeof": unsafe.Sizeof(prop), "VkPhysicalDeviceProperties.deviceType": unsafe.Offsetof(prop.kind), "VkPhysicalDeviceProperties.deviceName": unsafe.Offsetof(prop.name), "VkPhysicalDeviceProperties.limits": unsafe.Offsetof(prop.limits), "VkPhysicalDeviceProperties.sparseProperties": unsafe.Offsetof(prop.sparse),
		"VkPhysicalDeviceProperties2.sizeof": unsafe.Sizeof(prop2), "VkPhysicalDeviceProperties2.properties": unsafe.Offsetof(prop2.properties),
		"VkPhysicalDeviceMaintenance3Properties.sizeof": unsafe.Sizeof(m3), "VkPhysicalDeviceMaintenance3Properties.maxMemoryAllocationSize": unsafe.Offsetof(m3.maxAllocationSize),
		"VkPhysicalDeviceSubgroupProperties.sizeof": unsafe.Sizeof(sub), "VkPhysicalDeviceSubgroupProperties.subgroupSize": unsafe.Offsetof(sub.size), "VkPhysicalDeviceSubgroupProperties.supportedOperations": unsafe.Offsetof(sub.operations),
		"VkPhysicalDeviceFeatures2.sizeof": unsafe.Sizeof(f2), "VkPhysicalDeviceFeatures2.features": unsafe.Offsetof(f2.features),
		"VkPhysicalDeviceVulkan12Features.sizeof": unsafe.Sizeof(f12), "VkPhysicalDeviceVulkan12Features.samplerMirrorClampToEdge": unsafe.Offsetof(f12.flags), "VkPhysicalDeviceVulkan12Features.shaderFloat16": unsafe.Offsetof(f12.flags) + 4*flagShaderFloat16, "VkPhysicalDeviceVulkan12Features.bufferDeviceAddress": unsafe.Offsetof(f12.flags) + 4*flagBufferDeviceAddress, "VkPhysicalDeviceVulkan12Features.vulkanMemoryModel": unsafe.Offsetof(f12.flags) + 4*flagMemoryModel,
		"VkQueueFamilyProperties.sizeof": unsafe.Sizeof(qf), "VkQueueFamilyProperties.queueCount": unsafe.Offsetof(qf.count),
		"VkPhysicalDeviceMemoryProperties.sizeof": unsafe.Sizeof(mp), "VkPhysicalDeviceMemoryProperties.memoryTypes": unsafe.Offsetof(mp.types), "VkPhysicalDeviceMemoryProperties.memoryHeapCount": unsafe.Offsetof(mp.heapCount), "VkPhysicalDeviceMemoryProperties.memoryHeaps": unsafe.Offsetof(mp.heaps),
		"VkPhysicalDeviceMemoryProperties2.sizeof": unsafe.Sizeof(mp2), "VkPhysicalDeviceMemoryProperties2.memoryProperties": unsafe.Offsetof(mp2.properties),
		"VkPhysicalDeviceMemoryBudgetPropertiesEXT.sizeof": unsafe.Sizeof(mb), "VkPhysicalDeviceMemoryBudgetPropertiesEXT.heapBudget": unsafe.Offsetof(mb.budget), "VkPhysicalDeviceMemoryBudgetPropertiesEXT.heapUsage": unsafe.Offsetof(mb.usage),
		"VkDeviceQueueCreateInfo.sizeof": unsafe.Sizeof(dq), "VkDeviceQueueCreateInfo.queueFamilyIndex": unsafe.Offsetof(dq.family), "VkDeviceQueueCreateInfo.pQueuePriorities": unsafe.Offsetof(dq.priorities),
		"VkDeviceCreateInfo.sizeof": unsafe.Sizeof(dc), "VkDeviceCreateInfo.pQueueCreateInfos": unsafe.Offsetof(dc.queues), "VkDeviceCreateInfo.ppEnabledExtensionNames": unsafe.Offsetof(dc.extensions), "VkDeviceCreateInfo.pEnabledFeatures": unsafe.Offsetof(dc.features),
		"VkBufferCreateInfo.sizeof": unsafe.Sizeof(bc), "VkBufferCreateInfo.size": unsafe.Offsetof(bc.size), "VkBufferCreateInfo.usage": unsafe.Offsetof(bc.usage), "VkBufferCreateInfo.pQueueFamilyIndices": unsafe.Offsetof(bc.families),
		"VkMemoryRequirements.sizeof": unsafe.Sizeof(mr), "VkMemoryRequirements.alignment": unsafe.Offsetof(mr.alignment), "VkMemoryRequirements.memoryTypeBits": unsafe.Offsetof(mr.typeBits),
		"VkMemoryAllocateFlagsInfo.sizeof": unsafe.Sizeof(mf), "VkMemoryAllocateFlagsInfo.flags": unsafe.Offsetof(mf.flags), "VkMemoryAllocateFlagsInfo.deviceMask": unsafe.Offsetof(mf.deviceMask),
		"VkMemoryAllocateInfo.sizeof": unsafe.Sizeof(ma), "VkMemoryAllocateInfo.allocationSize": unsafe.Offsetof(ma.size), "VkMemoryAllocateInfo.memoryTypeIndex": unsafe.Offsetof(ma.typeIndex),
		"VkBufferDeviceAddressInfo.sizeof": unsafe.Sizeof(ba), "VkBufferDeviceAddressInfo.buffer": unsafe.Offsetof(ba.buffer),
		"VkShaderModuleCreateInfo.sizeof": unsafe.Sizeof(sm), "VkShaderModuleCreateInfo.codeSize": unsafe.Offsetof(sm.size), "VkShaderModuleCreateInfo.pCode": unsafe.Offsetof(sm.code),
		"VkSpecializationMapEntry.offset": unsafe.Offsetof(se.offset), "VkSpecializationMapEntry.size": unsafe.Offsetof(se.size), "VkSpecializationMapEntry.sizeof": unsafe.Sizeof(se),
		"VkSpecializationInfo.sizeof": unsafe.Sizeof(si), "VkSpecializationInfo.pMapEntries": unsafe.Offsetof(si.entries), "VkSpecializationInfo.dataSize": unsafe.Offsetof(si.size), "VkSpecializationInfo.pData": unsafe.Offsetof(si.data),
		"VkPipelineShaderStageCreateInfo.sizeof": unsafe.Sizeof(ps), "VkPipelineShaderStageCreateInfo.stage": unsafe.Offsetof(ps.stage), "VkPipelineShaderStageCreateInfo.module": unsafe.Offsetof(ps.module), "VkPipelineShaderStageCreateInfo.pName": unsafe.Offsetof(ps.entry), "VkPipelineShaderStageCreateInfo.pSpecializationInfo": unsafe.Offsetof(ps.specialization),
		"VkComputePipelineCreateInfo.sizeof": unsafe.Sizeof(cp), "VkComputePipelineCreateInfo.stage": unsafe.Offsetof(cp.stage), "VkComputePipelineCreateInfo.layout": unsafe.Offsetof(cp.layout), "VkComputePipelineCreateInfo.basePipelineIndex": unsafe.Offsetof(cp.baseIndex),
		"VkPushConstantRange.offset": unsafe.Offsetof(pr.offset), "VkPushConstantRange.size": unsafe.Offsetof(pr.size), "VkPushConstantRange.sizeof": unsafe.Sizeof(pr),
		"VkPipelineLayoutCreateInfo.sizeof": unsafe.Sizeof(pl), "VkPipelineLayoutCreateInfo.setLayoutCount": unsafe.Offsetof(pl.setCount), "VkPipelineLayoutCreateInfo.pPushConstantRanges": unsafe.Offsetof(pl.push),
		"VkCommandPoolCreateInfo.sizeof": unsafe.Sizeof(pool), "VkCommandPoolCreateInfo.queueFamilyIndex": unsafe.Offsetof(pool.family),
		"VkCommandBufferAllocateInfo.sizeof": unsafe.Sizeof(ca), "VkCommandBufferAllocateInfo.commandPool": unsafe.Offsetof(ca.pool), "VkCommandBufferAllocateInfo.commandBufferCount": unsafe.Offsetof(ca.count),
		"VkCommandBufferBeginInfo.sizeof": unsafe.Sizeof(cb), "VkCommandBufferBeginInfo.flags": unsafe.Offsetof(cb.flags),
		"VkMemoryBarrier.sizeof": unsafe.Sizeof(bar), "VkMemoryBarrier.srcAccessMask": unsafe.Offsetof(bar.src), "VkMemoryBarrier.dstAccessMask": unsafe.Offsetof(bar.dst),
		"VkBufferCopy.dstOffset": unsafe.Offsetof(cpy.dst), "VkBufferCopy.size": unsafe.Offsetof(cpy.size), "VkBufferCopy.sizeof": unsafe.Sizeof(cpy),
		"VkFenceCreateInfo.sizeof": unsafe.Sizeof(fen), "VkFenceCreateInfo.flags": unsafe.Offsetof(fen.flags),
		"VkSubmitInfo.sizeof": unsafe.Sizeof(sub2), "VkSubmitInfo.waitSemaphoreCount": unsafe.Offsetof(sub2.waitCount), "VkSubmitInfo.commandBufferCount": unsafe.Offsetof(sub2.commandCount), "VkSubmitInfo.pCommandBuffers": unsafe.Offsetof(sub2.commands), "VkSubmitInfo.pSignalSemaphores": unsafe.Offsetof(sub2.signals),
	}
	for k, v := range got {
		w, ok := want[k]
		if !ok {
			t.Errorf("layout.txt has no %s", k)
		} else if v != w {
			t.Errorf("%s is %d, C says %d", k, v, w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d of %d layouts are checked", len(got), len(want))
	}
}
