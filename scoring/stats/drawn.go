package stats

// MeanOf gives every head's mean in resample r: scores is [trial][head]. Trials
// that a method did not score are nil and are left out; where none of its
// trials was drawn, the result is nil.
func (d Draws) MeanOf(r int, scores [][]float64) []float64 {
	var sums []float64
	var total float64
	for t, count := range d.counts[r] {
		if count == 0 || scores[t] == nil {
			continue
		}
		if sums == nil {
			sums = make([]float64, len(scores[t]))
		}
		total += count
		for h, v := range scores[t] {
			sums[h] += float64(count * v)
		}
	}
	for h := range sums {
		sums[h] /= total
	}
	return sums
}

// EachPick calls f with the indexes drawn in each resample, n of n things with
// replacement, one resample after the other.
func (b Bootstrap) EachPick(n int, f func(picks []int)) {
	for r := range b.Resamples {
		rng := b.source(r)
		picks := make([]int, n)
		for i := range picks {
			picks[i] = rng.IntN(n)
		}
		f(picks)
	}
}
