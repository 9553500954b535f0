package main

import (
	"fmt"
	"os"
	"runtime/debug"

	"headprof/probe"
	"headprof/runner"
	"headprof/scoring"
)

// fitMemory predicts a run's peak and makes the model ready for it. Where it
// would not fit, the plan does with one cache; where that does not fit either,
// the run is refused.
func fitMemory(m *runner.Model, p *probe.Plan, reuse bool) (probe.Cost, runner.Memory, error) {
	return fitInto(m, p, reuse, availableMemory())
}

// fitInto is fitMemory for a machine with have bytes free; 0: unknown.
func fitInto(m *runner.Model, p *probe.Plan, reuse bool, have int64) (probe.Cost, runner.Memory, error) {
	longest := 0
	for _, t := range p.Trials {
		longest = max(longest, t.PromptTokens)
	}
	for {
		cost, err := p.EstimateCost(reuse)
		if err != nil {
			return cost, runner.Memory{}, err
		}
		need, err := m.Memory(int(cost.Peak), longest)
		if err != nil {
			return cost, need, err
		}
		need.Program += thoughtBytes(p, m.Shape().Heads())
		if fits(need, have) {
			holdGarbage(need)
			return cost, need, makeReady(m, need, int(cost.Peak), longest, have)
		}
		if p.OneCache {
			return cost, need, tooLarge(m, need, int(cost.Peak), longest, have)
		}
		p.OneCache = true
	}
}

// thoughtBytes is what the scores of a thought's steps take, which may be many
// more than an answer's.
func thoughtBytes(p *probe.Plan, heads int) int64 {
	const cell = 8 // of a step, method and head
	steps := p.Rules.Thinking.Steps(p.Rules.Decode == probe.Forced)
	return cell * int64(steps) * int64(len(scoring.Methods())) * int64(heads)
}

// makeReady gives weights the memory that a run which fits leaves them.
func makeReady(m *runner.Model, need runner.Memory, cached, longest int, have int64) error {
	if have > 0 {
		m.KeepResident(have - anonymous(need))
	}
	return m.Reserve(cached, longest)
}

// holdGarbage has garbage collected before it takes more than what was announced.
func holdGarbage(need runner.Memory) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(need.Cache + need.Scratch + need.Program)
	}
}

// anonymous is what a run takes of the machine's memory beside its weights.
// These are mapped: those that do not fit are read again for every chunk.
func anonymous(need runner.Memory) int64 { return need.Total() - need.Weights }

// fits tells whether a run fits into the device's memory and into have bytes
// of the machine's; 0: unknown.
func fits(need runner.Memory, have int64) bool {
	return fitsDevice(need) && (have == 0 || anonymous(need) < have)
}

func fitsDevice(need runner.Memory) bool {
	return need.Device == nil || need.Device.Total() <= need.Device.Free
}

// tooLarge says what does not fit, where, and what would.
func tooLarge(m *runner.Model, need runner.Memory, peak, longest int, have int64) error {
	what := fmt.Sprintf("this plan needs %s for the KV cache and scratch, but %s are free", bytesText(anonymous(need)), bytesText(have))
	if d := need.Device; !fitsDevice(need) {
		what = fmt.Sprintf("this plan needs %s of %s's memory (%s for the KV cache, %s for scratch, and %s for weights though all that can be are streamed), but %s are free",
			bytesText(d.Total()), d.Device, bytesText(d.Cache), bytesText(d.Scratch), bytesText(d.Weights+d.Staging), bytesText(d.Free))
	}
	n := longestFit(m, peak, longest, have)
	if n == 0 {
		return fmt.Errorf("%s; no context fits. Compute fewer tokens at once (--chunk), halve the cache with --cache-type f16, or take a smaller model or another --device", what)
	}
	return fmt.Errorf("%s; the longest context that fits is about %d tokens (--lengths, or --max-length of a task), or halve the cache with --cache-type f16", what, n)
}

// longestFit is the longest context that fits, given what a plan of the longest takes.
func longestFit(m *runner.Model, peak, longest int, have int64) int {
	found := 0
	for n := max(1, longest/64); n < longest; n += max(1, longest/64) {
		need, err := m.Memory(peak*n/longest, n)
		if err != nil || !fits(need, have) {
			break
		}
		found = n
	}
	return found
}

// memoryText says what a run takes at most, and where.
func memoryText(need runner.Memory) string {
	d := need.Device
	if d == nil {
		return bytesText(need.Total()) + " at most"
	}
	on := fmt.Sprintf("%s of %s's %s (weights %s, KV cache %s, scratch %s)", bytesText(d.Total()), d.Device, bytesText(d.Free),
		bytesText(d.Weights+d.Staging), bytesText(d.Cache), bytesText(d.Scratch))
	if d.Streamed > 0 {
		on += fmt.Sprintf("; %s of weights do not fit and are streamed for every chunk", bytesText(d.Streamed))
	}
	if d.Shared {
		return fmt.Sprintf("%s at most, of which %s", bytesText(need.Total()), on)
	}
	return fmt.Sprintf("%s at most, and %s", bytesText(need.Total()), on)
}
