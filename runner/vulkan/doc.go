// Package vulkan drives GPUs by Vulkan 1.2 compute through the driver's own
// loader library, opened at run time, with no cgo and no toolkit. A queue
// records dispatches and copies into command buffers, with barriers where one
// touches what another wrote; a program is a pipeline.
package vulkan
