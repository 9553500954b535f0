/* Prints size and field offsets of the Vulkan structures that structs.go lays
 * out, one structure a line. Build and run from this folder:
 *     cc -o /tmp/layout layout.c && /tmp/layout > layout.txt
 * with the Vulkan headers (Debian: libvulkan-dev) installed. */
#include <stddef.h>
#include <stdio.h>
#include <vulkan/vulkan.h>

#define S(name) printf("\n" #name " sizeof=%zu", sizeof(name))
#define F(s, f) printf(" " #f "=%zu", offsetof(s, f))

int main(void) {
	printf("# Made by layout.c with Vulkan headers %d.%d.%d. Do not edit.", VK_VERSION_MAJOR(VK_HEADER_VERSION_COMPLETE), VK_VERSION_MINOR(VK_HEADER_VERSION_COMPLETE), VK_HEADER_VERSION);
	S(VkApplicationInfo); F(VkApplicationInfo, pApplicationName); F(VkApplicationInfo, apiVersion);
	S(VkInstanceCreateInfo); F(VkInstanceCreateInfo, flags); F(VkInstanceCreateInfo, pApplicationInfo); F(VkInstanceCreateInfo, ppEnabledLayerNames); F(VkInstanceCreateInfo, ppEnabledExtensionNames);
	S(VkExtensionProperties); F(VkExtensionProperties, specVersion);
	S(VkPhysicalDeviceLimits); F(VkPhysicalDeviceLimits, maxStorageBufferRange); F(VkPhysicalDeviceLimits, maxPushConstantsSize); F(VkPhysicalDeviceLimits, maxMemoryAllocationCount); F(VkPhysicalDeviceLimits, maxComputeSharedMemorySize); F(VkPhysicalDeviceLimits, maxComputeWorkGroupCount); F(VkPhysicalDeviceLimits, maxComputeWorkGroupInvocations); F(VkPhysicalDeviceLimits, maxComputeWorkGroupSize); F(VkPhysicalDeviceLimits, minMemoryMapAlignment); F(VkPhysicalDeviceLimits, minStorageBufferOffsetAlignment); F(VkPhysicalDeviceLimits, nonCoherentAtomSize);
	S(VkPhysicalDeviceProperties); F(VkPhysicalDeviceProperties, deviceType); F(VkPhysicalDeviceProperties, deviceName); F(VkPhysicalDeviceProperties, limits); F(VkPhysicalDeviceProperties, sparseProperties);
	S(VkPhysicalDeviceProperties2); F(VkPhysicalDeviceProperties2, properties);
	S(VkPhysicalDeviceMaintenance3Properties); F(VkPhysicalDeviceMaintenance3Properties, maxMemoryAllocationSize);
	S(VkPhysicalDeviceSubgroupProperties); F(VkPhysicalDeviceSubgroupProperties, subgroupSize); F(VkPhysicalDeviceSubgroupProperties, supportedOperations);
	S(VkPhysicalDeviceFeatures2); F(VkPhysicalDeviceFeatures2, features);
	S(VkPhysicalDeviceVulkan12Features); F(VkPhysicalDeviceVulkan12Features, samplerMirrorClampToEdge); F(VkPhysicalDeviceVulkan12Features, shaderFloat16); F(VkPhysicalDeviceVulkan12Features, bufferDeviceAddress); F(VkPhysicalDeviceVulkan12Features, vulkanMemoryModel);
	S(VkQueueFamilyProperties); F(VkQueueFamilyProperties, queueCount);
	S(VkPhysicalDeviceMemoryProperties); F(VkPhysicalDeviceMemoryProperties, memoryTypes); F(VkPhysicalDeviceMemoryProperties, memoryHeapCount); F(VkPhysicalDeviceMemoryProperties, memoryHeaps);
	S(VkPhysicalDeviceMemoryProperties2); F(VkPhysicalDeviceMemoryProperties2, memoryProperties);
	S(VkPhysicalDeviceMemoryBudgetPropertiesEXT); F(VkPhysicalDeviceMemoryBudgetPropertiesEXT, heapBudget); F(VkPhysicalDeviceMemoryBudgetPropertiesEXT, heapUsage);
	S(VkDeviceQueueCreateInfo); F(VkDeviceQueueCreateInfo, queueFamilyIndex); F(VkDeviceQueueCreateInfo, pQueuePriorities);
	S(VkDeviceCreateInfo); F(VkDeviceCreateInfo, pQueueCreateInfos); F(VkDeviceCreateInfo, ppEnabledExtensionNames); F(VkDeviceCreateInfo, pEnabledFeatures);
	S(VkBufferCreateInfo); F(VkBufferCreateInfo, size); F(VkBufferCreateInfo, usage); F(VkBufferCreateInfo, pQueueFamilyIndices);
	S(VkMemoryRequirements); F(VkMemoryRequirements, alignment); F(VkMemoryRequirements, memoryTypeBits);
	S(VkMemoryAllocateFlagsInfo); F(VkMemoryAllocateFlagsInfo, flags); F(VkMemoryAllocateFlagsInfo, deviceMask);
	S(VkMemoryAllocateInfo); F(VkMemoryAllocateInfo, allocationSize); F(VkMemoryAllocateInfo, memoryTypeIndex);
	S(VkBufferDeviceAddressInfo); F(VkBufferDeviceAddressInfo, buffer);
	S(VkShaderModuleCreateInfo); F(VkShaderModuleCreateInfo, codeSize); F(VkShaderModuleCreateInfo, pCode);
	S(VkSpecializationMapEntry); F(VkSpecializationMapEntry, offset); F(VkSpecializationMapEntry, size);
	S(VkSpecializationInfo); F(VkSpecializationInfo, pMapEntries); F(VkSpecializationInfo, dataSize); F(VkSpecializationInfo, pData);
	S(VkPipelineShaderStageCreateInfo); F(VkPipelineShaderStageCreateInfo, stage); F(VkPipelineShaderStageCreateInfo, module); F(VkPipelineShaderStageCreateInfo, pName); F(VkPipelineShaderStageCreateInfo, pSpecializationInfo);
	S(VkComputePipelineCreateInfo); F(VkComputePipelineCreateInfo, stage); F(VkComputePipelineCreateInfo, layout); F(VkComputePipelineCreateInfo, basePipelineIndex);
	S(VkPushConstantRange); F(VkPushConstantRange, offset); F(VkPushConstantRange, size);
	S(VkPipelineLayoutCreateInfo); F(VkPipelineLayoutCreateInfo, setLayoutCount); F(VkPipelineLayoutCreateInfo, pPushConstantRanges);
	S(VkCommandPoolCreateInfo); F(VkCommandPoolCreateInfo, queueFamilyIndex);
	S(VkCommandBufferAllocateInfo); F(VkCommandBufferAllocateInfo, commandPool); F(VkCommandBufferAllocateInfo, commandBufferCount);
	S(VkCommandBufferBeginInfo); F(VkCommandBufferBeginInfo, flags);
	S(VkMemoryBarrier); F(VkMemoryBarrier, srcAccessMask); F(VkMemoryBarrier, dstAccessMask);
	S(VkBufferCopy); F(VkBufferCopy, dstOffset); F(VkBufferCopy, size);
	S(VkFenceCreateInfo); F(VkFenceCreateInfo, flags);
	S(VkSubmitInfo); F(VkSubmitInfo, waitSemaphoreCount); F(VkSubmitInfo, commandBufferCount); F(VkSubmitInfo, pCommandBuffers); F(VkSubmitInfo, pSignalSemaphores);
	printf("\n");
	return 0;
}
