package runner

import (
	"headprof/runner/backend"
	"headprof/runner/kvcache"
)

// Memory is what a run takes at its peak, in bytes, of the host's memory and,
// on a GPU, of the device's.
type Memory struct {
	Weights int64                 // the mapped file: read on demand, given back under pressure; on a GPU, what does not stay on the device
	Cache   int64                 // keys and values of all tokens held at once; 0 on a GPU
	Scratch int64                 // activations of one chunk, panels, attention blocks, logits; on a GPU, what it shares with the host
	Program int64                 // tables of the tokenizer, the Go runtime
	Device  *backend.DeviceMemory // nil: the model runs on the CPU
}

// Total is the sum of the host's memory, a device's that is the host's included.
func (m Memory) Total() int64 {
	sum := m.Weights + m.Cache + m.Scratch + m.Program
	if m.Device != nil && m.Device.Shared {
		sum += m.Device.Total()
	}
	return sum
}

// watchedRows is how many rows of a step Memory assumes to want logits and
// attention: the draft of an answer.
const watchedRows = 48

// Memory predicts the peak of a run whose sessions hold `cached` tokens
// together, the longest of them `longest` tokens, computed in chunks of the
// model's options.
func (m *Model) Memory(cached, longest int) (Memory, error) {
	return m.MemoryOf(cached, longest, watchedRows)
}

// MemoryOf is Memory for steps of which at most so many rows are watched or want logits.
func (m *Model) MemoryOf(cached, longest, watched int) (Memory, error) {
	out := Memory{Program: 24<<20 + 200*int64(m.config.Vocab)}
	r := m.run(cached, longest, watched)
	logits := int64(len(r.Watched)) * int64(m.config.Vocab) * 4 // handed out as copies
	if d, ok := m.backend.(backend.Device); ok {
		need, err := d.Predict(r)
		out.Weights, out.Scratch, out.Device = need.Streamed, need.Host+logits, &need
		return out, err
	}
	out.Weights = m.source.Size()
	out.Cache = kvcache.Predict(m.config.Shape(), m.options.KV, cached)
	c, ok := m.backend.(backend.ScratchPredictor)
	if !ok {
		return out, nil
	}
	var err error
	out.Scratch, err = c.ScratchBytes(r)
	out.Scratch += logits
	return out, err
}

// run describes such a run to a backend.
func (m *Model) run(cached, longest, watched int) backend.Run {
	rows := min(m.options.Chunk, max(1, longest))
	live := make([]int, min(rows, watched))
	for i := range live {
		live[i] = rows - len(live) + i
	}
	return backend.Run{
		Layers: m.config.Shape(), KV: m.options.KV, Sequences: sequences(cached, longest),
		Rows: rows, Watched: live, Entries: longest,
		Step: func(o backend.Ops) { m.forward(o, make([]int32, rows), live, live) },
	}
}

// sequences splits the tokens of all sessions. A session makes space for its
// whole sequence at once, so one that is shorter now counts in full; what is
// left of an answer or less is part of the others.
func sequences(cached, longest int) []int {
	const answer = 128
	longest = max(1, longest)
	n, rest := cached/longest, cached%longest
	if rest > answer || n == 0 {
		n, rest = n+1, 0
	}
	all := make([]int, n)
	for i := range all {
		all[i] = longest + max(rest, answer/2)
	}
	return all
}

// Reserve makes a GPU ready for sessions as Memory describes them: weights stay
// on the device as far as these leave space, and are streamed in every step
// otherwise, which changes time and no result. Only the first call counts; the
// first session makes it where nobody has. On a CPU it does nothing.
func (m *Model) Reserve(cached, longest int) error {
	d, ok := m.backend.(backend.Device)
	if !ok {
		return nil
	}
	return d.Reserve(m.run(cached, longest, watchedRows))
}
