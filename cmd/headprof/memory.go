package main

import (
	"fmt"
	"os"
	"runtime/debug"

	"headprof/probe"
	"headprof/runner"
)

// fitMemory predicts a run's peak. Where it would not fit, the plan does with
// one cache; where that does not fit either, the run is refused.
func fitMemory(m *runner.Model, p *probe.Plan, reuse bool) (probe.Cost, int64, error) {
	longest := 0
	for _, t := range p.Trials {
		longest = max(longest, t.PromptTokens)
	}
	have := availableMemory()
	for {
		cost, err := p.EstimateCost(reuse)
		if err != nil {
			return cost, 0, err
		}
		need, err := m.Memory(int(cost.Peak), longest)
		if err != nil {
			return cost, 0, err
		}
		// Weights are mapped: those that do not fit are read again for every chunk.
		anonymous := need.Total() - need.Weights
		switch {
		case have == 0 || anonymous < have:
			if have > 0 {
				m.KeepResident(have - anonymous)
			}
			if os.Getenv("GOMEMLIMIT") == "" {
				// Garbage is collected before it takes more than what was announced.
				debug.SetMemoryLimit(anonymous)
			}
			return cost, need.Total(), nil
		case p.OneCache:
			return cost, 0, fmt.Errorf("this plan needs %s for the KV cache and scratch, but %s are free; the longest context that fits is about %d tokens (--lengths), or halve the cache with --kv-type f16",
				bytesText(anonymous), bytesText(have), longestFit(m, int(cost.Peak), longest, have))
		}
		p.OneCache = true
	}
}

// longestFit is the longest context whose cache and scratch take less than
// have bytes, given what a plan of the longest takes.
func longestFit(m *runner.Model, peak, longest int, have int64) int {
	fits := 0
	for n := longest / 64; n < longest; n += max(1, longest/64) {
		need, err := m.Memory(peak*n/longest, n)
		if err != nil || need.Total()-need.Weights >= have {
			break
		}
		fits = n
	}
	return fits
}
