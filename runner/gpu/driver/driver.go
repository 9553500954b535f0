// Package driver is what package gpu asks of a graphics API: devices, memory,
// queues of kernels and copies. runner/vulkan and runner/cuda implement it.
package driver

import "unsafe"

// Kind says what a device is.
type Kind string

// Kinds of devices.
const (
	Discrete   Kind = "discrete"
	Integrated Kind = "integrated"
	Virtual    Kind = "virtual"
	Software   Kind = "software"
	Other      Kind = "other"
)

// Info describes one device.
type Info struct {
	API      string // "Vulkan" or "CUDA"
	Version  string // of the API, as the device speaks it
	Name     string
	Kind     Kind
	Memory   int64 // bytes of device-local memory
	Free     int64 // of it, what the driver says is free; Memory where it does not say
	Features []string
	Matrices bool   // it has units that multiply binary16 matrices into float32
	Problem  string // why headprof cannot use it; "": it can
	Open     func(matrices bool) (Device, error)
}

// Memory is what a block of memory is for.
type Memory int

// Kinds of memory.
const (
	Local  Memory = iota // the device computes with it
	Upload               // the host writes it, the device reads it
	Read                 // the device writes it, the host reads it
)

// Block is one allocation.
type Block struct {
	Size    uint64
	Address uint64         // as kernels see it
	Host    unsafe.Pointer // as the host sees it; nil: it does not
	Memory  uint64         // the driver's own handles
	Buffer  uint64
}

// Span is a range of bytes [From, To) by their addresses on the device.
type Span struct{ From, To uint64 }

// Program names a kernel and the constants it is specialised with. The first
// is the number of threads of a group.
type Program struct {
	Kernel    string
	Constants [10]uint32
}

// Device is an open device. Its methods may be used by several goroutines.
type Device interface {
	// Largest is the size of the largest block.
	Largest() uint64
	// Lanes is the number of threads that run in lockstep.
	Lanes() uint32
	// OnDevice reports whether memory of a kind is taken from the device's own.
	OnDevice(m Memory) bool
	// Alloc makes a block, which the host sees if it can and should.
	Alloc(m Memory, size uint64, seen bool) (Block, error)
	Free(m Memory, b *Block)
	NewQueue() (Queue, error)
	// WaitIdle waits for all queues.
	WaitIdle()
	Close()
}

// Queue runs kernels and copies as if one after the other, in the order in
// which they are given. It is used by one goroutine at a time. After an error
// only Wait and Close are called.
type Queue interface {
	// Dispatch runs groups of a program. args points to a structure of size bytes, at
	// most 128, which is copied. reads and writes are what the kernel touches.
	Dispatch(p Program, args unsafe.Pointer, size uintptr, groups [3]int, reads, writes []Span) error
	// Copy copies size bytes between blocks.
	Copy(dst *Block, dstOff uint64, src *Block, srcOff, size uint64) error
	// Submit makes sure that what was given begins to run; it does not wait.
	Submit() error
	// Wait waits for all that was given; drop: for what was submitted, the rest
	// never runs. Then the host sees the results, and no memory is in use.
	Wait(drop bool) error
	// NewMark makes a mark for this queue.
	NewMark() (Mark, error)
	Close()
}

// Mark is a place in a queue that the host can wait for.
type Mark interface {
	// Set puts the mark after all that was submitted.
	Set() error
	// Wait waits for it; then it may be set again.
	Wait() error
	Close()
}
