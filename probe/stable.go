package probe

import (
	"fmt"

	"headprof/scoring"
)

// StableBlock is the block size for runs that may stop early: often enough
// asked, and large enough to be a balanced sample of most plans.
const StableBlock = 24

// UntilStable is an Options.Stop that ends a run once further trials would
// hardly change the method's k best heads (k ≤ 0: a tenth of all): at least 20
// trials count and the bound is met. seed is the bootstrap's.
func UntilStable(method string, k int, bound scoring.Bound, seed uint64) func([]scoring.TrialScore) (bool, string) {
	return func(trials []scoring.TrialScore) (bool, string) {
		assessed, err := scoring.Assess(trials, k, scoring.Options{Seed: seed})
		if err != nil {
			return false, ""
		}
		for _, s := range assessed {
			if s.Method == method && s.Trials >= fewTrials && bound.Met(s) {
				return true, fmt.Sprintf("the top %d heads by %s are stable: resampled needles and trials keep %.0f %% of them (bound %.0f %%), and their rank intervals span %.1f %% of all heads (bound %.0f %%)",
					s.K, method, 100*s.Overlap, 100*bound.Overlap, 100*s.RankWidth, 100*bound.RankWidth)
			}
		}
		return false, ""
	}
}
