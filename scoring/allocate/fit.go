package allocate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// fit scales quotas to integers within [0, caps] that add up to total exactly.
// What a cap takes off goes to the others in proportion; the fractions that
// rounding down leaves go, one entry each, to the largest remainders (Hamilton's
// method), equal ones to the lowest index.
func fit(quotas []float64, caps []int, total int) ([]int, error) {
	space := 0
	for _, c := range caps {
		space += min(c, unlimited)
	}
	if total < 0 || total > space {
		return nil, fmt.Errorf("the caches can hold %d selected entries, %d were asked for; ask for less or drop the fit", space, total)
	}
	out := make([]int, len(quotas))
	capped := make([]bool, len(quotas))
	scaled := make([]float64, len(quotas))
	left := total
	for {
		var sum float64
		free := 0
		for i, q := range quotas {
			if !capped[i] {
				sum += q
				free++
			}
		}
		again := false
		rest := left
		for i, q := range quotas {
			if capped[i] {
				continue
			}
			// Caches that score nothing share evenly once they are all that is left.
			scaled[i] = float64(rest) / float64(free)
			if sum > 0 {
				scaled[i] = q / sum * float64(rest)
			}
			if scaled[i] >= float64(caps[i]) {
				capped[i], again = true, true
				out[i] = caps[i]
				left -= caps[i]
			}
		}
		if !again {
			break
		}
	}
	var order []int
	for i := range out {
		if capped[i] {
			continue
		}
		out[i] = int(math.Floor(scaled[i]))
		left -= out[i]
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(scaled[b]-math.Floor(scaled[b]), scaled[a]-math.Floor(scaled[a]))
	})
	for _, i := range order {
		if left > 0 { // below its cap: it was not capped above
			out[i]++
			left--
		}
	}
	// Rounding errors cannot make the floors exceed the total: a quota is off by
	// less than 2^-23 of an entry, and there are at most 2^20.
	if left != 0 {
		return nil, fmt.Errorf("fitting %d entries failed: %d are left", total, left)
	}
	return out, nil
}
