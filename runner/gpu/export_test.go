package gpu

import "headprof/runner/gpu/driver"

// LoseDevices makes every kernel after the next n fail as on a lost device; the
// result counts them and undoes it.
func LoseDevices(n int) (count func() int) {
	ran := 0
	breaks = func() error {
		if ran++; ran > n {
			return &driver.Error{Call: "kernel", Cause: driver.DeviceLost}
		}
		return nil
	}
	return func() int { breaks = nil; return ran }
}
