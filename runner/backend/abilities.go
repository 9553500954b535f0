package backend

// What a Backend can do beyond computing. Whoever wants one of these asks for
// it by a type assertion to the interface that is declared here, and does
// without it where the backend lacks it.

// KernelNamer is a Backend with kernels to choose from, such as "avx512".
type KernelNamer interface {
	Kernels() string
}

// Coder is a Backend that multiplies some weights as their integer codes
// (int8 activations).
type Coder interface {
	// CodedWeights is the number of weights made so far that are multiplied so.
	CodedWeights() int
}

// PeakMeter is a Backend that measures what its device can do at most, in 10⁹
// float32 operations per second.
type PeakMeter interface {
	PeakGFLOPS() (float64, error)
}

// ScratchPredictor is a Backend that computes in the host's memory and
// predicts, in bytes, what a run takes of it beside weights and cache.
type ScratchPredictor interface {
	ScratchBytes(r Run) (int64, error)
}
