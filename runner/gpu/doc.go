// Package gpu is the GPU backend: what a step's operations are made of, which
// weights stay on the device and how the others pass through it, caches, and
// watched rows. Drivers (runner/vulkan) run its kernels and copies.
//
// A step's operations are recorded and submitted a few layers at a time; the
// host waits only in Read and Flush. Kernels see memory by address, so a
// weight's size is bounded by the device's largest allocation alone, and a call
// is a program, up to 128 bytes of arguments and a group count. Weights keep
// their stored format and are unpacked in the kernels.
//
// On one device and driver, one row's result depends neither on the other rows
// of a step nor on how a sequence is cut into steps: every kernel computes an
// element as one chain in an order that is fixed by the element alone.
// Different devices round differently; see docs/gpu.md for the tolerances.
package gpu
