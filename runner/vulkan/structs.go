package vulkan

import "unsafe"

// Structures of the Vulkan API, laid out as a C compiler for a 64-bit machine
// lays them out (layout_test.go compares). Handles are 64 bits wide.

type handle = uint64

// Values of VkStructureType.
const (
	typeApplicationInfo      = 0
	typeInstanceCreateInfo   = 1
	typeDeviceQueueCreate    = 2
	typeDeviceCreateInfo     = 3
	typeSubmitInfo           = 4
	typeMemoryAllocateInfo   = 5
	typeFenceCreateInfo      = 8
	typeBufferCreateInfo     = 12
	typeShaderModuleCreate   = 16
	typePipelineStage        = 18
	typeComputePipeline      = 29
	typePipelineLayout       = 30
	typeCommandPool          = 39
	typeCommandBufferAlloc   = 40
	typeCommandBufferBegin   = 42
	typeMemoryBarrier        = 46
	typeFeatures12           = 51
	typeFeatures2            = 1000059000
	typeProperties2          = 1000059001
	typeMemoryProperties2    = 1000059006
	typeMemoryAllocateFlags  = 1000060000
	typeSubgroupProperties   = 1000094000
	typeMaintenance3         = 1000168000
	typeMemoryBudget         = 1000237000
	typeBufferDeviceAddress  = 1000244001
	typeCooperativeMatrix    = 1000506000
	typeCooperativeMatrixKHR = 1000506001
)

// Results that are told apart; all negative values are errors.
const (
	success              = 0
	notReady             = 1
	timeout              = 2
	incomplete           = 5
	errOutOfHostMemory   = -1
	errOutOfDeviceMemory = -2
	errInitialization    = -3
	errDeviceLost        = -4
	errMemoryMap         = -5
	errLayerAbsent       = -6
	errExtensionAbsent   = -7
	errFeatureAbsent     = -8
	errIncompatible      = -9
	errTooManyObjects    = -10
)

const (
	queueCompute = 2 // VK_QUEUE_COMPUTE_BIT

	memoryDeviceLocal  = 1
	memoryHostVisible  = 2
	memoryHostCoherent = 4
	memoryHostCached   = 8

	heapDeviceLocal = 1

	usageTransferSrc = 0x1
	usageTransferDst = 0x2
	usageStorage     = 0x20
	usageAddress     = 0x20000

	allocateAddress = 2 // VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT

	stageCompute  = 0x800
	stageTransfer = 0x1000
	stageHost     = 0x4000

	accessShaderRead    = 0x20
	accessShaderWrite   = 0x40
	accessTransferRead  = 0x800
	accessTransferWrite = 0x1000
	accessHostRead      = 0x2000
	accessHostWrite     = 0x4000

	shaderStageCompute = 0x20
	bindCompute        = 1

	enumeratePortability = 1 // VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR
	oneTimeSubmit        = 1

	maxPushBytes = 128 // what every device offers
)

type applicationInfo struct {
	sType      uint32
	_          unsafe.Pointer // next
	name       unsafe.Pointer
	_          uint32         // version
	_          unsafe.Pointer // engine
	_          uint32         // engineVersion
	apiVersion uint32
}

type instanceCreateInfo struct {
	sType          uint32
	next           unsafe.Pointer
	flags          uint32
	application    *applicationInfo
	layerCount     uint32
	layers         unsafe.Pointer
	extensionCount uint32
	extensions     unsafe.Pointer
}

type extensionProperties struct {
	name    [256]byte
	version uint32
}

type limits struct {
	images              [6]uint32 // maxImageDimension1D … maxTexelBufferElements
	maxUniformRange     uint32
	maxStorageRange     uint32
	maxPushConstants    uint32
	maxAllocations      uint32
	maxSamplers         uint32
	imageGranularity    uint64
	sparseSpace         uint64
	graphics1           [38]uint32 // maxBoundDescriptorSets … maxFragmentCombinedOutputResources
	maxSharedMemory     uint32     // maxComputeSharedMemorySize
	maxGroupCount       [3]uint32
	maxGroupInvocations uint32
	maxGroupSize        [3]uint32
	graphics2           [14]uint32 // subPixelPrecisionBits … viewportSubPixelBits
	minMapAlignment     uint64
	minTexelAlignment   uint64
	minUniformAlignment uint64
	minStorageAlignment uint64
	graphics3           [36]uint32 // minTexelOffset … standardSampleLocations
	optimalCopyOffset   uint64
	optimalCopyPitch    uint64
	nonCoherentAtom     uint64
}

type physicalDeviceProperties struct {
	apiVersion    uint32
	driverVersion uint32
	vendor        uint32
	device        uint32
	kind          uint32
	name          [256]byte
	cacheUUID     [16]byte
	limits        limits
	sparse        [5]uint32
}

type properties2 struct {
	sType      uint32
	next       unsafe.Pointer
	properties physicalDeviceProperties
}

type maintenance3Properties struct {
	sType             uint32
	next              unsafe.Pointer
	maxSetDescriptors uint32
	maxAllocationSize uint64
}

type subgroupProperties struct {
	sType      uint32
	next       unsafe.Pointer
	size       uint32
	stages     uint32
	operations uint32
	quad       uint32
}

type features2 struct {
	sType    uint32
	next     unsafe.Pointer
	features [55]uint32 // VkPhysicalDeviceFeatures
}

// features12 is VkPhysicalDeviceVulkan12Features; the indexes of the flags
// used are below.
type features12 struct {
	sType uint32
	next  unsafe.Pointer
	flags [47]uint32
}

const (
	flagShaderFloat16       = 7
	flagBufferDeviceAddress = 38
	flagMemoryModel         = 41
)

type cooperativeMatrixFeatures struct {
	sType  uint32
	next   unsafe.Pointer
	matrix uint32
	robust uint32
}

// cooperativeMatrixProperties is VkCooperativeMatrixPropertiesKHR: one shape a device multiplies.
type cooperativeMatrixProperties struct {
	sType      uint32
	next       unsafe.Pointer
	m, n, k    uint32
	a, b, c, r uint32 // component types
	saturating uint32
	scope      uint32
}

type queueFamily struct {
	flags       uint32
	count       uint32
	timestamps  uint32
	granularity [3]uint32
}

type memoryType struct{ flags, heap uint32 }

type memoryHeap struct {
	size  uint64
	flags uint32
}

type memoryProperties struct {
	typeCount uint32
	types     [32]memoryType
	heapCount uint32
	heaps     [16]memoryHeap
}

type memoryProperties2 struct {
	sType      uint32
	next       unsafe.Pointer
	properties memoryProperties
}

type memoryBudget struct {
	sType  uint32
	next   unsafe.Pointer
	budget [16]uint64
	usage  [16]uint64
}

type deviceQueueCreateInfo struct {
	sType      uint32
	_          unsafe.Pointer // next
	_          uint32         // flags
	family     uint32
	count      uint32
	priorities unsafe.Pointer
}

type deviceCreateInfo struct {
	sType          uint32
	next           unsafe.Pointer
	flags          uint32
	queueCount     uint32
	queues         *deviceQueueCreateInfo
	layerCount     uint32
	layers         unsafe.Pointer
	extensionCount uint32
	extensions     unsafe.Pointer
	features       unsafe.Pointer
}

type bufferCreateInfo struct {
	sType       uint32
	next        unsafe.Pointer
	flags       uint32
	size        uint64
	usage       uint32
	sharing     uint32
	familyCount uint32
	families    unsafe.Pointer
}

type memoryRequirements struct {
	size, alignment uint64
	typeBits        uint32
}

type memoryAllocateFlags struct {
	sType      uint32
	next       unsafe.Pointer
	flags      uint32
	deviceMask uint32
}

type memoryAllocateInfo struct {
	sType     uint32
	next      unsafe.Pointer
	size      uint64
	typeIndex uint32
}

type bufferDeviceAddressInfo struct {
	sType  uint32
	next   unsafe.Pointer
	buffer handle
}

type shaderModuleCreateInfo struct {
	sType uint32
	next  unsafe.Pointer
	flags uint32
	size  uint64
	code  unsafe.Pointer
}

type specializationEntry struct {
	id, offset uint32
	size       uint64
}

type specializationInfo struct {
	count   uint32
	entries unsafe.Pointer
	size    uint64
	data    unsafe.Pointer
}

type pipelineStage struct {
	sType          uint32
	next           unsafe.Pointer
	flags          uint32
	stage          uint32
	module         handle
	entry          unsafe.Pointer
	specialization *specializationInfo
}

type computePipelineCreateInfo struct {
	sType     uint32
	next      unsafe.Pointer
	flags     uint32
	stage     pipelineStage
	layout    handle
	base      handle
	baseIndex int32
}

type pushConstantRange struct{ stages, offset, size uint32 }

type pipelineLayoutCreateInfo struct {
	sType     uint32
	next      unsafe.Pointer
	flags     uint32
	setCount  uint32
	sets      unsafe.Pointer
	pushCount uint32
	push      *pushConstantRange
}

type commandPoolCreateInfo struct {
	sType  uint32
	next   unsafe.Pointer
	flags  uint32
	family uint32
}

type commandBufferAllocateInfo struct {
	sType uint32
	next  unsafe.Pointer
	pool  handle
	level uint32
	count uint32
}

type commandBufferBeginInfo struct {
	sType       uint32
	next        unsafe.Pointer
	flags       uint32
	inheritance unsafe.Pointer
}

type memoryBarrier struct {
	sType    uint32
	next     unsafe.Pointer
	src, dst uint32
}

type bufferCopy struct{ src, dst, size uint64 }

type fenceCreateInfo struct {
	sType uint32
	next  unsafe.Pointer
	flags uint32
}

type submitInfo struct {
	sType        uint32
	next         unsafe.Pointer
	waitCount    uint32
	waits        unsafe.Pointer
	waitStages   unsafe.Pointer
	commandCount uint32
	commands     unsafe.Pointer
	signalCount  uint32
	signals      unsafe.Pointer
}
