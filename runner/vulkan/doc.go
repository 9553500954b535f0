// Package vulkan is the GPU backend: Vulkan 1.2 compute through the driver's
// own loader library, opened at run time, with no cgo and no toolkit.
//
// A step's operations are recorded into command buffers and submitted a few
// layers at a time; the host waits only in Read and Flush. Shaders see buffers
// by address, so a weight's size is bounded by the device's largest allocation
// alone, and a call is a pipeline, up to 128 bytes of arguments and a group
// count. Weights keep their stored format and are unpacked in the shaders.
//
// On one device and driver, one row's result depends neither on the other rows
// of a step nor on how a sequence is cut into steps: every kernel computes an
// element as one chain in an order that is fixed by the element alone.
// Different devices round differently; see docs/gpu.md for the tolerances.
package vulkan
