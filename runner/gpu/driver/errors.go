package driver

import "fmt"

// Cause is what an Error comes from.
type Cause int

// Causes that callers tell apart.
const (
	Unknown Cause = iota
	OutOfHostMemory
	OutOfDeviceMemory
	DeviceLost
	Unsupported // the driver lacks what is asked for
)

// Error is a failed call of a driver.
type Error struct {
	API   string // "Vulkan" or "CUDA"
	Call  string
	Code  int // the API's result
	Cause Cause
}

// Error says what failed and what may help.
func (e *Error) Error() string {
	switch e.Cause {
	case OutOfHostMemory:
		return fmt.Sprintf("gpu: out of host memory (%s)", e.Call)
	case OutOfDeviceMemory:
		return fmt.Sprintf("gpu: out of device memory (%s); a shorter context, a smaller chunk or --cache-type f16 needs less", e.Call)
	case DeviceLost:
		return fmt.Sprintf("gpu: the device was lost (%s): its driver stopped or reset it; a run's journal is intact, and the same command continues it", e.Call)
	case Unsupported:
		return fmt.Sprintf("gpu: the driver lacks a feature that headprof needs (%s, result %d); a newer driver may have it", e.Call, e.Code)
	}
	return fmt.Sprintf("gpu: %s failed with %s result %d", e.Call, e.API, e.Code)
}
