package backend

import "headprof/runner/shape"

// Device is a Backend with memory of its own, in which weights, caches and a
// step's values lie. Weights that do not fit stay in the host's
// memory and are streamed in every step.
type Device interface {
	// Predict gives what a run takes. It computes nothing and takes no memory.
	Predict(r Run) (DeviceMemory, error)
	// Reserve puts the weights where they will stay: in what memory the run
	// leaves, the rest in the host's. It is an error if the run does not fit.
	// Only the first call counts.
	Reserve(r Run) error
}

// Run is what a backend is to be ready for.
type Run struct {
	Layers    []shape.Layer
	KV        KVType
	Sequences []int     // tokens of each of the caches held at once
	Rows      int       // of the largest step
	Watched   []int     // its rows whose attention is delivered
	Blocks    bool      // all its rows' attention is delivered in blocks
	Entries   int       // the longest sequence, after such a step
	Step      func(Ops) // runs the model's equations on Rows rows; Read gives nil
}

// DeviceMemory is what a run takes on a device, and beside it, in bytes.
type DeviceMemory struct {
	Device  string // its name
	Free    int64  // what the device has for all of this
	Shared  bool   // the device's memory is the host's
	Weights int64  // those that stay on the device
	Staging int64  // buffers on the device through which the other weights are streamed
	Cache   int64
	Scratch int64 // a step's values
	// Streamed are the weights that are read from the host's memory in every step.
	Streamed int64
	// Host is the host's memory for arguments, results and weights on their way.
	Host int64
}

// Total is what must fit into the device's memory.
func (m DeviceMemory) Total() int64 { return m.Weights + m.Staging + m.Cache + m.Scratch }
