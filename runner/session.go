package runner

import (
	"context"
	"fmt"
	"sort"

	"headprof/runner/backend"
)

// Watch names what an Extend must deliver besides filling the cache.
// Positions are absolute token positions within the range being extended.
type Watch struct {
	// Attention lists positions whose attention rows go to Rows, ascending.
	Attention []int
	// Rows receives each watched row; see backend.Watch for concurrency.
	Rows func(backend.Row)
	// Logits lists positions whose logits are wanted, ascending.
	Logits []int
	// Progress, if set, is called after each computed chunk with its number of tokens.
	Progress func(tokens int)
}

// Session is one token sequence and its KV cache. It is used by one goroutine
// at a time; sessions of one model may run side by side.
type Session struct {
	model *Model
	cache backend.Cache
	muted [][]bool // [layer][head]; nil: none
}

// Len is the number of tokens in the sequence.
func (s *Session) Len() int { return s.cache.Len() }

// Bytes is the memory that the session's cache holds.
func (s *Session) Bytes() int64 { return s.cache.Bytes() }

// Cache gives the session's cache, for eviction policies.
func (s *Session) Cache() backend.Cache { return s.cache }

// Close releases the cache.
func (s *Session) Close() { s.cache.Close() }

// Truncate forgets the tokens from position n on.
func (s *Session) Truncate(n int) error { return s.cache.Truncate(n) }

// Fork gives an independent session over the first n tokens.
func (s *Session) Fork(n int) (*Session, error) {
	c, err := s.cache.Fork(n)
	if err != nil {
		return nil, err
	}
	return &Session{model: s.model, cache: c, muted: s.muted}, nil
}

// Mute silences heads from the next Extend on: muted[layer][head] true makes
// that head's output zero. nil silences none.
func (s *Session) Mute(muted [][]bool) { s.muted = muted }

// Extend appends tokens to the sequence and computes them. The result holds
// one row of logits per position in w.Logits, in that order. Results do not
// depend, to the byte, on how a sequence is cut into Extend calls. On an error
// (a cancelled ctx among them) the sequence is as long as before the chunk
// that failed.
func (s *Session) Extend(ctx context.Context, tokens []int32, w Watch) ([][]float32, error) {
	start := s.Len()
	if limit := s.model.config.Context; start+len(tokens) > limit {
		more := ""
		if long := s.model.config.LongContext; long > 0 {
			more = fmt.Sprintf("; opened for longer sequences (a context of up to %d), it has other position frequencies", long)
		}
		return nil, fmt.Errorf("%s: a sequence of %d tokens is over the model's limit of %d%s", s.model.name, start+len(tokens), limit, more)
	}
	for i, id := range tokens {
		if id < 0 || int(id) >= s.model.config.Vocab {
			return nil, fmt.Errorf("%s: token %d at position %d is outside the vocabulary of %d", s.model.name, id, start+i, s.model.config.Vocab)
		}
	}
	var logits [][]float32
	for len(tokens) > 0 {
		n := min(s.model.options.Chunk, len(tokens))
		out, err := s.step(ctx, tokens[:n], w)
		if err != nil {
			return nil, err
		}
		logits = append(logits, out...)
		tokens = tokens[n:]
		if w.Progress != nil {
			w.Progress(n)
		}
	}
	return logits, nil
}

// step computes one chunk.
func (s *Session) step(ctx context.Context, tokens []int32, w Watch) (logits [][]float32, err error) {
	first := s.Len()
	watch := backend.Watch{Rows: within(w.Attention, first, len(tokens)), Deliver: w.Rows}
	wanted := within(w.Logits, first, len(tokens))
	live := union(watch.Rows, wanted) // all that the last layer must compute beyond keys and values
	o, err := s.model.backend.Begin(s.cache, len(tokens), &watch)
	if err != nil {
		return nil, err
	}
	if s.muted != nil {
		o = &muting{o, s.muted}
	}
	all, err := s.model.forward(ctx, o, tokens, live, wanted)
	if err != nil {
		// The step is abandoned: what was stored is forgotten.
		if t := s.cache.Truncate(first); t != nil {
			return nil, t
		}
		return nil, err
	}
	v := s.model.config.Vocab
	for i := range wanted {
		logits = append(logits, append([]float32(nil), all[i*v:(i+1)*v]...))
	}
	if err := o.Flush(); err != nil {
		return nil, err
	}
	return logits, nil
}

// forward computes one chunk and reads the logits of the wanted rows, which
// are among the live ones: those that the last layer computes.
func (m *Model) forward(ctx context.Context, o backend.Ops, tokens []int32, live, wanted []int) ([]float32, error) {
	x := o.Keep(m.arch.Embed(o, tokens))
	for l := range m.config.Layers {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var rows []int
		if l == len(m.config.Layers)-1 {
			rows = live
		}
		if y := m.arch.Layer(o, l, x, rows); y != x {
			x = o.Keep(y)
		}
		o.EndLayer()
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	at := make([]int, len(wanted))
	for i, r := range wanted {
		at[i] = sort.SearchInts(live, r)
	}
	return o.Read(m.arch.Logits(o, o.Gather(x, at))), nil
}

// within gives the positions that lie in the chunk, as row indexes; never nil.
func within(positions []int, first, n int) []int {
	rows := []int{}
	for _, p := range positions {
		if p >= first && p < first+n {
			rows = append(rows, p-first)
		}
	}
	return rows
}

// union merges two ascending lists without repeating; never nil.
func union(a, b []int) []int {
	out := []int{}
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || (len(a) > 0 && a[0] < b[0]):
			out, a = append(out, a[0]), a[1:]
		case len(a) == 0 || b[0] < a[0]:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	return out
}

// muting wraps a step so that ablated heads give zero; families need not know.
type muting struct {
	backend.Ops
	muted [][]bool
}

func (m *muting) Attend(q backend.Value, a backend.Attention, rows []int) backend.Value {
	a.Muted = m.muted[a.Layer]
	return m.Ops.Attend(q, a, rows)
}
