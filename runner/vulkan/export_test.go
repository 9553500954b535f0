package vulkan

// LoseDevices makes every submission after the next n fail as on a lost device;
// the result counts submissions and undoes it.
func LoseDevices(n int) (count func() int) {
	submitted := 0
	breaks = func() error {
		if submitted++; submitted > n {
			return &Error{Call: "vkQueueSubmit", Code: errDeviceLost}
		}
		return nil
	}
	return func() int { breaks = nil; return submitted }
}
