package runner

import (
	"headprof/runner/backend"
	"headprof/runner/kvcache"
)

// Memory is what a run takes at its peak, in bytes.
type Memory struct {
	Weights int64 // the mapped file: read on demand, given back under pressure
	Cache   int64 // keys and values of all tokens held at once
	Scratch int64 // activations of one chunk, panels, attention blocks, logits
	Program int64 // tables of the tokenizer, the Go runtime
}

// Total is the sum.
func (m Memory) Total() int64 { return m.Weights + m.Cache + m.Scratch + m.Program }

// watchedRows is how many rows of a step Memory assumes to want logits and
// attention: the draft of an answer.
const watchedRows = 48

// Memory predicts the peak of a run whose sessions hold `cached` tokens
// together, the longest of them `longest` tokens, computed in chunks of the
// model's options.
func (m *Model) Memory(cached, longest int) (Memory, error) {
	out := Memory{
		Weights: m.source.Size(),
		Cache:   kvcache.Predict(m.config.CacheLayers(), m.options.KV, cached),
		Program: 24<<20 + 200*int64(m.config.Vocab),
	}
	c, ok := m.backend.(interface {
		ScratchBytes(layers []backend.CacheLayer, kv backend.KVType, rows, entries int, step func(backend.Ops)) (int64, error)
	})
	if !ok {
		return out, nil
	}
	rows := min(m.options.Chunk, max(1, longest))
	live := make([]int, min(rows, watchedRows))
	for i := range live {
		live[i] = rows - len(live) + i
	}
	var err error
	out.Scratch, err = c.ScratchBytes(m.config.CacheLayers(), m.options.KV, rows, longest, func(o backend.Ops) {
		m.forward(o, make([]int32, rows), live, live)
	})
	// The logits are handed out as copies.
	out.Scratch += int64(len(live)) * int64(m.config.Vocab) * 4
	return out, err
}
