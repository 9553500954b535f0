package cpu

import (
	"sync"
	"time"
)

// PeakGFLOPS measures the float32 operations per nanosecond that so many
// threads reach in a loop of independent fused multiply-adds on registers:
// the most a matrix product could do. It takes about a quarter of a second,
// and keeps the best of several tries; 0 on machines without vector kernels.
func PeakGFLOPS(threads int) float64 {
	sets := native()
	if len(sets) == 0 {
		return 0
	}
	peak := sets[0].peak
	best := 0.0
	for range 8 {
		var all sync.WaitGroup
		var mu sync.Mutex
		sum := 0.0
		for range max(threads, 1) {
			all.Go(func() {
				n, flops := 100000, 0
				begin := time.Now()
				for time.Since(begin) < 30*time.Millisecond {
					flops += peak(n)
				}
				rate := float64(flops) / float64(time.Since(begin).Nanoseconds())
				mu.Lock()
				sum += rate
				mu.Unlock()
			})
		}
		all.Wait()
		best = max(best, sum)
	}
	return best
}
