package main

import (
	"fmt"

	"headprof/probe"
	"headprof/runner"
)

// checkMemory predicts a run's peak and refuses a plan that cannot fit.
func checkMemory(m *runner.Model, c probe.Cost, p *probe.Plan) (int64, error) {
	longest := 0
	for _, t := range p.Trials {
		longest = max(longest, t.PromptTokens)
	}
	need, err := m.Memory(int(c.Peak), longest)
	if err != nil {
		return 0, err
	}
	have := availableMemory()
	if have == 0 || need.Total()-need.Weights < have {
		// Weights are mapped: where they do not fit they are read again, slowly.
		return need.Total(), nil
	}
	fits := 0
	for n := 256; n < longest; n += 256 {
		at, err := m.Memory(int(c.Peak)*n/max(1, longest), n)
		if err != nil {
			return 0, err
		}
		if at.Total()-at.Weights < have {
			fits = n
		}
	}
	return 0, fmt.Errorf("this plan needs %s for the KV cache and scratch, but %s are free; the longest context that fits is about %d tokens (--lengths), or use --kv-type f16", bytesText(need.Total()-need.Weights), bytesText(have), fits)
}
