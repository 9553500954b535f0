package probe

import (
	"fmt"

	"headprof/scoring"
)

// StableBlock is the block size for runs that may stop early: often enough
// asked, and large enough to be a balanced sample of most plans.
const StableBlock = 12

// UntilStable is an Options.Stop that ends a run once further trials would
// hardly change the method's k best heads (k ≤ 0: a tenth of all): at least 20
// trials count and the bound is met. seed is the bootstrap's. A plan with
// fewer needles than the bound asks for can say nothing about others: what is
// resampled then is the trials of these needles, each of which must have passed.
func UntilStable(method string, k int, bound scoring.Bound, needles int, seed uint64) func([]scoring.TrialScore) (bool, string) {
	o, resampled := scoring.Options{Seed: seed}, "resampled needles and trials"
	if needles < bound.MinNeedles {
		o.FixedNeedles, bound.MinNeedles = true, needles
		resampled = fmt.Sprintf("for the plan's %d needles, resampled trials", needles)
		if needles == 1 {
			resampled = "for the plan's one needle, resampled trials"
		}
	}
	return func(trials []scoring.TrialScore) (bool, string) {
		assessed, err := scoring.Assess(trials, k, o)
		if err != nil {
			return false, ""
		}
		for _, s := range assessed {
			if s.Method == method && s.Trials >= fewTrials && bound.Met(s) {
				return true, fmt.Sprintf("the top %d heads by %s are stable: %s keep %.0f %% of them (bound %.0f %%), and their rank intervals span %.1f %% of all heads (bound %.0f %%)",
					s.K, method, resampled, 100*s.Overlap, 100*bound.Overlap, 100*s.RankWidth, 100*bound.RankWidth)
			}
		}
		return false, ""
	}
}
