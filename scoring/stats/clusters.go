package stats

import (
	"runtime"
	"sync"
)

// Two-stage cluster bootstrap (Davison and Hinkley, Bootstrap Methods and
// their Application, 1997, section 3.8; compared with its alternatives by Field
// and Welsh, J. R. Statist. Soc. B 69, 2007): as many needles as there are are
// drawn with replacement, then from each drawn needle as many of its trials.
// Trials of one needle share its words and answer, so drawing trials alone
// would take them for more evidence than they are.

// Draws holds, for every resample, how often each trial was drawn. One Draws
// serves all methods of a run.
type Draws struct {
	counts [][]float64 // [resample][trial]
	totals []float64   // trials drawn, per resample
}

// Clusters resamples trials grouped into clusters; fixed takes each cluster
// once instead of drawing among them.
func (b Bootstrap) Clusters(clusters [][]int, fixed bool) Draws {
	trials := 0
	for _, c := range clusters {
		trials += len(c)
	}
	d := Draws{make([][]float64, b.Resamples), make([]float64, b.Resamples)}
	for r := range b.Resamples {
		rng := b.source(r)
		counts := make([]float64, trials)
		for _, c := range clusters {
			if !fixed {
				c = clusters[rng.IntN(len(clusters))]
			}
			for range c {
				counts[c[rng.IntN(len(c))]]++
			}
			d.totals[r] += float64(len(c))
		}
		d.counts[r] = counts
	}
	return d
}

// Means gives each resample's mean of every head: scores is [trial][head].
func (d Draws) Means(scores [][]float64) [][]float64 {
	out := make([][]float64, len(d.counts))
	Parallel(len(out), func(r int) {
		sums := make([]float64, len(scores[0]))
		for t, count := range d.counts[r] {
			if count == 0 {
				continue
			}
			for h, v := range scores[t] {
				sums[h] += float64(count * v)
			}
		}
		for h := range sums {
			sums[h] /= d.totals[r]
		}
		out[r] = sums
	})
	return out
}

// Parallel calls f(0 … n−1) from as many goroutines as there are processors.
// f must write nothing but what belongs to its own index.
func Parallel(n int, f func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	wg.Wait()
}
